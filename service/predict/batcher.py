"""Many awaits in, one call out: what arrives while a batch is computed is the next batch."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.errors import NotYet, TooMuch

LARGEST = 512
"""Rows of one batch at most; who has more puts them one batch after the other."""

LARGEST_NUMBERS = LARGEST * 784
"""Numbers of one batch: of examples that are larger than MNIST's, it has fewer rows."""

MOST_WAITING = 8 * LARGEST
"""Rows that may wait at most, of larger examples as many batches; beyond them a caller is told when to come again."""

IN_LOOP_SECONDS = 0.001
"""A batch that takes longer is computed in a thread: numpy releases the interpreter in matrix products."""

Rows = NDArray[Any]


@dataclass(frozen=True)
class Pace:
    """How long a batch takes: so many seconds, and so many more for each row."""

    batch_seconds: float
    row_seconds: float

    @classmethod
    def of(cls, compute: Callable[[Rows], Rows], rows: Rows) -> "Pace":
        """Measure a batch of the first row alone and one of all rows, the best of three each."""
        alone, all_ = (min(_seconds(compute, some) for _ in range(3)) for some in (rows[:1], rows))
        row_seconds = max(0.0, (all_ - alone) / (len(rows) - 1))
        return cls(max(0.0, alone - row_seconds), row_seconds)

    def seconds(self, count: int) -> float:
        """Give how long a batch of so many rows takes."""
        return self.batch_seconds + count * self.row_seconds


def largest_of(inputs: int) -> int:
    """Give how many rows of so many numbers a batch has at most."""
    return max(1, min(LARGEST, LARGEST_NUMBERS // inputs))


def _seconds(compute: Callable[[Rows], Rows], rows: Rows) -> float:
    started = time.perf_counter()
    compute(rows)
    return time.perf_counter() - started


class Batcher:
    """Computes rows [n, ...] for many callers of one event loop, one batch at a time.

    A batch takes what has arrived since the one before it began. There is no timer: a caller who is alone waits for
    nobody, and a full batch for a thread, in which nobody else has room, not even for those who come in the same turn
    of the loop. `compute` gives a row for each row, and must not depend on the company a row is in, but for rounding.
    """

    def __init__(self, compute: Callable[[Rows], Rows], pace: Pace, largest: int = LARGEST) -> None:
        self._compute = compute
        self._pace = pace
        self.largest = largest
        self.most_waiting = MOST_WAITING // LARGEST * largest
        self._slowness = 1.0  # how much longer batches take than the pace says, lately
        self._queue: deque[tuple[Rows, asyncio.Future[Rows]]] = deque()
        self.waiting = 0  # rows in the queue
        self._running = 0  # rows of the batch that is being computed in a thread
        self._busy = False

    def put(
        self, rows: Rows, *, timeout: float | None = None, admitted: bool = False, at_once: bool = False
    ) -> asyncio.Future[Rows]:
        """Have rows computed with the next batch; a future that is done by then (cancelled, above all) is left out.

        Args:
            rows: at most `largest`.
            timeout: seconds after which the future fails with NotYet.
            admitted: whether they belong to a request that has been let in, so that they are not turned away.
            at_once: whether a thread that is free begins with them before this returns, as it does with a full batch.

        Raises:
            TooMuch: too many rows are waiting.
            NotYet: so many are waiting that these would not be ready in time.
        """
        count = len(rows)
        loop = asyncio.get_running_loop()
        if self.waiting + count > self.most_waiting and not admitted:
            raise TooMuch(f"{self.waiting:,} examples are waiting already", retry_after=self._wait())
        if timeout is not None and timeout < self._due(count):
            raise _late(timeout, self._wait())
        future: asyncio.Future[Rows] = loop.create_future()
        if timeout is not None:
            alarm = loop.call_later(timeout, self._expire, future, timeout)
            future.add_done_callback(lambda _: alarm.cancel())
        self._queue.append((rows, future))
        self.waiting += count
        if not self._busy:
            self._busy = True
            if (at_once or count == self.largest) and self.seconds(count) > IN_LOOP_SECONDS:
                self._next()
            else:
                loop.call_soon(self._next)
        return future

    def is_quick(self, count: int) -> bool:
        """Whether rows that are put now are computed at once, in the event loop."""
        return not self._running and self.seconds(self.waiting + count) <= IN_LOOP_SECONDS

    def seconds(self, count: int) -> float:
        """Give how long so many rows take, as far as has been measured."""
        return self._slowness * self._pace.seconds(count)

    def _due(self, count: int) -> float:
        """Give how long rows that are put now will take; where nothing is computed or waits, by the pace alone.

        Whoever is refused teaches nothing: after one long stall, nobody in a hurry would ever be answered again.
        """
        before = self.waiting + self._running
        return self.seconds(before + count) if before else self._pace.seconds(count)

    def _wait(self) -> int:
        return max(1, math.ceil(self.seconds(self.waiting + self._running)))

    def _expire(self, future: asyncio.Future[Rows], timeout: float) -> None:
        if not future.done():
            future.set_exception(_late(timeout, self._wait()))

    def _next(self) -> None:
        batch = self._take()
        if not batch:
            self._busy = False
            return
        rows = [rows for rows, _ in batch]
        count = sum(map(len, rows))
        if self.seconds(count) <= IN_LOOP_SECONDS:
            self._give(batch, self._results(rows))
            if self._queue:
                asyncio.get_running_loop().call_soon(self._next)
            else:
                self._busy = False
            return
        self._running = count
        computing = asyncio.get_running_loop().run_in_executor(None, self._results, rows)
        computing.add_done_callback(lambda done: self._end(batch, done))

    def _end(self, batch: Sequence[tuple[Rows, asyncio.Future[Rows]]], done: asyncio.Future[list[Any]]) -> None:
        self._running = 0
        if done.cancelled():  # the loop is being closed
            for _, future in batch:
                future.cancel()
            return
        self._give(batch, done.result())
        self._next()

    def _take(self) -> list[tuple[Rows, asyncio.Future[Rows]]]:
        batch: list[tuple[Rows, asyncio.Future[Rows]]] = []
        room = self.largest
        while self._queue and (not batch or len(self._queue[0][0]) <= room):
            rows, future = self._queue.popleft()
            self.waiting -= len(rows)
            if not future.done():
                batch.append((rows, future))
                room -= len(rows)
        return batch

    def _results(self, parts: Sequence[Rows]) -> list[Rows | Exception]:
        started = time.perf_counter()
        try:
            together = self._compute(parts[0] if len(parts) == 1 else np.concatenate(parts))
        except Exception as error:  # noqa: BLE001 - it is raised where the rows were put
            # Only whoever brought the error shall have it.
            return [error] if len(parts) == 1 else [self._results([part])[0] for part in parts]
        expected = self._pace.seconds(len(together))
        self._slowness += 0.05 * ((time.perf_counter() - started) / max(expected, 1e-9) - self._slowness)
        if len(parts) == 1:
            return [together]
        results: list[Rows | Exception] = []
        start = 0
        for part in parts:
            results.append(together[start : start + len(part)])
            start += len(part)
        return results

    @staticmethod
    def _give(batch: Sequence[tuple[Rows, asyncio.Future[Rows]]], results: Sequence[Rows | Exception]) -> None:
        for (_, future), result in zip(batch, results, strict=True):
            if future.done():
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)


def _late(timeout: float, retry_after: int) -> NotYet:
    within = f"{max(timeout, 0.0):g} s"
    return NotYet(f"the answer would not be ready within {within}; allow more time", retry_after=retry_after)
