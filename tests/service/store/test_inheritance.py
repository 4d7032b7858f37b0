"""A job that goes on from another has its history without a copy, whatever becomes of that one."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import func, select, text, update

from models.spec import TrainingSpec
from service.store.claims import Claim
from service.store.engine import locked
from service.store.history import History
from service.store.store import Store
from service.store.tables import epochs, jobs
from tests.records import claim, epoch, file, submit, sweep
from tests.waiting import wait_until

BATCHES = 50_000


def learn(store: Store, held: Claim, *numbers: int, batches: int = 3) -> None:
    """Record epochs whose losses say by whom they were recorded."""
    for number in numbers:
        losses = np.full(batches, hash((held.job_id, held.attempt, number)) % 1000, "<f4").tobytes()
        record = epoch(number, losses=losses, iterations=number * batches, seconds=float(number))
        store.runs.record_epoch(held, record, [file("last.safetensors", f"{held.job_id}-{number}", number)])


def trained(store: Store, job_id: str, *numbers: int) -> str:
    held = claim(store, job_id)
    learn(store, held, *numbers)
    assert store.runs.finish(held)[0] == "succeeded"
    return job_id


def paused(store: Store, job_id: str, *numbers: int) -> str:
    held = claim(store, job_id)
    learn(store, held, *numbers)
    store.jobs.pause(job_id)
    assert store.runs.release(held) == "paused"
    return job_id


def go_on(store: Store, job_id: str) -> str:
    new = store.submissions.go_on(job_id, TrainingSpec(epochs=9), {"kind": "continue", "job_id": job_id})
    assert new is not None
    return new


def told(store: Store, job_id: str) -> list[tuple[int, bytes]]:
    rows = [(row.epoch, row.losses) for row in store.jobs.epochs(job_id)]
    history = History.of(store.database, job_id)
    assert b"".join(losses for _, losses in rows) == history.losses(0, history.batches).tobytes()
    return rows


def recorded(store: Store) -> int:
    with store.database.reader.connect() as connection:
        return connection.execute(select(func.count()).select_from(epochs)).scalar_one()


def numbers(store: Store, job_id: str) -> list[int]:
    return [number for number, _ in told(store, job_id)]


def test_a_history_is_shared_and_what_is_added_is_the_new_job_s_alone(store: Store) -> None:
    first = trained(store, submit(store, epochs=3), 1, 2, 3)
    second = go_on(store, first)
    assert recorded(store) == 3
    assert [row.attempt for row in store.jobs.epochs(second)] == [0, 0, 0]
    trained(store, second, 4, 5)
    third = trained(store, go_on(store, second), 6)
    assert [numbers(store, job_id) for job_id in (first, second, third)] == [[1, 2, 3], [1, 2, 3, 4, 5], [*range(1, 7)]]
    assert told(store, third)[:5] == told(store, second)
    job = store.jobs.get(third)
    assert job is not None
    assert (job.result["epochs"], job.result["seconds"], job.result["iterations"]) == (6, 21.0, 18)


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2)])
def test_whoever_is_deleted_the_others_keep_what_they_have(store: Store, order: tuple[int, ...]) -> None:
    first = trained(store, submit(store, epochs=3), 1, 2, 3)
    second = trained(store, go_on(store, first), 4, 5)
    line = [first, second, trained(store, go_on(store, second), 6)]
    twins = [trained(store, go_on(store, first), 4), go_on(store, first), go_on(store, second)]
    before = {job_id: told(store, job_id) for job_id in (*line, *twins)}
    for place in order:
        assert store.jobs.delete(line[place]) is not None
        del before[line[place]]
        assert {job_id: told(store, job_id) for job_id in before} == before
    for job_id in twins:
        store.jobs.delete(job_id)
        del before[job_id]
        assert {job_id: told(store, job_id) for job_id in before} == before
    assert recorded(store) == 0


def test_a_job_that_goes_on_from_an_earlier_epoch_leaves_what_it_loses_to_those_who_share_it(store: Store) -> None:
    first = trained(store, submit(store, epochs=3), 1, 2, 3)
    second = paused(store, go_on(store, first), 4, 5, 6)
    heirs = [go_on(store, second), trained(store, go_on(store, second), 7)]
    before = {job_id: told(store, job_id) for job_id in (first, *heirs)}
    store.jobs.resume(second)
    held = claim(store, second)
    store.runs.rewind(held, 4)
    assert (numbers(store, second), {job_id: told(store, job_id) for job_id in before}) == ([1, 2, 3, 4], before)
    learn(store, held, 5)
    store.runs.rewind(held, 2)
    assert (numbers(store, second), {job_id: told(store, job_id) for job_id in before}) == ([1, 2], before)
    store.runs.rewind(held, 0)
    learn(store, held, 1)
    assert (numbers(store, second), {job_id: told(store, job_id) for job_id in before}) == ([1], before)
    store.jobs.delete(first)
    del before[first]
    assert {job_id: told(store, job_id) for job_id in before} == before


def rewound(store: Store, job_id: str, to: int) -> str:
    """Let a job go on from an earlier epoch, as if its checkpoint had been damaged, and come to the next."""
    held = claim(store, job_id)
    store.runs.rewind(held, to)
    assert numbers(store, job_id) == [*range(1, to + 1)]
    learn(store, held, to + 1)
    store.runs.finish(held)
    return job_id


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_job_that_goes_back_to_what_the_first_of_its_line_has_shares_no_more_than_that(
    store: Store, order: tuple[int, ...]
) -> None:
    first = trained(store, submit(store, epochs=3), 1, 2, 3)
    second = trained(store, go_on(store, first), 4, 5, 6)
    line, heirs = [first, second], [go_on(store, second), go_on(store, second)]
    heirs += [rewound(store, go_on(store, second), to) for to in (5, 2, 3)]
    last = rewound(store, go_on(store, heirs[-1]), 1)
    before = {job_id: told(store, job_id) for job_id in (*line, *heirs, last)}
    assert [len(rows) for rows in before.values()] == [3, 6, 6, 6, 6, 3, 4, 2]
    for place in order:
        store.jobs.delete(line[place])
        del before[line[place]]
        assert {job_id: told(store, job_id) for job_id in before} == before
    for job_id in heirs:
        store.jobs.delete(job_id)
        del before[job_id]
        assert {job_id: told(store, job_id) for job_id in before} == before


def shared_by_a_younger_one(store: Store, parent: str) -> tuple[str, str]:
    """Let two jobs go on from another, the younger one from an earlier epoch of it."""
    older, younger = go_on(store, parent), go_on(store, parent)
    return older, rewound(store, younger, 2)


def a_sweep(store: Store) -> tuple[Callable[[], object], str, str]:
    sweep_id, ids = sweep(store, base={"epochs": 3})
    for job_id in ids:
        trained(store, job_id, 1, 2, 3)
    return lambda: store.sweeps.delete(sweep_id), *shared_by_a_younger_one(store, ids[0])


def a_sweep_of_whose_jobs_several_are_shared(store: Store) -> tuple[Callable[[], object], str, str]:
    sweep_id, ids = sweep(store, base={"epochs": 3})
    for job_id in ids:
        trained(store, job_id, 1, 2, 3)
    return lambda: store.sweeps.delete(sweep_id), go_on(store, ids[1]), go_on(store, ids[0])


def a_job_that_is_shared_by_an_older_one(store: Store) -> tuple[Callable[[], object], str, str]:
    first = trained(store, submit(store, epochs=3), 1, 2, 3)
    older, younger = shared_by_a_younger_one(store, first)
    store.jobs.delete(first)
    return lambda: store.jobs.delete(younger), older, younger


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    "shared", [a_sweep, a_sweep_of_whose_jobs_several_are_shared, a_job_that_is_shared_by_an_older_one]
)
def test_whoever_deletes_what_is_shared_locks_in_the_order_in_which_all_do(
    store: Store, shared: Callable[[Store], tuple[Callable[[], object], str, str]]
) -> None:
    delete, older, younger = shared(store)
    by_id = select(jobs.c.number).order_by(jobs.c.number)
    waits = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )

    def is_waiting() -> bool:
        with store.database.reader.connect() as connection:
            return bool(connection.scalar(waits))

    with ThreadPoolExecutor(1) as thread:
        with store.database.writer.begin() as connection:
            locked(connection, by_id.where(jobs.c.id == older))
            done = thread.submit(delete)
            wait_until(is_waiting, timeout=10, what="the other to wait for the older one")
            free = locked(connection, by_id.where(jobs.c.id == younger), skip_locked=True).all()
        done.result(timeout=10)
    assert free, "who holds the older and asks for the younger would wait for one that waits for it"


def test_a_sweep_that_is_deleted_leaves_their_history_to_those_who_went_on(store: Store) -> None:
    sweep_id, ids = sweep(store, base={"epochs": 1})
    for job_id in ids:
        trained(store, job_id, 1)
    heirs = [go_on(store, ids[1]), go_on(store, ids[1]), go_on(store, ids[3])]
    before = {job_id: told(store, job_id) for job_id in heirs}
    store.sweeps.delete(sweep_id)
    assert {job_id: told(store, job_id) for job_id in heirs} == before
    assert recorded(store) == 2


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_to_go_on_from_a_long_job_again_and_again_hardly_grows_the_database(store: Store) -> None:
    job_id, file_ = submit(store, epochs=9), store.database.file
    held = claim(store, job_id)
    learn(store, held, 1, 2, 3, batches=BATCHES)
    store.runs.finish(held)
    assert file_ is not None
    before = file_.stat().st_size
    for _ in range(10):
        job_id = go_on(store, job_id)
        store.jobs.pause(job_id)
    assert before > 3 * BATCHES * 4
    assert file_.stat().st_size - before < 100_000
    assert numbers(store, job_id) == [1, 2, 3]


def test_what_was_copied_before_is_read_as_it_was(store: Store, database_url: str, tmp_path: Path) -> None:
    # As an older version left it: the rows of another job, of no attempt, and no pointer.
    first = trained(store, submit(store, epochs=3), 1, 2, 3)
    second = go_on(store, first)
    before = told(store, second)
    with store.database.writer.begin() as connection:
        connection.execute(update(jobs).values(inherits_from=None, inherited_epochs=None))
        columns = "epoch, 0, iterations, losses, loss, train_accuracy, val_accuracy, seconds, complete, recorded_at"
        copied = f"SELECT :new, {columns} FROM epochs WHERE job_id = :old"
        names = columns.replace(" 0,", " attempt,")
        connection.execute(text(f"INSERT INTO epochs (job_id, {names}) {copied}"), {"new": second, "old": first})
    assert told(store, second) == before
    assert [row.attempt for row in store.jobs.epochs(second)] == [0, 0, 0]
