"""What several threads ask for at one time: done at once, in the order of asking, and answered to each."""

import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Event

import pytest
from sqlalchemy import event

from models.spec import TrainingSpec
from service.settings import Settings
from service.store import engine
from service.store.engine import DatabaseError
from service.store.errors import NoSuchData
from service.store.jointly import Together
from service.store.shared_columns import DEFAULT
from service.store.store import Store
from tests.waiting import wait_until


def test_who_waits_while_others_are_answered_is_answered_together() -> None:
    begun, go_on = Event(), Event()
    batches: list[list[int]] = []

    def answer(questions: Sequence[int]) -> list[int | Exception]:
        batches.append(list(questions))
        if len(batches) == 1:
            begun.set()
            go_on.wait(30)
        return [ValueError(question) if question == 3 else question * 10 for question in questions]

    together = Together(answer, most=4)
    with ThreadPoolExecutor(8) as threads:
        futures = [threads.submit(together.ask, 0)]
        begun.wait(30)
        for question in range(1, 7):
            futures.append(threads.submit(together.ask, question))
            wait_until(lambda count=question: len(together._waiting) == count + 1, timeout=30, what="it to wait")  # type: ignore[misc]
        go_on.set()
        with pytest.raises(ValueError, match="3"):
            futures[3].result()
        assert [future.result() for place, future in enumerate(futures) if place != 3] == [0, 10, 20, 40, 50, 60]
    assert batches == [[0], [1, 2, 3, 4], [5, 6]]


def test_what_breaks_is_told_to_all_and_the_next_are_answered() -> None:
    def answer(questions: Sequence[int]) -> list[int | Exception]:
        if questions == [1]:
            raise OSError("no")
        return list(questions)

    together = Together(answer)
    with pytest.raises(OSError, match="no"):
        together.ask(1)
    assert together.ask(2) == 2


def test_jobs_that_are_submitted_together_are_each_on_record_once(store: Store) -> None:
    specs = [TrainingSpec(name=f"n{number}", labels={"team": "a"}) for number in range(40)]
    with ThreadPoolExecutor(16) as threads:
        rows = list(threads.map(lambda spec: store.submissions.submit_one(spec, asked=spec), specs))
    assert [row.name for row in rows] == [spec.name for spec in specs]
    assert [row.asked for row in rows] == [spec.model_dump(mode="json", exclude_unset=True) for spec in specs]
    assert {row.id for row in rows} == {row.id for row in store.jobs.find(labels=[("team", "a")], limit=100)}
    for row in rows:
        assert [event.data for event in store.jobs.events(row.id)] == [{"state": "queued"}]


def test_one_that_cannot_be_is_no_matter_of_the_others(store: Store) -> None:
    good, bad = TrainingSpec(name="good"), TrainingSpec(dataset="gone/1")
    outcomes = store.submissions._submitted([(good, None), (bad, None), (good, {"name": "good"})])
    assert [type(outcome) for outcome in outcomes][1] is NoSuchData
    assert [row.id for row in store.jobs.find(limit=9)] == [
        outcome.id for outcome in reversed(outcomes) if not isinstance(outcome, Exception)
    ]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_group_waits_once_for_a_database_that_is_locked(
    settings: Settings, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "PATIENCE_SECONDS", 0.01)
    store, begun = Store.open(settings).of(DEFAULT), list[str]()

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        begun.append(statement)

    event.listen(store.database.writer, "before_cursor_execute", note)
    with closing(sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        outcomes = store.submissions._submitted([(TrainingSpec(), None)] * 3)
    assert [isinstance(outcome, DatabaseError) for outcome in outcomes] == [True] * 3
    assert begun == ["BEGIN IMMEDIATE"]
    store.database.close()
