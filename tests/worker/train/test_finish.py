"""POST /jobs/{id}/finish, as workers see it: a job ends at once, succeeds, and becomes exactly one version."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from models.records import Epoch, TrainingRecord
from models.training import train
from service.artifacts import Artifacts
from service.settings import Settings
from service.store.engine import Row
from service.store.store import Store
from tests.records import expire, sweep
from tests.worker.training import found, submit
from worker.train.lease import Lease
from worker.train.run import run

Trainer = Callable[..., Iterator[TrainingRecord]]


@pytest.fixture(autouse=True)
def asked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask the record itself before every batch, and not the thread that asks every now and then."""

    def ask(lease: Lease, claim: Any) -> Any:
        return lease._runs.look([claim]).get(claim.job_id)

    monkeypatch.setattr(Lease, "stop_request", ask)


def after_an_epoch(do: Callable[[], object], *, network: int = 0) -> Trainer:
    def trainer(*arguments: Any, **options: Any) -> Iterator[TrainingRecord]:
        for record in train(*arguments, **options):
            yield record
            if isinstance(record, Epoch) and (record.epoch, record.network) == (1, network):
                do()

    return trainer


def versions(store: Store) -> list[Row]:
    return list(store.models.versions("digits", limit=9))


def test_a_running_job_ends_within_a_batch_and_the_others_of_its_group_go_on(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    ids = [submit(store, seed=seed, promote="never") for seed in range(3)]
    trainer = after_an_epoch(lambda: store.jobs.finish(ids[1]), network=2)
    run(ids[0], store, artifacts, settings, owner="worker", trainer=trainer)
    jobs = [found(store, job_id) for job_id in ids]
    assert [job.state for job in jobs] == ["succeeded"] * 3
    # The second epoch may have begun while the first was evaluated.
    assert [jobs[0].result["epochs"], jobs[2].result["epochs"]] == [4, 4]
    assert jobs[1].result["epochs"] <= 2
    assert [job.result["stopped_early"] for job in jobs] == [None, "finish", None]
    assert sorted(row.job_id for row in versions(store)) == sorted(ids)
    finished = jobs[1]
    assert finished.version["model"] == "digits"
    assert store.jobs.finish(ids[1]) == finished, "once more is no error, and changes nothing"
    assert "finish_requested" in [event.type for event in store.jobs.events(ids[1])]


def test_before_its_first_batch_one_more_is_learned(store: Store, artifacts: Artifacts, settings: Settings) -> None:
    job_id = submit(store)

    def trainer(*arguments: Any, **options: Any) -> Iterator[TrainingRecord]:
        store.jobs.finish(job_id)
        yield from train(*arguments, **options)

    run(job_id, store, artifacts, settings, owner="worker", trainer=trainer)
    job = found(store, job_id)
    assert (job.state, job.result["iterations"], job.result["stopped_early"]) == ("succeeded", 1, "finish")


def test_a_paused_job_ends_with_its_checkpoint_and_learns_nothing_more(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    job_id = submit(store)
    pausing = after_an_epoch(lambda: store.jobs.pause(job_id))
    run(job_id, store, artifacts, settings, owner="worker", trainer=pausing)
    assert (found(store, job_id).state, found(store, job_id).last_epoch) == ("paused", 1)
    asked = store.jobs.finish(job_id)
    assert asked is not None
    assert (asked.state, asked.finish_requested) == ("queued", True)
    run(None, store, artifacts, settings, owner="worker")
    job = found(store, job_id)
    assert (job.state, job.result["epochs"], job.result["iterations"]) == ("succeeded", 1, 12)
    assert job.result["stopped_early"] == "finish"
    assert [row.job_id for row in versions(store)] == [job_id]


def test_a_worker_that_dies_is_followed_by_one_that_finishes(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    class Died(BaseException):
        pass

    def die() -> None:
        store.jobs.finish(job_id)
        raise Died

    job_id = submit(store)
    with pytest.raises(Died):
        run(job_id, store, artifacts, settings, owner="first", trainer=after_an_epoch(die))
    expire(store, job_id)
    assert store.stalled.release_expired() == [job_id]
    run(None, store, artifacts, settings, owner="second")
    job = found(store, job_id)
    assert (job.state, job.result["epochs"], job.attempt) == ("succeeded", 1, 2)
    assert [row.job_id for row in versions(store)] == [job_id]


def test_a_trial_that_waits_at_a_rung_is_finished_and_the_others_wait_for_it_no_more(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    base = {"dataset": "digits", "hidden_sizes": [8], "epochs": 4, "learning_rate": 0.01}
    grid = {"seed": [1, 2, 3, 4]}
    _, ids = sweep(store, base=base, grid=grid, halving={"reduction": 2, "synchronous": True})
    # Alone: the others have not come to the rung.
    held_back = [store.jobs.pause(job_id) for job_id in ids[1:]]
    assert len(held_back) == 3
    run(ids[0], store, artifacts, settings, owner="worker")
    waiting = found(store, ids[0])
    assert (waiting.state, waiting.waits_at_rung, waiting.last_epoch) == ("queued", True, 1)
    store.jobs.finish(ids[0])
    run(None, store, artifacts, settings, owner="worker")
    job = found(store, ids[0])
    assert (job.state, job.result["epochs"], job.result["stopped_early"]) == ("succeeded", 1, "finish")
    for job_id in ids[1:]:
        store.jobs.resume(job_id)
    run(None, store, artifacts, settings, owner="worker")
    assert store.rungs.settle() == []
    assert not any(found(store, job_id).waits_at_rung for job_id in ids)
