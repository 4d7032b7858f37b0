"""Answers that take long end with the key that asked for them: open streams, and what is waited for.

A request is let in by its key as it begins, and what comes later is told to whoever still holds one that is good. One
task looks for all that is under way, by one query for all keys of it, and only where some of it takes long.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager, suppress

from service.predict.executors import LOOK_UP, apart
from service.store.engine import DatabaseError, cause

LOOK_EVERY_SECONDS = 0.3
_BRIEF_SECONDS = 0.1
"""What has been under way for less is not looked at: most is answered by then."""

_logger = logging.getLogger(__name__)


class Watch:
    """Ends what is under way by a key that is good no more; `good` gives those of some keys that are."""

    def __init__(self, good: Callable[[Sequence[str]], Set[str]]) -> None:
        self._good = good
        self._under_way: dict[str, dict[asyncio.Timeout, float]] = {}
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def over(self, key_id: str, answer: asyncio.Timeout) -> Iterator[None]:
        """Let what is done within it expire as soon as the key is good no more; to be called in the event loop."""
        its = self._under_way.setdefault(key_id, {})
        its[answer] = time.monotonic()
        if self._task is None:
            self._task = asyncio.create_task(self._look())
        try:
            yield
        finally:
            del its[answer]
            if not its:
                self._under_way.pop(key_id, None)

    def close(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()

    async def _look(self) -> None:
        try:
            while self._under_way:
                await asyncio.sleep(LOOK_EVERY_SECONDS)
                long_ago = time.monotonic() - _BRIEF_SECONDS
                # Of each key the first is the one that has been under way longest.
                keys = [key for key, its in self._under_way.items() if next(iter(its.values())) < long_ago]
                if keys:
                    await self._end(keys)
        finally:
            self._task = None

    async def _end(self, keys: Sequence[str]) -> None:
        try:
            good = await apart(LOOK_UP, self._good, keys)
        except DatabaseError as error:  # nothing new is told meanwhile either: that stands in the same record
            _logger.warning("whether keys are still good could not be looked up: %s", cause(error))
            return
        now = asyncio.get_running_loop().time()
        for key in set(keys) - good:
            for answer in self._under_way.get(key, ()):
                with suppress(RuntimeError):  # it has ended by now
                    answer.reschedule(now)
