"""All who follow in a process are told by one look at the record: each of what concerns it, once and in order."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any

import pytest
from sqlalchemy import event, text

from service.api.following import feed as feeds
from service.api.following.feed import Feed
from service.api.following.happening import of_data, of_job
from service.api.following.streams import END, until_the_end
from service.store.shared_columns import EVERYONE
from service.store.store import Store
from tests.records import log_many, submit

Scenario = Callable[[Feed], Awaitable[None]]


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: what differs between the databases is the store's, whose tests run on both."""
    return sqlite_url


@pytest.fixture
def feed(store: Store) -> Iterator[Feed]:
    feed = Feed(store.events)
    yield feed
    feed.close()


def stream(feed: Feed, store: Store, job_id: str, caught_up: Event | None = None) -> AsyncIterator[bytes]:
    def has_ended() -> bool:
        job = store.jobs.get(job_id)
        return job is None or job.state == "cancelled"

    def read(start: int, count: int) -> Any:
        rows = store.jobs.events(job_id, after=start, limit=count)
        if caught_up is not None and not rows:
            caught_up.set()
        return rows

    return until_the_end(feed, of_job("default", job_id), read, has_ended, 0)


async def rest(parts: AsyncIterator[bytes]) -> list[bytes]:
    return [part async for part in parts]


def ids(parts: list[bytes]) -> list[int]:
    lines = [line for part in parts for line in part.splitlines()]
    return [int(line.removeprefix(b"id: ")) for line in lines if line.startswith(b"id: ")]


def numbers(store: Store, job_id: str, after: int = 0) -> list[int]:
    return [row.number for row in store.jobs.events(job_id, after=after, limit=10_000)]


async def next_of(parts: AsyncIterator[bytes]) -> bytes:
    return await asyncio.wait_for(anext(parts), timeout=30)


def test_each_stream_gets_what_happens_to_its_job_until_that_ends(store: Store, feed: Feed) -> None:
    first, second = submit(store), submit(store)

    async def scenario() -> tuple[list[bytes], list[bytes]]:
        one, other = stream(feed, store, first), stream(feed, store, second)
        begun = [await next_of(one)], [await next_of(other)]
        for job_id in (first, second, first):
            await asyncio.to_thread(store.jobs.pause, job_id)
            await asyncio.to_thread(store.jobs.resume, job_id)
        for job_id in (second, first):
            await asyncio.to_thread(store.jobs.cancel, job_id)
        return begun[0] + await rest(one), begun[1] + await rest(other)

    for job_id, parts in zip((first, second), asyncio.run(scenario()), strict=True):
        assert ids(parts) == numbers(store, job_id)
        assert parts[-1] == END


def test_a_stream_ends_when_its_job_is_deleted(store: Store, feed: Feed) -> None:
    job_id = submit(store)

    async def scenario() -> list[bytes]:
        parts = stream(feed, store, job_id)
        begun = await next_of(parts)
        await asyncio.to_thread(store.jobs.delete, job_id)
        return [begun, *await rest(parts)]

    assert asyncio.run(scenario())[1:] == [END]


def test_who_reads_slowly_finds_in_the_record_what_it_was_not_kept(store: Store, feed: Feed) -> None:
    job_id = submit(store)

    async def scenario() -> list[bytes]:
        slow, quick = stream(feed, store, job_id), stream(feed, store, job_id)
        begun = [await next_of(slow)]
        await next_of(quick)
        for _ in range(3):
            await asyncio.to_thread(log_many, store, job_id, 700)
            for _ in range(700):
                await next_of(quick)
        await asyncio.to_thread(store.jobs.cancel, job_id)
        await rest(quick)
        return begun + await rest(slow)

    parts = asyncio.run(scenario())
    assert ids(parts) == numbers(store, job_id)
    assert parts[-1] == END


@contextmanager
def counted(store: Store) -> Iterator[list[str]]:
    """Gives the statements that were executed meanwhile."""
    seen: list[str] = []

    def count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(store.database.reader, "before_cursor_execute", count)
    yield seen
    event.remove(store.database.reader, "before_cursor_execute", count)


def looks_among(statements: list[str]) -> int:
    return sum("events.number > ?" in statement and "events.job_id = " not in statement for statement in statements)


def test_however_many_follow_the_record_is_asked_by_one(store: Store, feed: Feed) -> None:
    jobs = [submit(store) for _ in range(10)]

    async def scenario() -> int:
        open_now = [stream(feed, store, job_id) for job_id in jobs for _ in range(5)]
        for parts in open_now:
            await next_of(parts)
        waiting = [asyncio.ensure_future(next_of(parts)) for parts in open_now]
        await asyncio.sleep(0)
        with counted(store) as asked:
            for job_id in jobs:
                await asyncio.to_thread(store.jobs.pause, job_id)
            await asyncio.gather(*waiting)
            looks = looks_among(asked)
        for parts in open_now:
            await parts.aclose()  # type: ignore[attr-defined]
        return looks

    looks = asyncio.run(scenario())
    assert 0 < looks < 50, "each of 50 streams would have looked at least once"


def test_streams_outlive_a_record_that_is_away_for_a_while(
    store: Store, feed: Feed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(feeds, "_AGAIN_AFTER_SECONDS", 0.01)
    job_id = submit(store)

    def rename(before: str, after: str) -> None:
        with store.of(EVERYONE).database.writer.begin() as connection:
            connection.execute(text(f"ALTER TABLE {before} RENAME TO {after}"))

    async def scenario() -> list[bytes]:
        caught_up = Event()
        parts = stream(feed, store, job_id, caught_up)
        begun = await next_of(parts)
        following = asyncio.ensure_future(rest(parts))
        await asyncio.to_thread(caught_up.wait, 30)
        await asyncio.to_thread(rename, "events", "away")
        while not caplog.records:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(rename, "away", "events")
        await asyncio.to_thread(store.jobs.cancel, job_id)
        return [begun, *await following]

    assert ids(asyncio.run(scenario())) == numbers(store, job_id)
    assert {record.message for record in caplog.records} == {"events could not be read: no such table: events"}


def test_nothing_is_looked_at_while_nobody_follows(store: Store, feed: Feed) -> None:
    job_id = submit(store)

    async def scenario() -> int:
        parts = stream(feed, store, job_id)
        await next_of(parts)
        await parts.aclose()  # type: ignore[attr-defined]
        with counted(store) as asked:
            for _ in range(20):
                await asyncio.to_thread(submit, store)
            looks = looks_among(asked)
        with feed.follow(of_data("default", "letters", 1)):
            assert await feed.position() == numbers(store, job_id)[-1] + 20
        return looks

    assert asyncio.run(scenario()) <= 1, "the one that was under way"
