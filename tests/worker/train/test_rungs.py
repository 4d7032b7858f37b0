"""Jobs at the rungs of their sweep's halving, trained in this process: who goes on, who ends, who waits."""

from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import Any

import pytest

from models.records import Epoch, TrainingRecord
from models.training import train
from service.artifacts import Artifacts
from service.disk.floor import Floor
from service.settings import Settings
from service.store.engine import Row
from service.store.store import Store
from tests.doubles import Bell
from tests.records import expire, sweep
from tests.worker.training import SMALL, found, trained
from worker.reconcile import reconcile
from worker.train.run import run

RATES = [0.0001, 0.0003, 0.001, 0.003]
BASE = {"dataset": "digits", "hidden_sizes": [8], "epochs": 4}
OWNERS = ("host:1:abc/7", "host:1:abc/8", "other:2:def/9")


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: what the store does on both databases is tested below the worker."""
    return sqlite_url


class Died(BaseException):
    pass


def swept(store: Store, rates: Sequence[float] = RATES, **halving: Any) -> list[str]:
    _, job_ids = sweep(store, base=BASE, grid={"learning_rate": list(rates)}, halving={"reduction": 2, **halving})
    return job_ids


def train_all(store: Store, artifacts: Artifacts, settings: Settings, owners: Sequence[str] = OWNERS) -> None:
    """Let training processes take turns until no job is left that a worker may take."""
    for owner in cycle(owners):
        if not store.stalled.unheard(-1):
            return
        run(None, store, artifacts, settings, owner=owner)


def ends(store: Store, job_ids: Sequence[str]) -> dict[float, tuple[str, int, str | None]]:
    """Give how each job ended, by its learning rate."""
    jobs = [found(store, job_id) for job_id in job_ids]
    return {job.spec["learning_rate"]: (job.state, job.last_epoch, _stopped(job)) for job in jobs}


def _stopped(job: Row) -> str | None:
    why: str | None = job.result and job.result.get("stopped_early")
    return why


RANKED = {
    0.0001: ("succeeded", 1, "halving"),
    0.0003: ("succeeded", 1, "halving"),
    0.001: ("succeeded", 2, "halving"),
    0.003: ("succeeded", 4, None),
}


@pytest.mark.parametrize("order", [RATES, RATES[::-1], [RATES[1], RATES[3], RATES[0], RATES[2]]], ids=str)
def test_a_group_saves_the_epochs_of_those_that_fall_behind_in_every_order(
    store: Store, artifacts: Artifacts, settings: Settings, order: Sequence[float]
) -> None:
    job_ids = swept(store, order)
    run(None, store, artifacts, settings, owner="worker")
    assert ends(store, job_ids) == RANKED
    assert [found(store, job_id).attempt for job_id in job_ids] == [1] * 4


def test_a_group_is_compared_at_its_rung_although_its_process_died_before_it_could_be(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    def train_and_die(*arguments: Any, **options: Any) -> Iterator[TrainingRecord]:
        for record in train(*arguments, **options):
            yield record
            if isinstance(record, Epoch) and record.network == 3:
                raise Died

    job_ids = swept(store)
    with pytest.raises(Died):
        run(None, store, artifacts, settings, owner="worker", trainer=train_and_die)
    for job_id in job_ids:
        expire(store, job_id)
    store.stalled.release_expired()
    run(None, store, artifacts, settings, owner="worker")
    assert ends(store, job_ids) == RANKED


def test_a_group_that_is_tried_in_halves_is_compared_as_one(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    def stumble(specs: Sequence[Any], *arguments: Any, **options: Any) -> Iterator[TrainingRecord]:
        for record in train(specs, *arguments, **options):
            yield record
            if isinstance(record, Epoch) and record.network == 3 and record.epoch == 1:
                raise MemoryError("too many at once")

    job_ids = swept(store)
    run(None, store, artifacts, settings, owner="worker", trainer=stumble)
    assert ends(store, job_ids) == RANKED


@pytest.mark.parametrize(
    ("group", "order", "owners"),
    [
        (4, RATES, OWNERS[:1]),
        (2, RATES[::-1], OWNERS),
        (1, RATES, OWNERS[:2]),
        (1, [RATES[2], RATES[0], RATES[3], RATES[1]], OWNERS),
    ],
    ids=str,
)
def test_who_goes_on_does_not_depend_on_groups_and_processes_when_all_are_waited_for(
    store: Store,
    artifacts: Artifacts,
    settings: Settings,
    group: int,
    order: Sequence[float],
    owners: Sequence[str],
) -> None:
    job_ids = swept(store, order, synchronous=True)
    train_all(store, artifacts, settings.model_copy(update={"group_size": group}), owners)
    assert ends(store, job_ids) == RANKED
    best = next(job for job_id in job_ids if (job := found(store, job_id)).spec["learning_rate"] == 0.003)
    alone = trained(store, artifacts, settings, **SMALL | {"learning_rate": 0.003})
    assert (best.weights_sha256, best.bit_identical) == (alone.weights_sha256, True)
    assert [row.losses for row in store.jobs.epochs(best.id)] == [row.losses for row in store.jobs.epochs(alone.id)]


def test_those_who_wait_hold_no_process_and_are_rung_for_once_all_have_come(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    job_ids = swept(store, synchronous=True)
    one_by_one = settings.model_copy(update={"group_size": 1})
    for number in range(3):
        assert run(None, store, artifacts, one_by_one, owner="worker") == []
        assert [found(store, job_id).owner for job_id in job_ids] == [None] * 4, "a larger sweep than there is room"
        assert [found(store, job_id).waits_at_rung for job_id in job_ids].count(True) == number + 1
    assert sorted(run(None, store, artifacts, one_by_one, owner="worker")) == sorted(job_ids)
    told = [event.data for event in store.jobs.events(job_ids[0]) if event.type == "state"]
    assert told[-1] == {"state": "queued", "attempt": 1, "waits_at_rung": True}


def test_waiting_survives_a_process_that_dies_just_as_it_comes_to_the_rung(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    def train_and_die(*arguments: Any, **options: Any) -> Iterator[TrainingRecord]:
        for record in train(*arguments, **options):
            yield record
            raise Died

    job_ids = swept(store, synchronous=True)
    pairs = settings.model_copy(update={"group_size": 2})
    with pytest.raises(Died):
        run(None, store, artifacts, pairs, owner="worker", trainer=train_and_die)
    for job_id in job_ids[:2]:
        expire(store, job_id)
    assert store.stalled.release_expired() == job_ids[:2]
    train_all(store, artifacts, pairs)
    assert ends(store, job_ids) == RANKED


def test_a_member_that_fails_or_is_cancelled_is_waited_for_no_more(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    # The third diverges, the fourth is cancelled before anybody has taken it.
    _, job_ids = sweep(
        store,
        base={**BASE, "optimizer": "sgd"},
        trials=[{"learning_rate": 0.1}, {"learning_rate": 0.001}, {"learning_rate": 10.0, "weight_decay": 1.0}, {}],
        halving={"reduction": 2, "synchronous": True, "min_epochs": 4},
    )
    one_by_one = settings.model_copy(update={"group_size": 1})
    run(None, store, artifacts, one_by_one, owner="worker")
    store.jobs.cancel(job_ids[3])
    train_all(store, artifacts, one_by_one)
    assert [found(store, job_id).state for job_id in job_ids[:2]] == ["succeeded", "succeeded"]
    assert found(store, job_ids[3]).state == "cancelled"


def test_when_the_last_that_was_waited_for_is_cancelled_the_others_are_rung_for(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    job_ids = swept(store, synchronous=True)
    for _ in range(3):
        run(None, store, artifacts, settings.model_copy(update={"group_size": 1}), owner="worker")
    store.jobs.cancel(job_ids[3])
    bell = Bell(waiting=3)
    reconcile(store, bell, Floor({}, None), ring_again_seconds=60)  # type: ignore[arg-type]
    assert bell.rung == job_ids[:3]
    train_all(store, artifacts, settings)
    assert [ends(store, job_ids)[rate][1] for rate in RATES[:3]] == [1, 1, 4]


def test_a_job_that_fell_behind_and_whose_last_checkpoint_is_damaged_ends_at_its_rung_all_the_same(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    job_ids = swept(store, synchronous=True, min_epochs=2)
    run(None, store, artifacts, settings, owner="worker")
    for job_id in job_ids:
        pointer = store.files.get(f"jobs/{job_id}", "last.safetensors")
        assert pointer is not None
        artifacts.path(pointer.key).write_bytes(b"torn")
    train_all(store, artifacts, settings)
    assert [ends(store, job_ids)[rate][1:] for rate in RATES] == [(2, "halving"), (2, "halving"), (4, None), (4, None)]
