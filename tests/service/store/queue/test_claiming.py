"""Whose job is taken next, on both databases: by weight among accounts, by priority and age within one."""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import product
from typing import Any

import pytest
from sqlalchemy import insert, select, text, update

from models.spec import TrainingSpec
from service.settings import Settings
from service.store.account_tables import accounts
from service.store.claims import Claim
from service.store.engine import now_ms
from service.store.job_ids import whole
from service.store.queue.queue_tables import shares
from service.store.shared_columns import DEFAULT, EVERYONE
from service.store.store import Store
from service.store.tables import attempts, jobs
from tests.conftest import fresh_database
from tests.explained import looked_at
from tests.records import end, finished

HOUR = 3_600_000


@pytest.fixture
def store(store: Store) -> Store:
    """What is on record of all accounts, as workers see it."""
    return store.of(EVERYONE)


def account(store: Store, name: str, *, weight: float = 1.0, **limits: int) -> None:
    with store.database.writer.begin() as connection:
        connection.execute(insert(accounts).values(name=name, weight=weight, limits=limits, created_at=0))


def submit_as(store: Store, name: str, count: int = 1, *, hours_ago: int = 0, **spec: Any) -> list[str]:
    specs = [TrainingSpec(**spec, seed=seed) for seed in range(count)]
    ids = [whole(name, job_id) for job_id in store.of(name).submissions.submit(specs)]
    with store.database.writer.begin() as connection:
        older = {"turn": jobs.c.turn - hours_ago * HOUR}
        connection.execute(update(jobs).where(jobs.c.id.in_(ids)).values(older))
    return ids


def took(store: Store, held: Claim, seconds: float) -> None:
    """Let a job end after so many seconds of a process."""
    with store.database.writer.begin() as connection:
        began = now_ms() - 1000 * seconds * attempts.c.together
        connection.execute(update(attempts).where(attempts.c.job_id == held.job_id).values(started_at=began))
    end(store, held, "failed")


def account_of(store: Store, job_id: str) -> str:
    with store.database.reader.connect() as connection:
        return str(connection.scalar(select(jobs.c.account).where(jobs.c.id == job_id)))


def claimed(store: Store, count: int, *, most: int = 1) -> list[str]:
    """Claim so often, and give of whom the first of each was."""
    return [account_of(store, store.runs.claim(None, "worker", most=most)[0].job_id) for _ in range(count)]


def test_a_point_of_priority_is_worth_an_hour_of_waiting(store: Store) -> None:
    (old,) = submit_as(store, "default", hours_ago=3)
    (urgent,) = submit_as(store, "default", priority=2)
    (more_urgent,) = submit_as(store, "default", priority=4)
    (idle,) = submit_as(store, "default", priority=-100, hours_ago=99)
    (new,) = submit_as(store, "default")
    taken = [store.runs.claim(None, "worker")[0].job_id for _ in range(5)]
    assert taken == [more_urgent, old, urgent, new, idle]


def test_of_equal_priority_and_age_they_are_taken_as_they_were_sent(store: Store) -> None:
    ids = submit_as(store, "default", 5, priority=7)
    assert [store.runs.claim(None, "worker")[0].job_id for _ in ids] == ids


def test_a_job_that_comes_back_has_kept_its_place(store: Store) -> None:
    first, second = submit_as(store, "default", 2)
    (held,) = store.runs.claim(None, "worker")
    store.runs.release(held)
    store.jobs.pause(second)
    store.jobs.resume(second)
    assert [store.runs.claim(None, "worker")[0].job_id for _ in range(2)] == [first, second]


def test_the_single_job_of_another_is_next_however_many_wait(store: Store) -> None:
    account(store, "busy")
    account(store, "other")
    store.of("busy").submissions.submit([TrainingSpec(priority=100)] * 5000)
    assert claimed(store, 3, most=4) == ["busy"] * 3
    (single,) = submit_as(store, "other", priority=-100)
    (held, *beside) = store.runs.claim(None, "worker", most=4)
    assert (held.job_id, beside) == (single, []), "those of who had more do not slow it down"


def test_accounts_have_as_many_seconds_as_their_weights_say(store: Store) -> None:
    account(store, "one")
    account(store, "three", weight=3.0)
    for name in ("one", "three"):
        submit_as(store, name, 40, dataset="digits")
    had: Counter[str] = Counter()
    for _ in range(32):
        (held,) = store.runs.claim(None, "worker")
        name = account_of(store, held.job_id)
        seconds = 6.0 if name == "one" else 2.0
        took(store, held, seconds)
        had[name] += int(seconds)
    assert abs(had["one"] - had["three"] / 3) <= 6.0 + 2.0 / 3, "no further apart than a claim of each"


