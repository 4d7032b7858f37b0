"""Answers that take long to compute: one at a time, and those who ask for the same meanwhile share the next.

Nobody is given what was computed from before the question.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

from service.edge.links import ROOT
from service.processes.memory import give_back_soon


class Shared:
    """Computes in a thread of its own."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, name)
        self._not_begun: dict[object, asyncio.Future[bytes]] = {}

    async def answer(self, question: object, compute: Callable[[], bytes]) -> bytes:
        """Give what `compute` gives, called by this question or an equal one that waits for the thread as well."""
        question = ROOT.get(), question  # what is told holds links
        waiting = self._not_begun.get(question)
        if waiting is None:
            # A task begins later: by then it is where those who ask look for it.
            waiting = self._not_begun[question] = asyncio.ensure_future(self._computed(question, compute))
            waiting.add_done_callback(lambda done: done.cancelled() or done.exception())  # whoever is still there
        return await asyncio.shield(waiting)  # who leaves does not take it from the others

    async def _computed(self, question: object, compute: Callable[[], bytes]) -> bytes:
        def begin() -> bytes:
            self._not_begun.pop(question, None)
            return compute()

        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, copy_context().run, begin)
        finally:
            give_back_soon()
