"""What happens is read in one order, each event once, and none before all that precede it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random
from threading import Event

import pytest
from sqlalchemy import Connection, insert

from service.store.engine import Database
from service.store.event_tables import events
from service.store.events import AT_A_TIME, About, Settled
from service.store.states import log_event
from service.store.store import Store
from tests.records import submit


def numbers(settled: Settled) -> list[int]:
    return [row.number for row in settled.look()]


@pytest.fixture
def settled(store: Store) -> Iterator[Settled]:
    settled = store.events.settled()
    yield settled
    settled.close()


def begun(store: Store, settled: Settled) -> tuple[str, int]:
    """Give a job, and the number of its only event, which was seen."""
    job_id = submit(store)
    assert numbers(settled) == []
    (queued,) = store.jobs.events(job_id)
    assert settled.position == queued.number
    return job_id, queued.number


def test_events_are_given_once_and_in_order_with_what_they_are_about(store: Store, settled: Settled) -> None:
    job_id, before = begun(store, settled)
    other = submit(store, model="digits", labels={"team": "a"})
    store.jobs.pause(job_id)
    rows = settled.look()
    assert [(row.number, row.about.job_id) for row in rows] == [(before + 1, other), (before + 2, job_id)]
    assert [row.about for row in rows] == [
        About(other, model="digits", labels={"team": "a"}),
        About(job_id, model="mnist"),
    ]
    assert numbers(settled) == []


def test_what_was_deleted_leaves_one_event_that_says_so(store: Store, settled: Settled) -> None:
    job_id, before = begun(store, settled)
    deleted = submit(store, labels={"team": "a"})
    store.jobs.delete(deleted)
    store.jobs.pause(job_id)
    gone, paused = settled.look()
    assert (gone.number, gone.event.type) == (before + 2, "job.deleted")
    assert gone.about == About(deleted, model="mnist", labels={"team": "a"})
    assert (paused.number, paused.about.job_id) == (before + 3, job_id)
    assert numbers(settled) == []


def test_more_than_are_read_at_a_time_come_piece_by_piece(store: Store, settled: Settled) -> None:
    job_id, before = begun(store, settled)
    with store.database.writer.begin() as connection:
        row = {"job_id": job_id, "type": "epoch", "data": {}, "created_at": 1}
        connection.execute(insert(events), [row] * (AT_A_TIME + 5))
    assert numbers(settled) == list(range(before + 1, before + 1 + AT_A_TIME))
    assert len(numbers(settled)) == 5


many_writers = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


class Writer:
    """Writes an event, and does not commit yet."""

    def __init__(self, database: Database, job_id: str) -> None:
        self.connection: Connection = database.writer.connect()
        self._transaction = self.connection.begin()
        log_event(self.connection, job_id, "epoch", {})

    def end(self, *, commit: bool) -> None:
        (self._transaction.commit if commit else self._transaction.rollback)()
        self.connection.close()


@many_writers
@pytest.mark.parametrize("commit", [True, False])
def test_what_comes_later_with_a_lower_number_is_waited_for(store: Store, settled: Settled, commit: bool) -> None:
    job_id, before = begun(store, settled)
    first, second = Writer(store.database, job_id), Writer(store.database, job_id)
    second.end(commit=True)
    assert numbers(settled) == numbers(settled) == []
    third = Writer(store.database, job_id)  # who begins later is not waited for
    first.end(commit=commit)
    assert numbers(settled) == ([before + 1, before + 2] if commit else [before + 2])
    third.end(commit=True)
    assert numbers(settled) == [before + 3]


@many_writers
def test_who_begins_to_look_while_others_write_misses_nothing_of_theirs(store: Store, settled: Settled) -> None:
    job_id = submit(store)
    first = Writer(store.database, job_id)
    Writer(store.database, job_id).end(commit=True)
    assert (numbers(settled), settled.position) == ([], None)
    first.end(commit=True)
    assert numbers(settled) == []
    assert settled.position == store.jobs.events(job_id)[-1].number
    assert len(store.jobs.events(job_id)) == 3


@many_writers
def test_however_writers_overtake_each_other_and_give_up_each_event_comes_once_and_in_order(
    store: Store, settled: Settled
) -> None:
    job_ids = [submit(store) for _ in range(6)]
    assert numbers(settled) == []
    done = Event()

    def write(place: int) -> None:
        chance = Random(place)
        for _ in range(30):
            with store.database.writer.connect() as connection, connection.begin() as transaction:
                for _ in range(chance.randint(1, 3)):
                    log_event(connection, job_ids[place], "epoch", {})
                if chance.random() < 0.3:
                    transaction.rollback()

    def follow() -> list[int]:
        came: list[int] = []
        while True:
            is_last = done.is_set()
            new = numbers(settled)
            came += new
            if is_last and not new:
                return came

    with ThreadPoolExecutor() as pool:
        following = pool.submit(follow)
        for written in [pool.submit(write, place) for place in range(6)]:
            written.result()
        done.set()
        came = following.result()
    assert came == sorted(row.number for job_id in job_ids for row in store.jobs.events(job_id)[1:])
