"""Versions of data sets on record, on both databases."""

from typing import Any

import pytest
from sqlalchemy import update

from models.spec import TrainingSpec
from service.artifacts import Artifacts
from service.store import owners
from service.store.data_tables import dataset_versions
from service.store.engine import now_ms
from service.store.errors import (
    DataNotReady,
    DatasetInUse,
    FileNotKept,
    LeaseLost,
    NoSuchData,
    ReadingEnded,
)
from service.store.readings import MAX_FRUITLESS_READINGS, ReadingClaim
from service.store.store import Store
from tests.records import data, file, submit

OWNER = "host:1:token/1"


def add(store: Store, sha: str = "a", **options: Any) -> tuple[int, bool]:
    sent = file("file", f"datasets/letters/file-{sha}")
    row, is_new = store.datasets.add("letters", type(sent)(**vars(sent) | {"sha256": sha * 64}), None, options)
    return row.version, is_new


def claimed(store: Store, version: int = 1) -> ReadingClaim:
    held = store.readings.claim(("default", "letters", version), OWNER)
    assert held is not None
    return held


def finish(store: Store, held: ReadingClaim) -> list[str]:
    return store.readings.finish(held, {"sha256": "d" * 64, "examples": 3}, [file("values.npy", f"v{held.version}")])


def state(store: Store, version: int = 1) -> tuple[str, list[str]]:
    row = store.datasets.version("letters", version)
    assert row is not None
    return row.state, [event.type for event in store.datasets.events("letters", version)]


def test_equal_bytes_and_options_are_the_version_that_is_there_and_others_the_next(store: Store) -> None:
    assert add(store) == (1, True)
    assert add(store) == (1, False)
    assert add(store, "b") == (2, True)
    assert add(store, "b", label="digit") == (3, True)
    assert add(store, "b") == (3, False), "options hold for the next version as well"
    assert add(store, "b", label=None) == (2, False), "until they are taken back"
    store.readings.fail(claimed(store, 3), [{"where": "label", "detail": "there is none", "remedy": "name one"}])
    assert add(store, "b", label="digit") == (4, True), "one that has failed is tried anew"
    newest = store.datasets.get("letters")
    assert newest is not None
    assert (newest.version, newest.options, newest.state) == (4, {"label": "digit"}, "reading")


def test_a_file_is_read_anew_with_other_options(store: Store) -> None:
    add(store)
    row, is_new = store.datasets.read_again("letters", 1, {"header": True})
    assert (row.version, is_new, row.options) == (2, True, {"header": True})
    assert {pointer.key for pointer in store.files.of(owners.of_data("letters", 2))} == {"datasets/letters/file-a"}
    assert store.datasets.read_again("letters", 2, {"header": None})[0].version == 1
    assert store.datasets.delete("letters", 1) == [], "the other points to the file as well"
    assert store.datasets.delete("letters", 2) == ["datasets/letters/file-a"]
    with pytest.raises(NoSuchData):
        store.datasets.read_again("letters", 1, {})
    store.datasets.ask_for("digits")
    with pytest.raises(FileNotKept):
        store.datasets.read_again("digits", 1, {})


def test_a_number_is_not_given_again(store: Store) -> None:
    add(store)
    add(store, "b")
    assert store.datasets.delete("letters") is not None
    assert store.datasets.delete("letters") is None
    assert store.datasets.get("letters") is None
    assert [row.dataset for row in store.datasets.all()] == []
    assert "letters" not in store.datasets.names()
    assert add(store) == (3, True)


def test_a_reading_that_was_replaced_writes_nothing(store: Store) -> None:
    add(store)
    first = claimed(store)
    assert store.readings.claim(None, OWNER) is None, "it is read once at a time"
    with store.database.writer.begin() as connection:
        connection.execute(update(dataset_versions).values(lease_expires_at=now_ms() - 1))
    assert store.readings.release_expired() == [("default", "letters", 1)]
    second = claimed(store)
    for late in (store.readings.look, store.readings.give_back):
        with pytest.raises(LeaseLost):
            late(first)
    for write in (finish, fail, renew):
        with pytest.raises(LeaseLost):
            write(store, first)
    assert renew(store, second) is None
    assert finish(store, second) == []
    assert state(store) == ("ready", ["data.reading", "data.ready"])
    with pytest.raises(LeaseLost):
        finish(store, second)


def fail(store: Store, held: ReadingClaim) -> None:
    store.readings.fail(held, [])


def renew(store: Store, held: ReadingClaim) -> object:
    return store.readings.renew(held, {"bytes": 5, "bytes_total": 9, "rows": 1})


def test_a_reading_that_brings_down_who_reads_it_is_given_up(store: Store) -> None:
    add(store)
    died = {"where": "file", "detail": "it was killed by SIGKILL", "remedy": "send less"}
    for attempt in range(1, MAX_FRUITLESS_READINGS + 1):
        held = claimed(store)
        assert held.attempt == attempt
        assert store.readings.give_back(held) is True, "its worker leaves: that is no fault of the file's"
        assert store.readings.give_back(claimed_again(store), died) is (attempt < MAX_FRUITLESS_READINGS)
        with store.database.writer.begin() as connection:
            connection.execute(update(dataset_versions).values(attempt=attempt))
    row = store.datasets.version("letters", 1)
    assert row is not None
    assert (row.state, row.faults[0]["detail"]) == ("failed", "it was killed by SIGKILL, 5 times in a row")


