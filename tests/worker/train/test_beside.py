"""Jobs whose epochs are evaluated beside the next one: what is recorded and decided is what it is without."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from models.records import Epoch, TrainingRecord
from models.training import train
from service.artifacts import Artifacts
from service.settings import Settings
from service.store.store import Store
from tests.records import sweep
from tests.worker.training import found, submit, trained
from worker.train.lease import Lease
from worker.train.run import run

RATES = [0.0001, 0.0003, 0.001, 0.003]
BASE = {"dataset": "digits", "hidden_sizes": [8], "epochs": 4}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: what the store does on both databases is tested below the worker."""
    return sqlite_url


@pytest.fixture(autouse=True)
def asked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask the record itself before every batch, and not the thread that asks every now and then."""

    def ask(lease: Lease, claim: Any) -> Any:
        return lease._runs.look([claim]).get(claim.job_id)

    monkeypatch.setattr(Lease, "stop_request", ask)


def beside(*, after: int = 0, do: Callable[[], object] = bool) -> Callable[..., Iterator[TrainingRecord]]:
    """Evaluate beside, however busy the machine is; do something once that epoch is on record."""

    def trainer(*arguments: Any, **options: Any) -> Iterator[TrainingRecord]:
        for record in train(*arguments, **options | {"evaluate_beside": True}):
            yield record
            if isinstance(record, Epoch) and record.epoch == after:
                do()

    return trainer


def recorded(store: Store, job_id: str) -> list[tuple[Any, ...]]:
    """Give all that is on record of the epochs of a job but the time they took."""
    return [
        (row.epoch, row.iterations, row.losses, row.train_accuracy, row.val_accuracy, row.complete)
        for row in store.jobs.epochs(job_id)
    ]


def test_epochs_are_recorded_as_those_of_a_job_that_waits(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    waited = trained(store, artifacts, settings, early_stopping_patience=1, epochs=20)
    job_id = submit(store, early_stopping_patience=1, epochs=20)
    run(job_id, store, artifacts, settings, owner="worker", trainer=beside())
    assert recorded(store, job_id) == recorded(store, waited.id)
    job = found(store, job_id)
    assert (job.state, job.weights_sha256) == ("succeeded", waited.weights_sha256)
    assert job.result["stopped_early"] == waited.result["stopped_early"]


@pytest.mark.parametrize("synchronous", [False, True])
def test_halving_ends_a_job_with_its_rung_though_the_next_epoch_has_begun(
    synchronous: bool, store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    _, job_ids = sweep(
        store, base=BASE, grid={"learning_rate": RATES}, halving={"reduction": 2, "synchronous": synchronous}
    )
    while store.stalled.unheard(-1):
        run(None, store, artifacts, settings, owner="host:1:abc/7", trainer=beside())
    jobs = [found(store, job_id) for job_id in job_ids]
    assert [job.last_epoch for job in jobs] == [1, 1, 2, 4]
    assert [job.result.get("stopped_early") for job in jobs] == ["halving", "halving", "halving", None]
    assert [len(recorded(store, job_id)) for job_id in job_ids] == [1, 1, 2, 4]


def test_a_job_that_is_paused_meanwhile_goes_on_after_the_epoch_on_record_with_the_same_bits(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    undisturbed = trained(store, artifacts, settings)
    job_id = submit(store)
    trainer = beside(after=2, do=lambda: store.jobs.pause(job_id))
    run(job_id, store, artifacts, settings, owner="host:1:abc/7", trainer=trainer)
    assert (found(store, job_id).state, found(store, job_id).last_epoch) == ("paused", 2)
    store.jobs.resume(job_id)
    run(job_id, store, artifacts, settings, owner="host:1:abc/7", trainer=beside())
    assert found(store, job_id).weights_sha256 == undisturbed.weights_sha256
    assert recorded(store, job_id) == recorded(store, undisturbed.id)


def test_a_job_that_is_cancelled_meanwhile_keeps_the_batches_that_were_done(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    job_id = submit(store, epochs=1000)
    trainer = beside(after=2, do=lambda: store.jobs.cancel(job_id))
    run(job_id, store, artifacts, settings, owner="worker", trainer=trainer)
    job = found(store, job_id)
    assert (job.state, job.last_epoch) in [("cancelled", 2), ("cancelled", 3)]
    assert [row[0] for row in recorded(store, job_id)] == list(range(1, job.last_epoch + 1))


def test_one_that_diverges_while_it_trains_on_fails_alone(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    wild = {"optimizer": "sgd", "learning_rate": 10.0, "weight_decay": 1.0, "epochs": 1000}
    tame, diverging = submit(store), submit(store, **wild)
    run(tame, store, artifacts, settings, owner="worker", trainer=beside())
    assert (found(store, tame).state, found(store, diverging).state) == ("succeeded", "failed")
    assert "diverged at epoch" in found(store, diverging).error["message"]
