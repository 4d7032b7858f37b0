"""What is found out about a network before it becomes a version."""

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from models import golden, novelty
from models.data import learned
from models.data.draw import draw
from models.data.load import load_builtin
from models.inference import read
from models.spec import TrainingSpec
from service.artifacts import Artifacts
from service.cli.doctor import examine
from service.settings import Settings
from service.store import owners
from service.store.engine import Row
from service.store.store import Store
from tests.worker.training import SMALL, kept, submit, trained
from worker.learned_from import Known, UnknownError
from worker.train import assess
from worker.train.run import run


def test_a_network_is_assessed_before_it_becomes_a_version(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    job = trained(store, artifacts, settings, model="digits")
    row = store.models.version("digits", 1)
    assert row is not None
    assert (row.job_id, row.epoch) == (job.id, job.result["best_epoch"])
    assert row.weights_sha256 == job.result["best_weights_sha256"]
    assert row.val_accuracy == job.result["best_val_accuracy"]
    files = {
        file.name: artifacts.read(file.key, file.sha256) for file in store.files.of(owners.of_version("digits", 1))
    }
    assert set(files) == {
        "weights.safetensors",
        "about.json",
        "golden.safetensors",
        "novelty.safetensors",
        "card.json",
        "learned.npy",
    }
    golden.replay(read(files["weights.safetensors"]), golden.unpack(files["golden.safetensors"]))
    assert novelty.unpack(files["novelty.safetensors"]).distances.shape == (novelty.QUANTILES,)
    card = json.loads(files["card.json"])
    assert card["model"]["weights_sha256"] == row.weights_sha256
    assert card["data"]["sha256"] == row.data_sha256
    assert card["accuracies"]["validation"] == pytest.approx(row.val_accuracy)
    assert row.facts["temperature"] == card["assessment"]["temperature"]
    examples = [its["examples"] for its in card["assessment"]["classes"]]
    assert row.facts["majority_share"] == max(examples) / sum(examples)
    assert list(examine(store, artifacts, young_seconds=-1)) == []


def test_a_network_that_learned_to_name_one_class_is_a_version_and_no_champion(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    job = trained(store, artifacts, settings, learning_rate=10.0, epochs=2)
    assert job.state == "succeeded"
    row = store.models.version("digits", 1)
    assert row is not None
    accuracy, share = f"{row.val_accuracy:.4f}", f"{row.facts['majority_share']:.4f}"
    assert row.facts["not_promoted_because"] == (
        f"it is no better than guessing: its accuracy on 360 examples (validation of digits), {accuracy}, does not "
        f"exceed the share of the most frequent class, {share}"
    )
    assert store.aliases.get("digits", "champion") is None


def test_a_network_that_cannot_be_assessed_is_a_version_without_a_card(
    store: Store, artifacts: Artifacts, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = submit(store)

    def refuse(*_arguments: object, **_options: object) -> None:
        raise ValueError("the network's outputs are not numbers")

    monkeypatch.setattr(assess, "assess", refuse)
    run(job_id, store, artifacts, settings, owner="worker")
    row = store.models.version("digits", 1)
    assert row is not None
    assert "outputs are not numbers" in row.facts["no_card_because"]
    assert row.data_sha256 is not None
    assert {file.name for file in store.files.of(owners.of_version("digits", 1))} == {
        "weights.safetensors",
        "about.json",
    }
    assert {str(path.relative_to(artifacts.folder)) for path in kept(artifacts, job_id)} == {
        file.key for file in store.files.of(owners.of_job(job_id))
    }


def _examples(settings: Settings, seed: int) -> NDArray[np.uint64]:
    """Give the hashes of what a job on the digits learns from."""
    digits = load_builtin("digits", settings.data)
    rows = draw(digits.labels, None, fraction=0.2, seed=seed, stratify=False).train
    return learned.learn(digits.values, digits.schema, rows)


def _version(store: Store, number: int) -> Row:
    row = store.models.version("digits", number)
    assert row is not None
    return row


def test_a_version_keeps_what_it_has_learned_from_and_it_is_found_again_where_it_did_not(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    trained(store, artifacts, settings, model="digits", validation_fraction=0.2, split_seed=7)
    known, expected = Known(store, artifacts, settings), _examples(settings, 7)
    pointer = store.files.get(owners.of_version("digits", 1), learned.LEARNED)
    assert pointer is not None
    assert np.array_equal(learned.unpack(artifacts.read(pointer.key, pointer.sha256)), expected)
    assert np.array_equal(known.of_version(_version(store, 1)), expected)
    artifacts.path(pointer.key).write_bytes(b"rubbish")
    assert np.array_equal(known.of_version(_version(store, 1)), expected)
    store.files.forget(pointer)
    assert np.array_equal(known.of_version(_version(store, 1)), expected)


@pytest.mark.parametrize("is_there", [True, False])
def test_who_went_on_from_another_has_learned_from_its_examples_as_well(
    store: Store, artifacts: Artifacts, settings: Settings, *, is_there: bool
) -> None:
    split = {"validation_fraction": 0.2, "promote": "never"}
    first = trained(store, artifacts, settings, model="digits", split_seed=1, epochs=1, **split)
    origin = {"kind": "fine_tune", "job_id": first.id}
    spec = TrainingSpec(**SMALL | split | {"model": "digits", "split_seed": 2, "epochs": 1})  # type: ignore[arg-type]
    second = store.submissions.fine_tune(first.id, spec, origin, "best")
    if not is_there:
        artifacts.remove(store.models.delete("digits", 1) or ())
        artifacts.remove(store.jobs.delete(first.id) or ())
    run(second, store, artifacts, settings, owner="worker")
    row, known = _version(store, 2), Known(store, artifacts, settings)
    if is_there:
        both = learned.union(_examples(settings, 1), _examples(settings, 2))
        assert np.array_equal(known.of_version(row), both)
    else:
        with pytest.raises(UnknownError, match=f"went on from job {first.id}, which was deleted"):
            known.of_version(row)
