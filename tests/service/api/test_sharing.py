"""What takes long is computed once for all who ask while it waits, never from before they asked, nor when they left."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.types import Message

from service.api.sharing import Shared
from service.errors import NotFound


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, timeout=30))


def test_twenty_who_ask_at_once_are_answered_by_two_computations() -> None:
    begun, let = threading.Event(), threading.Event()
    calls: list[int] = []

    def compute(_: int) -> bytes:
        calls.append(len(calls))
        begun.set()
        assert let.wait(30)
        return b"%d" % calls[-1]

    async def test() -> None:
        shared: Shared[bytes] = Shared("test")
        first = asyncio.ensure_future(shared.answer("sweep", compute))
        assert await asyncio.to_thread(begun.wait, 30)
        others = [asyncio.ensure_future(shared.answer("sweep", compute)) for _ in range(19)]
        different = asyncio.ensure_future(shared.answer("another", lambda _: b"different"))
        await asyncio.sleep(0)
        others.pop().cancel()
        let.set()
        assert await first == b"0"
        assert set(await asyncio.gather(*others)) == {b"1"}
        assert await different == b"different"
        assert calls == [0, 1]

    run(test())


def test_an_error_is_told_to_all_who_share_it_and_to_nobody_later() -> None:
    def fail(_: int) -> bytes:
        raise NotFound("gone")

    async def test() -> None:
        shared: Shared[bytes] = Shared("test")
        for error in await asyncio.gather(*(shared.answer(1, fail) for _ in range(3)), return_exceptions=True):
            assert isinstance(error, NotFound)
        assert await shared.answer(1, lambda _: b"here") == b"here"
        with pytest.raises(NotFound):
            await shared.answer(1, fail)

    run(test())


def test_those_who_want_more_or_less_of_it_share_the_most() -> None:
    begun, let = threading.Event(), threading.Event()

    def first(_: int) -> int:
        begun.set()
        assert let.wait(30)
        return -1

    async def test() -> None:
        shared: Shared[int] = Shared("test")
        running = asyncio.ensure_future(shared.answer("running", first))
        assert await asyncio.to_thread(begun.wait, 30)
        others = [asyncio.ensure_future(shared.answer("sweep", lambda most: most, most=n)) for n in (3, 60, 5)]
        await asyncio.sleep(0)
        let.set()
        assert await asyncio.gather(running, *others) == [-1, 60, 60, 60]

    run(test())


def test_what_nobody_waits_for_any_more_is_not_begun() -> None:
    begun, let = threading.Event(), threading.Event()
    calls: list[str] = []

    def first(_: int) -> bytes:
        begun.set()
        assert let.wait(30)
        return b""

    def compute(name: str) -> Callable[[int], bytes]:
        def called(_: int) -> bytes:
            calls.append(name)
            return b""

        return called

    async def test() -> None:
        shared: Shared[bytes] = Shared("test")
        running = asyncio.ensure_future(shared.answer("running", first))
        assert await asyncio.to_thread(begun.wait, 30)
        leave = asyncio.Event()

        async def receive() -> Message:
            await leave.wait()
            return {"type": "http.disconnect"}

        leaving = Request({"type": "http"}, receive)
        left = [asyncio.ensure_future(shared.answer(name, compute(name), request=leaving)) for name in ("a", "b", "b")]
        stays = asyncio.ensure_future(shared.answer("b", compute("b")))
        await asyncio.sleep(0)
        leave.set()
        for one in await asyncio.gather(*left, return_exceptions=True):
            assert isinstance(one, ClientDisconnect)
        again = asyncio.ensure_future(shared.answer("a", compute("a again")))
        await asyncio.sleep(0)
        let.set()
        await asyncio.gather(running, stays, again)
        assert calls == ["b", "a again"]

    run(test())