def test_what_a_job_takes_is_expected_of_those_of_equal_shape(store: Store) -> None:
    finished(store.of(DEFAULT), dataset="digits")  # its epoch took a second
    submit_as(store, "default", epochs=7, dataset="digits")
    (held,) = store.runs.claim(None, "worker")
    with store.database.reader.connect() as connection:
        charged = select(attempts.c.charged).where(attempts.c.job_id == held.job_id)
        assert connection.scalar(charged) == 7.0
    took(store, held, 21.0)
    with store.database.reader.connect() as connection:
        row = connection.execute(select(shares)).one()
    assert row.due - row.begun == pytest.approx(21.0, abs=0.5), "in the end it is charged what it took"


def test_a_job_that_runs_longer_than_expected_counts_while_it_runs(store: Store) -> None:
    account(store, "long")
    account(store, "short")
    submit_as(store, "long", 5, epochs=1)
    submit_as(store, "short", 5, epochs=1)
    assert claimed(store, 2) == ["long", "short"]
    with store.database.writer.begin() as connection:
        theirs = select(jobs.c.id).where(jobs.c.account == "long").scalar_subquery()
        connection.execute(
            update(attempts).where(attempts.c.job_id.in_(theirs)).values(started_at=now_ms() - 3_000_000)
        )
    assert claimed(store, 3) == ["short"] * 3


def test_jobs_of_others_are_trained_along_where_these_are_due(store: Store) -> None:
    for name in ("a", "b", "c", "d"):
        account(store, name)
        submit_as(store, name, 1 if name == "a" else 3)
    first = store.runs.claim(None, "worker", most=4)
    assert [account_of(store, held.job_id) for held in first] == ["a", "b", "c", "d"]
    second = store.runs.claim(None, "worker", most=4)
    assert [account_of(store, held.job_id) for held in second] == ["b", "c", "d", "b"]


def test_jobs_on_uploads_of_one_name_are_not_trained_together_across_accounts(store: Store) -> None:
    for name in ("a", "b"):
        account(store, name)
        ids = submit_as(store, name, 2)
        with store.database.writer.begin() as connection:
            connection.execute(update(jobs).where(jobs.c.id.in_(ids)).values(dataset="mine", dataset_version=1))
    taken = store.runs.claim(None, "worker", most=4)
    assert [account_of(store, held.job_id) for held in taken] == ["a", "a"]


def test_an_account_has_no_more_running_than_it_may(store: Store) -> None:
    account(store, "few", running=2)
    account(store, "many")
    submit_as(store, "few", 8)
    assert len(store.runs.claim(None, "worker", most=8)) == 2
    assert store.runs.claim(None, "worker", most=8) == []
    submit_as(store, "many")
    assert claimed(store, 1) == ["many"]


def test_nobody_is_rung_for_whose_account_has_as_many_running_as_it_may(store: Store) -> None:
    account(store, "few", running=1)
    account(store, "many")
    submit_as(store, "few", 2)
    (held,) = store.runs.claim(None, "worker", most=8)
    (other,) = submit_as(store, "many")
    assert store.stalled.unheard(-60) == [other]
    end(store, held, "failed")
    assert len(store.stalled.unheard(-60)) == 2


def test_a_job_that_waits_at_a_rung_is_not_in_the_queue(store: Store) -> None:
    at_rung, other = submit_as(store, "default", 2)
    (held,) = store.runs.claim(None, "worker")
    store.runs.release(held, waits_at_rung=True)
    assert [claim.job_id for claim in store.runs.claim(None, "worker", most=4)] == [other]
    assert at_rung == held.job_id


def jobs_running(store: Store) -> int:
    return len(store.jobs.find(state="running", limit=100))


MANY = 3000


@pytest.fixture(scope="module", params=list(product(["sqlite", "postgresql"], [False, True])), ids=str)
def long_queue(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store in which many jobs wait, of equal shape or not, whose database has counted them or not."""
    kind, is_analysed = request.param
    request.param = kind
    folder = tmp_path_factory.mktemp("long")
    with fresh_database(request, folder) as url:
        store = Store.open(Settings(home=folder, database_url=url)).of(EVERYONE)
        for number, name in enumerate(["a", "b", "c"]):
            account(store, name)
            submit_as(store, name, MANY // 3, hidden_sizes=(8 + number // 2,))
        with store.database.writer.begin() as connection:
            connection.execute(update(jobs).where(jobs.c.number % 7 == 0).values(state="succeeded"))
            if is_analysed:
                connection.execute(text("ANALYZE"))
        yield store
        store.database.close()


def test_a_claim_looks_at_few_rows_however_many_wait(long_queue: Store) -> None:
    for most in (1, 4, 4):
        running = jobs_running(long_queue)
        cost, whole = looked_at(long_queue, partial(long_queue.runs.claim, None, "worker", most=most))
        assert jobs_running(long_queue) == running + most
        assert cost < 250
        assert not whole