def claimed_again(store: Store) -> ReadingClaim:
    return claimed(store)


def test_what_is_cancelled_while_it_is_read_is_never_ready(store: Store) -> None:
    add(store)
    add(store, "b")
    waiting = store.datasets.cancel("letters", 2)
    assert waiting is not None
    assert waiting.state == "cancelled"
    held = claimed(store)
    running = store.datasets.cancel("letters", 1)
    assert running is not None
    assert (running.state, running.cancel_requested) == ("reading", True)
    assert store.readings.look(held) == renew(store, held) == "cancel"
    assert finish(store, held) == ["v1"]
    assert state(store) == ("cancelled", ["data.reading", "data.cancelled"])
    assert store.datasets.cancel("letters", 9) is None
    add(store, "c")
    finish(store, claimed(store, 3))
    with pytest.raises(ReadingEnded):
        store.datasets.cancel("letters", 3)


def test_a_worker_that_leaves_takes_no_reading(store: Store) -> None:
    add(store)
    store.workers.seen("host:1:token", "readings", slots=0)
    held = claimed(store)
    store.workers.drain("host:1:token")
    assert store.readings.look(held) == "drain"
    store.readings.give_back(held)
    assert store.readings.claim(None, OWNER) is None
    assert store.readings.claim(None, "host:2:token/1") is not None


def test_what_nobody_hears_of_is_rung_for_again(store: Store) -> None:
    add(store)
    assert store.readings.unheard(60) == []
    assert store.readings.unheard(-1) == [("default", "letters", 1)]
    with store.database.writer.begin() as connection:
        connection.execute(update(dataset_versions).values(rung_at=now_ms() - 10_000))
    assert store.readings.unheard(5) == [("default", "letters", 1)]
    store.readings.announced([("default", "letters", 1)])
    assert store.readings.unheard(5) == []


def test_what_is_built_in_is_asked_for_once_and_again_where_it_could_not_be_had(store: Store) -> None:
    for _ in range(2):
        store.datasets.ask_for("digits")
    held = store.readings.claim(("default", "digits", 1), OWNER)
    assert held is not None
    assert held.source == "builtin"
    store.readings.fail(held, [{"where": "digits", "detail": "no net", "remedy": "later"}])
    store.datasets.ask_for("digits")
    again = store.readings.claim(("default", "digits", 1), OWNER)
    assert again is not None
    assert again.attempt == 2


def test_a_spec_is_resolved_to_the_newest_version_that_is_ready(store: Store, artifacts: Artifacts) -> None:
    def meant(**spec: Any) -> TrainingSpec:
        (found,) = store.resolution.settle([TrainingSpec(**spec)])
        return found

    with pytest.raises(NoSuchData):
        meant(dataset="mine")
    data(store, artifacts, state="reading")
    with pytest.raises(DataNotReady, check=lambda error: error.state == "reading"):
        meant(dataset="mine")
    assert store.datasets.delete("mine")
    data(store, artifacts, content=b"2", state="failed")
    with pytest.raises(DataNotReady, check=lambda error: error.why == "line 1: it is bad; mend it"):
        meant(dataset="mine")
    data(store, artifacts, content=b"3")
    data(store, artifacts, content=b"4", state="failed")
    data(store, artifacts, content=b"5", state="reading")
    found = meant(dataset="mine")
    assert (found.dataset, found.stratify, found.model) == ("mine/3", True, "mine")
    assert meant(dataset="mine/3", model="default", stratify=False).model == "default"
    for other, problem in (("mine/4", DataNotReady), ("mine/5", DataNotReady), ("mine/1", NoSuchData)):
        with pytest.raises(problem):
            meant(dataset=other)
    builtin = meant(dataset="digits/1")
    assert (builtin.dataset, builtin.stratify, builtin.model) == ("digits", False, "digits")
    with pytest.raises(NoSuchData):
        meant(dataset="digits/2")


def test_a_version_that_a_job_needs_is_held_and_only_that(store: Store, artifacts: Artifacts) -> None:
    data(store, artifacts, content=b"1")
    data(store, artifacts, content=b"2")
    job_id = submit(store, dataset="mine/2")
    for version in (2, None):
        with pytest.raises(DatasetInUse):
            store.datasets.delete("mine", version)
    assert store.datasets.delete("mine", 1) is not None
    with pytest.raises(NoSuchData):
        submit(store, dataset="mine/1")
    store.jobs.cancel(job_id)
    assert store.datasets.delete("mine", 2) is not None


def test_options_with_which_a_file_could_not_be_read_do_not_hold_for_the_next(store: Store) -> None:
    add(store, separator=";")
    finish(store, claimed(store, 1))
    add(store, "b", label="nope")
    store.readings.fail(claimed(store, 2), [{"where": "label", "detail": "there is none", "remedy": "name one"}])
    add(store, "c")
    newest = store.datasets.get("letters")
    assert newest is not None
    assert (newest.version, newest.options) == (3, {"separator": ";"})
