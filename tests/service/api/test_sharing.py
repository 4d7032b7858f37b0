"""What takes long is computed once for all who ask while it waits, and never from before they asked."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

import pytest

from service.api.sharing import Shared
from service.errors import NotFound


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, timeout=30))


def test_twenty_who_ask_at_once_are_answered_by_two_computations() -> None:
    begun, let = threading.Event(), threading.Event()
    calls: list[int] = []

    def compute() -> bytes:
        calls.append(len(calls))
        begun.set()
        assert let.wait(30)
        return b"%d" % calls[-1]

    async def test() -> None:
        shared = Shared("test")
        first = asyncio.ensure_future(shared.answer("sweep", compute))
        assert await asyncio.to_thread(begun.wait, 30)
        others = [asyncio.ensure_future(shared.answer("sweep", compute)) for _ in range(19)]
        different = asyncio.ensure_future(shared.answer("another", lambda: b"different"))
        await asyncio.sleep(0)
        others.pop().cancel()
        let.set()
        assert await first == b"0"
        assert set(await asyncio.gather(*others)) == {b"1"}
        assert await different == b"different"
        assert calls == [0, 1]

    run(test())


def test_an_error_is_told_to_all_who_share_it_and_to_nobody_later() -> None:
    def fail() -> bytes:
        raise NotFound("gone")

    async def test() -> None:
        shared = Shared("test")
        for error in await asyncio.gather(*(shared.answer(1, fail) for _ in range(3)), return_exceptions=True):
            assert isinstance(error, NotFound)
        assert await shared.answer(1, lambda: b"here") == b"here"
        with pytest.raises(NotFound):
            await shared.answer(1, fail)

    run(test())
