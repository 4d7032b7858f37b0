"""By what a job is judged, and what it is worth on a test part, as it ends up on record."""

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from models.data.draw import draw
from models.data.examples import TEST, TRAIN
from models.data.load import load_builtin
from models.data.split import Split, divide
from models.inference import read
from models.spec import TrainingSpec
from service.api.schemas.jobs import Job
from service.api.schemas.recorded import EpochView
from service.artifacts import Artifacts
from service.settings import Settings
from service.store import owners
from service.store.store import Store
from tests.worker.training import trained


def test_a_job_is_judged_by_its_metric(store: Store, artifacts: Artifacts, settings: Settings) -> None:
    fields = {"metric": "log_loss", "class_weights": "balanced", "learning_rate": 0.05, "epochs": 4}
    fields |= {"hidden_sizes": (64,), "batch_size": 32}
    job = trained(store, artifacts, settings, **fields)
    epochs = store.jobs.epochs(job.id)
    best = min(epochs, key=lambda row: row.val_metric)
    assert best.epoch < 4, "it is to get worse at the end"
    result = Job.of(job).result
    assert result is not None
    assert (result.metric, result.best_metric, result.best_epoch) == ("log_loss", best.val_metric, best.epoch)
    assert (result.best_val_accuracy, result.test_accuracy) == (best.val_accuracy, None)
    pointer = store.files.get(owners.of_job(job.id), "last.json")
    assert pointer is not None
    about = json.loads(artifacts.read(pointer.key, pointer.sha256))
    assert about["metrics"]["val_metric"] == epochs[-1].val_metric
    assert EpochView.model_validate(best, from_attributes=True).val_metric == best.val_metric


def test_judged_by_accuracy_a_job_has_one_figure_under_two_names(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    job = trained(store, artifacts, settings, epochs=2)
    assert [row.val_metric for row in store.jobs.epochs(job.id)] == [
        row.val_accuracy for row in store.jobs.epochs(job.id)
    ]
    result = job.result
    assert (result["metric"], result["best_metric"]) == ("accuracy", result["best_val_accuracy"])


def test_the_test_part_is_measured_with_the_best_weights_at_the_end(
    store: Store, artifacts: Artifacts, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits = load_builtin("digits", settings.data)
    parts = np.where(np.arange(len(digits.labels)) % 5 == 0, TEST, TRAIN).astype(np.uint8)
    examples = dataclasses.replace(digits, parts=parts)

    def prepared(spec: TrainingSpec, *_: Any) -> Split:
        return divide(examples, validation_fraction=spec.validation_fraction, split_seed=spec.split_seed)

    monkeypatch.setattr("worker.train.run.prepare", prepared)
    job = trained(store, artifacts, settings, hidden_sizes=(32,), batch_size=32)
    rows = draw(digits.labels, parts, fraction=0.2, seed=42, stratify=False).test
    best = store.files.get(owners.of_job(job.id), "best.safetensors")
    assert rows is not None
    assert best is not None
    predicted = read(artifacts.read(best.key, best.sha256)).logits(digits.values[rows]).argmax(axis=1)
    assert job.result["test_accuracy"] == pytest.approx((predicted == digits.labels[rows]).mean(), abs=0.003)
    assert job.result["test_accuracy"] > 0.5
