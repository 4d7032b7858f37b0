"""Runs that end before their last epoch, and go on: paused, given back, out of time, from what another has learned."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from models.records import Epoch, TrainingRecord
from models.spec import TrainingSpec
from models.training import train
from service.artifacts import Artifacts
from service.settings import Settings
from service.store import owners
from service.store.runs import StopRequest
from service.store.store import Store
from tests.records import expire
from tests.worker.training import SMALL, found, interrupted, submit, trained
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
    (newest,) = store.models.versions("digits", limit=1)
    assert newest.job_id == job_id


def test_seconds_of_earlier_attempts_count(store: Store, artifacts: Artifacts, settings: Settings) -> None:
    job_id = interrupted(store, artifacts, settings)
    spent = sum(row.seconds for row in store.jobs.epochs(job_id))
    (claim,) = store.runs.claim(job_id, "worker/1")
    assert claim.seconds == pytest.approx(spent)


def test_a_lease_that_expires_while_a_pause_is_asked_for_leaves_the_job_paused(store: Store) -> None:
    job_id = submit(store)
    store.runs.claim(job_id, "worker/1")
    store.jobs.pause(job_id)
    expire(store, job_id)
    assert store.stalled.release_expired() == []
    assert found(store, job_id).state == "paused"


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
