"""Runs that end before their last epoch, and go on: paused, given back, out of time, from what another has learned."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from models.data.split import Split, prepare
from models.records import Epoch, TrainingRecord
from models.spec import TrainingSpec
from models.training import train
from service.artifacts import Artifacts
from service.settings import Settings
from service.store import owners
from service.store.runs import StopRequest
from service.store.store import Store
from tests.records import expire
from tests.worker.training import SMALL, found, interrupted, kept, submit, trained
from worker.train import run as running
from worker.train.lease import Lease
from worker.train.run import run

WORKER = "host:1:abc"


@pytest.fixture
def after_epoch(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Callable[..., Iterator[TrainingRecord]]]:
    """Make a trainer that lets something happen after an epoch, and sees what is asked of the job at once."""

    def stop_request(self: Lease, claim: Any) -> StopRequest | None:
        return self._runs.look([claim]).get(claim.job_id)

    monkeypatch.setattr(Lease, "stop_request", stop_request)

    def make(number: int, happen: Callable[[], object]) -> Callable[..., Iterator[TrainingRecord]]:
        def trainer(*arguments: Any, **options: Any) -> Iterator[TrainingRecord]:
            for record in train(*arguments, **options):
                yield record
                if isinstance(record, Epoch) and record.epoch == number:
                    happen()

        return trainer

    return make


Maker = Callable[..., Callable[..., Iterator[TrainingRecord]]]


def test_a_paused_job_frees_its_worker_and_goes_on_with_the_same_bits(
    store: Store, artifacts: Artifacts, settings: Settings, after_epoch: Maker
) -> None:
    undisturbed = trained(store, artifacts, settings)
    job_id = submit(store)
    trainer = after_epoch(2, lambda: store.jobs.pause(job_id))
    assert run(job_id, store, artifacts, settings, owner=f"{WORKER}/7", trainer=trainer) == []
    job = found(store, job_id)
    assert (job.state, job.last_epoch, job.owner, job.pause_requested) == ("paused", 2, None, False)
    run(job_id, store, artifacts, settings, owner=f"{WORKER}/7")
    assert found(store, job_id).state == "paused", "a bell that rings late starts no job that is paused"

    store.jobs.resume(job_id)
    run(job_id, store, artifacts, settings, owner=f"{WORKER}/7")
    job = found(store, job_id)
    assert (job.state, job.weights_sha256) == ("succeeded", undisturbed.weights_sha256)
    assert [(row.epoch, row.complete) for row in store.jobs.epochs(job_id)] == [(n, True) for n in range(1, 5)]


def test_a_job_that_is_paused_in_the_middle_of_an_epoch_forgets_that_epoch(
    store: Store, artifacts: Artifacts, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id, asked = submit(store), iter(range(100))
    request = lambda *_: store.jobs.pause(job_id) and "pause" if next(asked) >= 5 else None  # noqa: E731
    monkeypatch.setattr(Lease, "stop_request", request)
    run(job_id, store, artifacts, settings, owner=f"{WORKER}/7")
    job = found(store, job_id)
    assert (job.state, job.last_epoch) == ("paused", 0)
    assert store.jobs.epochs(job_id) == []
    assert store.files.of(owners.of_job(job_id)) == []


def test_a_worker_that_leaves_gives_its_jobs_back_and_they_count_no_lost_attempt(
    store: Store, artifacts: Artifacts, settings: Settings, after_epoch: Maker
) -> None:
    undisturbed = trained(store, artifacts, settings)
    store.workers.seen(WORKER, "train", slots=1)
    ids = [submit(store), submit(store, seed=3)]
    trainer = after_epoch(2, lambda: store.workers.drain(WORKER))
    left = run(ids[0], store, artifacts, settings, owner=f"{WORKER}/7", trainer=trainer)
    assert sorted(left) == sorted(ids)
    for job_id in ids:
        job = found(store, job_id)
        assert (job.state, job.last_epoch, job.fruitless_attempts) == ("queued", 2, 0)
    assert store.runs.claim(ids[0], f"{WORKER}/8") == [], "a worker that leaves takes nothing"

    run(ids[0], store, artifacts, settings, owner="another:1:def/9")
    job = found(store, ids[0])
    assert (job.state, job.attempt, job.weights_sha256) == ("succeeded", 2, undisturbed.weights_sha256)
    assert found(store, ids[1]).state == "succeeded"


def test_a_job_whose_seconds_are_over_succeeds_with_what_it_has_learned(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    job_id = submit(store, max_seconds=1e-6, epochs=1000)
    run(job_id, store, artifacts, settings, owner="worker/1")
    job = found(store, job_id)
    assert job.state == "succeeded"
    assert job.result["stopped_early"] == "max_seconds"
    assert (job.result["epochs"], job.result["iterations"]) == (1, 1)
    (newest,) = store.models.versions("default", limit=1)
    assert newest.job_id == job_id


def test_seconds_of_earlier_attempts_count(store: Store, artifacts: Artifacts, settings: Settings) -> None:
    job_id = interrupted(store, artifacts, settings)
    spent = sum(row.seconds for row in store.jobs.epochs(job_id))
    (claim,) = store.runs.claim(job_id, "worker/1")
    assert claim.seconds == pytest.approx(spent)


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


def test_a_lease_that_expires_while_a_pause_is_asked_for_leaves_the_job_paused(store: Store) -> None:
    job_id = submit(store)
    store.runs.claim(job_id, "worker/1")
    store.jobs.pause(job_id)
    expire(store, job_id)
    assert store.stalled.release_expired() == []
    assert found(store, job_id).state == "paused"


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


@pytest.mark.parametrize("ending", ["paused and cancelled", "cancelled at once", "failed", "worker lost", "tuned"])
def test_a_job_that_fell_back_to_the_checkpoint_before_can_end_in_every_way(
    store: Store, artifacts: Artifacts, settings: Settings, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    job_id = interrupted(store, artifacts, settings)
    damage_last(store, artifacts, job_id)
    asked: dict[str, StopRequest] = {"paused and cancelled": "pause", "cancelled at once": "cancel", "tuned": "pause"}
    monkeypatch.setattr(Lease, "stop_request", lambda *_: asked.get(ending))

    class Died(BaseException):
        pass

    def trainer(*arguments: Any, **options: Any) -> Iterator[TrainingRecord]:
        if ending == "worker lost":
            raise Died
        if ending == "failed":
            raise ValueError("no")
        if ending == "cancelled at once":
            store.jobs.cancel(job_id)
        elif ending in asked:
            store.jobs.pause(job_id)
        yield from train(*arguments, **options)

    if ending == "worker lost":
        with pytest.raises(Died):
            run(job_id, store, artifacts, settings, owner="second", trainer=trainer)
        store.jobs.cancel(job_id)
        expire(store, job_id)
        assert store.stalled.release_expired() == []
    else:
        run(job_id, store, artifacts, settings, owner="second", trainer=trainer)
    if ending == "paused and cancelled":
        store.jobs.cancel(job_id)
    if ending == "tuned":
        spec = TrainingSpec(**SMALL)  # type: ignore[arg-type]
        assert store.submissions.fine_tune(job_id, spec, {"kind": "fine_tune", "job_id": job_id}, "last")
        return
    job = found(store, job_id)
    assert job.state == ("failed" if ending == "failed" else "cancelled")
    assert job.result["epochs"] >= 1


def test_a_job_that_is_stopped_within_its_last_epoch_says_that_it_was(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    job_id = submit(store, max_seconds=1e-6, epochs=1)
    run(job_id, store, artifacts, settings, owner="worker/1")
    job = found(store, job_id)
    assert (job.state, job.result["epochs"], job.result["stopped_early"]) == ("succeeded", 1, "max_seconds")
    assert "complete" not in job.result


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
