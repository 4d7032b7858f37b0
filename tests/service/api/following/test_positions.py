"""A stream of everything says how far it has looked, where nothing of what it is asked for came."""

import asyncio
from collections.abc import Iterator

import pytest
from fastapi.sse import KEEPALIVE_COMMENT

from service.api.dependencies import Dependencies
from service.api.following import streams
from service.api.routes.events import Choice, stream
from service.settings import Settings
from service.store.store import Store
from tests.records import submit


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: what differs between the databases is the store's, whose tests run on both."""
    return sqlite_url


@pytest.fixture
def dependencies(settings: Settings) -> Iterator[Dependencies]:
    dependencies = Dependencies.build(settings)
    yield dependencies
    dependencies.close()


def position(number: int) -> bytes:
    return f"event: position\ndata: {{}}\nid: {number}\n\n".encode()


def test_who_comes_back_need_not_look_again_at_what_others_did(
    dependencies: Dependencies, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "PING_EVERY_SECONDS", 0.01)
    submit(store, labels={"team": "a"})

    async def scenario() -> tuple[list[bytes], bytes, bytes]:
        parts = stream(dependencies, Choice([("team", "a")], None, None, frozenset()), None)
        begun = [await anext(parts), await anext(parts)]
        await asyncio.to_thread(submit, store)
        while (later := await anext(parts)) == KEEPALIVE_COMMENT:
            pass
        await asyncio.to_thread(submit, store, labels={"team": "a"})
        while (last := await anext(parts)) == KEEPALIVE_COMMENT:
            pass
        return begun, later, last

    begun, later, last = asyncio.run(scenario())
    assert begun == [position(1), KEEPALIVE_COMMENT]
    assert later == position(2)
    assert b"id: 3\n" in last
    assert b"event: state\n" in last
