"""Jobs that go on: with the same bits, or saying why not."""

import dataclasses
from typing import Any

import pytest

from models.data.split import Split, prepare
from models.spec import TrainingSpec
from service.artifacts import Artifacts
from service.settings import Settings
from service.store import owners
from service.store.store import Store
from tests.worker.training import SMALL, found, interrupted, kept, trained
from worker.train import run as running
from worker.train.run import run


def test_a_job_whose_worker_died_goes_on_after_its_last_epoch_with_the_same_bits(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    undisturbed = trained(store, artifacts, settings)
    job_id = interrupted(store, artifacts, settings)
    run(job_id, store, artifacts, settings, owner="second")
    job = found(store, job_id)
    assert (job.state, job.attempt) == ("succeeded", 2)
    assert job.weights_sha256 == undisturbed.weights_sha256
    epochs = store.jobs.epochs(job_id)
    assert [(row.epoch, row.attempt) for row in epochs] == [(1, 1), (2, 1), (3, 2), (4, 2)]
    assert [row.losses for row in epochs] == [row.losses for row in store.jobs.epochs(undisturbed.id)]


@pytest.mark.parametrize("name", ["last.safetensors", "last.state.safetensors"])
@pytest.mark.parametrize("damage", ["flipped", "torn", "gone", "unreadable"])
def test_a_damaged_checkpoint_costs_time_and_no_bits(
    store: Store, artifacts: Artifacts, settings: Settings, name: str, damage: str
) -> None:
    undisturbed = trained(store, artifacts, settings)
    job_id = interrupted(store, artifacts, settings)
    pointer = store.files.get(owners.of_job(job_id), name)
    assert pointer is not None
    path = artifacts.path(pointer.key)
    content = path.read_bytes()
    if damage in {"gone", "unreadable"}:
        path.unlink()
        if damage == "unreadable":  # what a broken disk does cannot be made here: a loop of links is an OSError as well
            path.symlink_to(path)
    else:
        path.write_bytes(
            content[:-1] + bytes([content[-1] ^ 1]) if damage == "flipped" else content[: len(content) // 2]
        )
    run(job_id, store, artifacts, settings, owner="second")
    job = found(store, job_id)
    assert (job.state, job.weights_sha256) == ("succeeded", undisturbed.weights_sha256)
    assert [row.epoch for row in store.jobs.epochs(job_id)] == [1, 2, 3, 4]


@pytest.mark.parametrize("names", [("last",), ("last", "previous")])
def test_the_checkpoint_before_a_damaged_one_is_gone_on_from(
    store: Store, artifacts: Artifacts, settings: Settings, names: tuple[str, ...]
) -> None:
    undisturbed = trained(store, artifacts, settings)
    job_id = interrupted(store, artifacts, settings)
    for name in names:
        pointer = store.files.get(owners.of_job(job_id), f"{name}.safetensors")
        assert pointer is not None
        artifacts.path(pointer.key).write_bytes(b"torn")
    run(job_id, store, artifacts, settings, owner="second")
    job = found(store, job_id)
    assert (job.state, job.weights_sha256) == ("succeeded", undisturbed.weights_sha256)
    attempts = [row.attempt for row in store.jobs.epochs(job_id)]
    assert attempts == [1, 2, 2, 2] if names == ("last",) else [2, 2, 2, 2]
    assert not [file for file in store.files.of(owners.of_job(job_id)) if file.name.startswith("previous")]


def test_a_job_that_goes_on_under_other_circumstances_says_so(
    store: Store, artifacts: Artifacts, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found(store, interrupted(store, artifacts, settings)).bit_identical
    job_id = interrupted(store, artifacts, settings)
    monkeypatch.setattr(running, "fingerprint", lambda device: {"device": device, "torch": "another"})
    run(job_id, store, artifacts, settings, owner="second")
    job = found(store, job_id)
    assert (job.state, job.bit_identical) == ("succeeded", False)


def test_a_job_whose_data_have_changed_does_not_go_on(
    store: Store, artifacts: Artifacts, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id, whole = interrupted(store, artifacts, settings), prepare

    def changed(*arguments: Any) -> Split:
        return dataclasses.replace(whole(*arguments), digest="0" * 64)

    monkeypatch.setattr("worker.train.run.prepare", changed)
    run(job_id, store, artifacts, settings, owner="second")
    job = found(store, job_id)
    assert (job.state, job.error["type"]) == ("failed", "DataChangedError")
    assert job.last_epoch == 2, "what was learned is kept"


def test_a_job_that_is_gone_on_from_ends_as_one_of_all_epochs(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    whole = trained(store, artifacts, settings, epochs=6)
    first = trained(store, artifacts, settings, epochs=4)
    spec = TrainingSpec(**SMALL | {"epochs": 6})  # type: ignore[arg-type]
    job_id = store.submissions.go_on(first.id, spec, {"kind": "continue", "job_id": first.id, "epoch": 4})
    assert job_id is not None
    artifacts.remove(store.jobs.delete(first.id) or [])
    assert kept(artifacts, first.id), "the new job points to the checkpoint of the old one"
    run(job_id, store, artifacts, settings, owner="worker")
    job = found(store, job_id)
    assert (job.state, job.weights_sha256, job.result["epochs"]) == ("succeeded", whole.weights_sha256, 6)
    assert [row.losses for row in store.jobs.epochs(job_id)] == [row.losses for row in store.jobs.epochs(whole.id)]


@pytest.mark.parametrize("changes", [{}, {"optimizer": "sgd"}, {"ema_decay": 0.9}])
def test_a_network_that_is_fine_tuned_begins_with_the_weights_of_another(
    store: Store, artifacts: Artifacts, settings: Settings, changes: dict[str, Any]
) -> None:
    first = trained(store, artifacts, settings, epochs=4)
    spec = TrainingSpec(**SMALL | changes | {"epochs": 1, "learning_rate": 1e-6})  # type: ignore[arg-type]
    job_id = store.submissions.fine_tune(first.id, spec, {"kind": "fine_tune", "job_id": first.id}, "best")
    assert job_id is not None
    run(job_id, store, artifacts, settings, owner="worker")
    job = found(store, job_id)
    assert (job.state, job.result["epochs"]) == ("succeeded", 1)
    assert job.result["val_accuracy"] == pytest.approx(first.result["best_val_accuracy"], abs=0.01)


def test_what_a_lost_attempt_wrote_and_did_not_record_is_removed_by_the_next(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    job_id = interrupted(store, artifacts, settings)
    folder = artifacts.folder / owners.of_job(job_id)
    names = (".last-0003-ab.safetensors", "last-0003-cd.json", "evaluation-0003-ef.json")
    left_over = [folder / name for name in names]
    picture = folder / "loss-0002-ab.png"
    for path in (*left_over, picture):
        path.write_bytes(b"left over")
    run(job_id, store, artifacts, settings, owner="second")
    assert found(store, job_id).state == "succeeded"
    assert not [path for path in left_over if path.exists()]
    assert picture.exists(), "somebody may be drawing it just now"


def damage_last(store: Store, artifacts: Artifacts, job_id: str) -> None:
    pointer = store.files.get(owners.of_job(job_id), "last.safetensors")
    assert pointer is not None
    artifacts.path(pointer.key).write_bytes(b"torn")


def test_a_job_that_goes_on_after_its_time_was_over_has_time_of_its_own(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    first = trained(store, artifacts, settings, epochs=2, max_seconds=600.0)
    spec = TrainingSpec(**SMALL | {"epochs": 3, "max_seconds": 600.0})  # type: ignore[arg-type]
    job_id = store.submissions.go_on(first.id, spec, {"kind": "continue", "job_id": first.id})
    (claim,) = store.runs.claim(job_id, "worker/1")
    assert (claim.last_epoch, claim.seconds) == (2, 0.0)


@pytest.mark.parametrize(("schedule", "identical"), [("constant", True), ("cosine", False)])
def test_what_goes_on_says_whether_it_is_on_the_way_of_one_run(
    store: Store, artifacts: Artifacts, settings: Settings, schedule: str, identical: bool
) -> None:
    first = trained(store, artifacts, settings, epochs=2, learning_rate_schedule=schedule)
    spec = TrainingSpec(**SMALL | {"epochs": 3, "learning_rate_schedule": schedule})  # type: ignore[arg-type]
    job_id = store.submissions.go_on(first.id, spec, {"kind": "continue", "job_id": first.id})
    assert job_id is not None
    assert found(store, job_id).bit_identical is identical
    partial = trained(store, artifacts, settings, epochs=2, max_seconds=1e-6)
    job_id = store.submissions.go_on(partial.id, spec, {"kind": "continue", "job_id": partial.id})
    assert job_id is not None
    assert found(store, job_id).bit_identical is False


def test_a_tuned_network_that_goes_on_keeps_the_weights_it_began_with(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    first = trained(store, artifacts, settings)
    tuning = TrainingSpec(**SMALL | {"epochs": 1, "learning_rate": 1e-6})  # type: ignore[arg-type]
    tuned = store.submissions.fine_tune(first.id, tuning, {"kind": "fine_tune", "job_id": first.id}, "best")
    assert tuned is not None
    run(tuned, store, artifacts, settings, owner="worker/1")
    more = tuning.model_copy(update={"epochs": 2})
    job_id = store.submissions.go_on(tuned, more, {"kind": "continue", "job_id": tuned})
    assert job_id is not None
    damage_last(store, artifacts, job_id)
    run(job_id, store, artifacts, settings, owner="worker/1")
    assert found(store, job_id).result["val_accuracy"] == pytest.approx(first.result["best_val_accuracy"], abs=0.01)
