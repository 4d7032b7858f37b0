"""What a sweep that learns tries next: real store, real Optuna."""

import pytest
import redis

from service.broker.doorbell import ERRANDS, Doorbell
from service.disk.floor import Floor
from service.store.store import Store
from service.sweeps.expand import expand
from service.sweeps.spec import SweepSpec
from tests.records import claim, epoch, file
from worker.errands.suggest import extend
from worker.reconcile import reconcile

RANGES = {"learning_rate": {"log_uniform": [0.0001, 1.0]}, "hidden_sizes": {"choice": [[9], [8, 7]]}}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: the store's tests run on both."""
    return sqlite_url


@pytest.fixture
def doorbell(broker_url: str) -> Doorbell:
    return Doorbell(broker_url)


def sweep(store: Store, **fields: object) -> str:
    search = {"trials": 30, "parallel": 2, "ranges": RANGES, **fields}
    spec = SweepSpec(base={"dataset": "digits", "epochs": 1}, tpe=search)
    sweep_id, _ = store.sweeps.submit(spec, expand(spec, {"digits"}))
    return sweep_id


def end_all(store: Store, sweep_id: str) -> None:
    """Let all that waits succeed: the nearer to a rate of 0.01 the better, and deep networks better than flat ones."""
    for job in list(store.sweeps.jobs(sweep_id)):
        if job.state == "queued":
            distance = abs(job.spec["learning_rate"] - 0.01)
            accuracy = 1 / (1 + 50 * distance) * (1.0 if len(job.spec["hidden_sizes"]) == 2 else 0.5)
            held = claim(store, job.id)
            weights = [file("last.safetensors", job.id), file("best.safetensors", job.id)]
            store.runs.record_epoch(held, epoch(1, val_accuracy=accuracy), weights)
            store.runs.finish(held)


def suggested(store: Store, sweep_id: str) -> list[tuple[float, list[int]]]:
    return [(job.spec["learning_rate"], job.spec["hidden_sizes"]) for job in store.sweeps.jobs(sweep_id)]


def test_trials_are_added_as_others_end_until_there_are_as_many_as_were_asked_for(
    store: Store, doorbell: Doorbell
) -> None:
    sweep_id = sweep(store, trials=5)
    extend(sweep_id, store, doorbell)
    assert len(suggested(store, sweep_id)) == 2, "there is no room yet"
    counts = []
    for _ in range(3):
        end_all(store, sweep_id)
        extend(sweep_id, store, doorbell)
        counts.append(len(suggested(store, sweep_id)))
    assert counts == [4, 5, 5]
    assert [job.trial for job in store.sweeps.jobs(sweep_id)] == [1, 2, 3, 4, 5]
    assert store.sweeps.wanting() == []
    extend("nobody", store, doorbell)


def test_what_is_tried_gathers_where_it_was_good_and_is_the_same_for_the_same_record(
    store: Store, doorbell: Doorbell
) -> None:
    first, second = (sweep(store, trials=24, parallel=4, seed=7) for _ in range(2))
    for sweep_id in (first, second):
        for _ in range(5):
            end_all(store, sweep_id)
            extend(sweep_id, store, doorbell)
    tried = suggested(store, first)
    assert tried == suggested(store, second)
    good = [len(sizes) == 2 and 0.001 < rate < 0.1 for rate, sizes in tried]
    assert sum(good[12:]) > sum(good[:12])


def test_trials_that_are_added_share_the_order_of_the_first(store: Store, doorbell: Doorbell) -> None:
    search = {"trials": 4, "parallel": 2, "ranges": RANGES | {"seed": {"integer": [0, 99]}}}
    spec = SweepSpec.model_validate({"base": {"dataset": "digits", "epochs": 1}, "tpe": search, "share_order": True})
    sweep_id, _ = store.sweeps.submit(spec, expand(spec, {"digits"}))
    end_all(store, sweep_id)
    extend(sweep_id, store, doorbell)
    assert [job.spec["order_seed"] for job in store.sweeps.jobs(sweep_id)] == [0, 0, 0, 0]


def test_a_choice_that_no_job_can_have_is_not_made(store: Store, doorbell: Doorbell) -> None:
    ranges = {"architecture": {"choice": ["mlp", "nmlp"]}, "dropout": {"choice": [0.0, 0.5]}}
    spec = SweepSpec(
        base={"dataset": "digits", "epochs": 1},
        tpe={"trials": 16, "parallel": 1, "seed": 1, "ranges": ranges},
    )
    sweep_id, _ = store.sweeps.submit(spec, expand(spec, {"digits"}))
    for _ in range(15):
        end_all(store, sweep_id)
        extend(sweep_id, store, doorbell)
    chosen = {(job.spec["architecture"], job.spec["dropout"]) for job in store.sweeps.jobs(sweep_id)}
    assert chosen == {("mlp", 0.0), ("nmlp", 0.0), ("nmlp", 0.5)}
    assert len(list(store.sweeps.jobs(sweep_id))) == 16


def test_a_sweep_that_finds_nothing_more_ends(store: Store, doorbell: Doorbell) -> None:
    ranges = {"dropout": {"choice": [0.5]}, "architecture": {"choice": ["nmlp"]}}
    spec = SweepSpec(base={"dataset": "digits"}, tpe={"trials": 3, "parallel": 1, "ranges": ranges})
    (first,) = expand(spec, {"digits"})
    impossible = spec.model_copy(update={"base": {"dataset": "digits", "momentum": 0.5}})
    sweep_id, _ = store.sweeps.submit(impossible, [first])
    (job,) = store.sweeps.jobs(sweep_id)
    store.runs.fail(claim(store, job.id), {"type": "ValueError", "message": "no"})
    extend(sweep_id, store, doorbell)
    row = store.sweeps.get(sweep_id)
    assert row is not None
    assert (row.suggested, row.trials) == (1, 1)


def test_an_errand_is_sent_for_a_sweep_that_has_room_once_no_other_waits(store: Store, doorbell: Doorbell) -> None:
    with redis.Redis.from_url(doorbell.broker_url) as broker:
        broker.delete(ERRANDS)
    sweep_id = sweep(store)
    reconcile(store, doorbell, Floor({}, None), ring_again_seconds=60)
    assert doorbell.errands_waiting() == 0
    end_all(store, sweep_id)
    for _ in range(2):
        reconcile(store, doorbell, Floor({}, None), ring_again_seconds=60)
        assert doorbell.errands_waiting() == 1
