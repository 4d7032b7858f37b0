"""What happens, as it happens, to all who follow it in this process: one thread looks at the record for all of them.

It looks as long as anybody follows. What is new goes to those whom it concerns, and wakes them; nobody else is woken,
and nobody asks the record again. Whoever reads too slowly is told that some was left out, and finds it in the record.
"""

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from service.api.following.happening import Happening, Subject
from service.store.engine import DatabaseError, cause
from service.store.events import AT_A_TIME, Events, Told

LOOK_EVERY_SECONDS = 0.025
"""How long an event is unseen at most, where the record answers at once."""

_AGAIN_AFTER_SECONDS = 1.0
"""When the record could not be read."""

_KEPT = 1000
"""Events that wait for one who follows; of more none is kept."""

_logger = logging.getLogger(__name__)


class Following:
    """One who follows: what has come for it since it began, or since it was last told that some was left out."""

    def __init__(self, wants: Callable[[Happening], bool]) -> None:
        self._wants = wants
        self._came: deque[Happening] = deque()
        self._woken = asyncio.Event()
        self.has_missed = False
        self.seen = 0
        """The number of the last event that was told of, wanted or not."""

    def tell(self, happening: Happening) -> None:
        """Let one who follows know, if it wants this."""
        self.seen = happening.number
        if not self._wants(happening):
            return
        if len(self._came) == _KEPT:
            self._came.clear()
            self.has_missed = True
        if not self.has_missed:
            self._came.append(happening)
        self._woken.set()

    def take(self) -> Sequence[Happening]:
        """Give what has come, in order; nothing once some was left out, before that is asked for in the record."""
        came = list(self._came)
        self._came.clear()
        self._woken.clear()
        return came

    async def wait(self, seconds: float) -> bool:
        """Wait until something has come; gives whether it has, in so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        return self._woken.is_set()


class Feed:
    """Who follows what in a process, and the thread that looks for them."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._following: defaultdict[Subject, set[Following]] = defaultdict(set)
        self._asked: SimpleQueue[asyncio.Future[int] | None] = SimpleQueue()
        self._thread: Thread | None = None

    @contextmanager
    def follow(self, subject: Subject, wants: Callable[[Happening], bool] = bool) -> Iterator[Following]:
        """Follow something from now on, or what is wanted of it; to be called in the event loop."""
        following = Following(wants)
        self._following[subject].add(following)
        try:
            yield following
        finally:
            self._following[subject].discard(following)
            if not self._following[subject]:
                del self._following[subject]

    async def position(self) -> int:
        """Look, and give the number of the last event: all up to it is in the record, now and for good.

        Whoever follows by now is told of all that comes after it. Raises DatabaseError.
        """
        assert self._following, "the thread looks on for those who follow"
        asked: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._asked.put(asked)
        if self._thread is None:
            self._thread = Thread(target=self._look, args=(asked.get_loop(),), name="feed", daemon=True)
            self._thread.start()
        return await asked

    def close(self) -> None:
        """Look no more; called outside of the event loop."""
        if self._thread is not None:
            self._asked.put(None)
            self._thread.join()
            self._thread = None

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        settled = self._events.settled()
        asking: list[asyncio.Future[int]] = []
        pause: float | None = None
        while True:
            with suppress(Empty):
                asked = self._asked.get(timeout=pause)
                if asked is None:
                    break
                asking.append(asked)
            try:
                rows = settled.look()
            except Exception as error:  # whatever it is, those who follow are not left alone
                if asking or pause != _AGAIN_AFTER_SECONDS:
                    foreseen = isinstance(error, DatabaseError)
                    _logger.warning("events could not be read: %s", cause(error), exc_info=not foreseen)
                _in(loop, _fail, asking, error)
                asking, pause = [], _AGAIN_AFTER_SECONDS
                continue
            if settled.position is not None and (rows or asking):
                _in(loop, self._publish, rows, settled.position, asking)
                asking = []
            pause = 0 if len(rows) == AT_A_TIME else LOOK_EVERY_SECONDS
            if not self._following and not asking:
                settled.rest()
                pause = None  # until somebody asks
        settled.close()

    def _publish(self, told: Sequence[Told], position: int, asking: Sequence[asyncio.Future[int]]) -> None:
        for happening in map(Happening, told):
            for subject in happening.subjects:
                for following in self._following.get(subject, ()):
                    following.tell(happening)
        for asked in asking:
            if not asked.done():  # who asked may have left
                asked.set_result(position)


def _fail(asking: Sequence[asyncio.Future[int]], error: Exception) -> None:
    for asked in asking:
        if not asked.done():
            asked.set_exception(error)


def _in(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *given: Any) -> None:
    with suppress(RuntimeError):  # it has ended, and all who followed with it
        loop.call_soon_threadsafe(call, *given)
