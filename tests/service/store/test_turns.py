"""Turns of a process at an SQLite file: writers in the order of asking, and no reader while one commits."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from service.store import turns as turns_module
from service.store.turns import Turns
from tests.waiting import wait_until


def test_writers_come_to_their_turn_in_the_order_of_asking() -> None:
    turns, order = Turns(), list[int]()
    first: dict[Any, Any] = {}
    turns.write(first)

    def write(number: int) -> None:
        info: dict[Any, Any] = {}
        turns.write(info)
        order.append(number)
        turns.end(info)

    with ThreadPoolExecutor(8) as threads:
        for number in range(8):
            threads.submit(write, number)
            wait_until(lambda count=number: len(turns._writers) == count + 1, timeout=30, what="it to wait")  # type: ignore[misc]
        turns.end(first)
    assert order == list(range(8))
    turns.write(first)  # it is free again


def test_who_commits_waits_for_those_who_read_and_others_wait_for_it() -> None:
    turns, happened = Turns(), list[str]()
    reader: dict[Any, Any] = {}
    turns.read(reader)

    def commit() -> None:
        info: dict[Any, Any] = {}
        turns.write(info)
        turns.commit(info)
        happened.append("committed")
        turns.end(info)

    def read() -> None:
        info: dict[Any, Any] = {}
        turns.read(info)
        happened.append("read")
        turns.end(info)

    with ThreadPoolExecutor(2) as threads:
        committing = threads.submit(commit)
        wait_until(lambda: turns._committing, timeout=30, what="the commit")
        reading = threads.submit(read)
        turns.end(reader)
        committing.result()
        reading.result()
    assert sorted(happened) == ["committed", "read"]
    assert happened[0] == "committed"


def test_who_has_waited_in_vain_is_left_to_sqlite(monkeypatch: Any) -> None:
    monkeypatch.setattr(turns_module, "PATIENCE_SECONDS", 0.01)
    turns = Turns()
    empty: list[dict[Any, Any]] = [{}, {}, {}, {}]
    writer, reader, other, late = empty
    turns.write(writer)
    turns.write(other)
    assert other == {}
    turns.read(reader)
    turns.commit(writer)
    turns.read(late)
    for info in (writer, reader, other, late):
        turns.end(info)
    turns.write(other)
    assert other
    turns.commit({})  # it has no turn, and may commit as SQLite has it
    turns.read(other)  # a connection that goes on has one turn
    turns.end(other)
    turns.write(writer)
