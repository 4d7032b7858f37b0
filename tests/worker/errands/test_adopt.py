"""Checkpoints that become versions: of jobs that were cancelled, failed or succeeded; on both databases."""

import json
from typing import Any

import pytest

from models import golden
from models.inference import read
from service.artifacts import Artifacts
from service.cli.doctor import examine
from service.settings import Settings
from service.store import owners
from service.store.promotion import Promotion
from service.store.store import Store
from service.store.versions import NO_FINDINGS
from tests.worker.training import found, interrupted, trained
from worker.errands.adopt import adopt

IF_BETTER = Promotion("if_better")


@pytest.fixture
def cancelled(store: Store, artifacts: Artifacts, settings: Settings) -> str:
    """A job that was cancelled after its second epoch."""
    job_id = interrupted(store, artifacts, settings)
    store.jobs.cancel(job_id)
    assert (found(store, job_id).state, found(store, job_id).version) == ("cancelled", None)
    return job_id


def contents(store: Store, artifacts: Artifacts, version: int) -> dict[str, bytes]:
    files = store.files.of(owners.of_version("kept", version))
    return {file.name: artifacts.read(file.key, file.sha256) for file in files}


def test_a_checkpoint_of_a_cancelled_job_is_a_version_as_any_other(
    store: Store, artifacts: Artifacts, settings: Settings, cancelled: str
) -> None:
    for _ in range(2):
        adopt("kept", cancelled, "last", IF_BETTER, store, artifacts, settings)
    assert store.models.adopt("kept", cancelled, "last", NO_FINDINGS, IF_BETTER) == 1, "as one who came second"
    assert store.models.get("kept").newest == 1  # type: ignore[union-attr]
    (row,) = store.models.versions("kept", limit=9)
    job = found(store, cancelled)
    assert (row.version, row.job_id, row.epoch, row.weights_sha256) == (1, cancelled, 2, job.weights_sha256)
    assert row.facts["promoted"] is True
    assert job.version == {"model": "kept", "version": 1, "promoted": True, "not_promoted_because": None}
    files = contents(store, artifacts, 1)
    assert files.keys() == {
        "weights.safetensors",
        "about.json",
        "golden.safetensors",
        "novelty.safetensors",
        "learned.npy",
        "card.json",
    }
    golden.replay(read(files["weights.safetensors"]), golden.unpack(files["golden.safetensors"]))
    card = json.loads(files["card.json"])
    assert (card["model"]["epoch"], card["model"]["weights_sha256"]) == (2, row.weights_sha256)
    assert card["accuracies"]["validation"] == pytest.approx(row.val_accuracy)
    assert list(examine(store, artifacts, young_seconds=-1)) == []
    artifacts.remove(store.jobs.delete(cancelled) or ())
    assert contents(store, artifacts, 1) == files, "it stays when its job is deleted"


def test_it_is_compared_with_the_champion_and_the_job_keeps_its_first_version(
    store: Store, artifacts: Artifacts, settings: Settings, cancelled: str
) -> None:
    better = trained(store, artifacts, settings, model="kept", epochs=6)
    adopt("kept", cancelled, "best", IF_BETTER, store, artifacts, settings)
    row = store.models.version("kept", 2)
    assert row is not None
    assert "does not exceed that of the champion, version 1" in row.facts["not_promoted_because"]
    adopt("other", cancelled, "best", Promotion("always"), store, artifacts, settings)
    assert store.models.champion("other") is not None
    job = found(store, cancelled)
    assert job.version["model"] == "kept"
    adopt("kept", better.id, "best", IF_BETTER, store, artifacts, settings)
    assert [its.version for its in store.models.versions("kept", limit=9)] == [2, 1], "it is version 1 already"


def test_without_its_data_it_is_a_version_without_a_card(
    store: Store, artifacts: Artifacts, settings: Settings, cancelled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: Any) -> None:
        raise OSError("there is no way to the data set")

    monkeypatch.setattr("worker.errands.adopt.load", refuse)
    adopt("kept", cancelled, "best", IF_BETTER, store, artifacts, settings)
    row = store.models.version("kept", 1)
    assert row is not None
    assert "no way to the data set" in row.facts["no_card_because"]
    assert row.facts["not_promoted_because"] == "it could not be assessed"
    assert contents(store, artifacts, 1).keys() == {"weights.safetensors", "about.json"}


def test_of_a_job_that_is_gone_nothing_is_made(
    store: Store, artifacts: Artifacts, settings: Settings, cancelled: str
) -> None:
    artifacts.remove(store.jobs.delete(cancelled) or ())
    adopt("kept", cancelled, "best", IF_BETTER, store, artifacts, settings)
    assert store.models.get("kept") is None
