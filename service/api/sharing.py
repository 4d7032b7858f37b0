"""Answers that take long to compute: one at a time, and those who ask for the same meanwhile share the next.

Nobody is given what was computed from before the question, and nothing is computed for those who have left.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from threading import Lock
from typing import Any, Generic, TypeVar

from fastapi import Request
from starlette.requests import ClientDisconnect

from service.edge.links import OWNER, ROOT
from service.processes.memory import give_back_soon

T = TypeVar("T")


class _Question(Generic[T]):
    """What is asked by one or several, and not begun yet."""

    answer: asyncio.Future[T]

    def __init__(self) -> None:
        self.asking = 0
        self.most = 0


class Shared(Generic[T]):
    """Computes in a thread of its own."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, name)
        self._not_begun: dict[object, _Question[T]] = {}
        self._joining = Lock()
        """Held for a moment by who joins a question, and by the thread as it begins with one."""

    async def answer(
        self, question: object, compute: Callable[[int], T], *, most: int = 0, request: Request | None = None
    ) -> T:
        """Give what `compute` gives, called by this question or an equal one that waits for the thread as well.

        Args:
            question: what is asked, but for how much of it.
            compute: is given the most that any of those wants who share the answer.
            most: that is wanted of the answer.
            request: if its client leaves, it waits no more; raises ClientDisconnect then.
        """
        question = ROOT.get(), OWNER.get(), question  # what is told holds links
        with self._joining:
            asked = self._not_begun.get(question) or self._ask(question, compute)
            asked.most = max(asked.most, most)
            asked.asking += 1
        gone = None if request is None else asyncio.ensure_future(_left(request))
        ends: list[asyncio.Future[Any]] = [asked.answer] if gone is None else [asked.answer, gone]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if not asked.answer.done():
                raise ClientDisconnect
            return asked.answer.result()
        finally:
            if gone is not None:
                gone.cancel()
            asked.asking -= 1
            with self._joining:
                if not asked.asking and self._not_begun.get(question) is asked:
                    del self._not_begun[question]
                    asked.answer.cancel()

    def _ask(self, question: object, compute: Callable[[int], T]) -> _Question[T]:
        asked = self._not_begun[question] = _Question()

        def begin() -> T:
            with self._joining:
                if self._not_begun.get(question) is asked:
                    del self._not_begun[question]
            return compute(asked.most)

        asked.answer = asyncio.wrap_future(self._thread.submit(copy_context().run, begin))
        asked.answer.add_done_callback(_ended)
        return asked


def _ended(answer: asyncio.Future[T]) -> None:
    if not answer.cancelled():
        answer.exception()  # it is told to those who are still there
        give_back_soon()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
