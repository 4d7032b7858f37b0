"""Whether a core is free beside those that this process trains on, by what the machine has done of late."""

import time
from collections.abc import Callable
from typing import NamedTuple

from service import cores

_SHORTEST_SECONDS = 0.1
"""Idle time is counted in ticks of a hundredth of a second: what is shorter tells nothing."""

_ENOUGH = 0.4
"""Of a core: an evaluation takes a quarter to a third of the time that its epoch takes."""


class Spent(NamedTuple):
    """Seconds since some moment: that passed, that no core was used, and that this process used."""

    wall: float
    unused: float
    own: float


def spent() -> Spent | None:
    """Give what has been spent until now; None where nobody knows."""
    unused = cores.unused()
    return None if unused is None else Spent(time.monotonic(), unused, time.process_time())


class FreeCore:
    """Tells, when it is called, whether there was as much to spare as an evaluation beside the training takes.

    What this process itself did beside its training counts as free: it may go on with that. Where nobody knows how busy
    the cores are, it is enough that there are twice as many as the training takes.
    """

    def __init__(
        self, threads: int, *, available: int | None = None, count: Callable[[], Spent | None] = spent
    ) -> None:
        self._threads, self._count = threads, count
        self._is_enough = (available or cores.available()) >= 2 * threads
        self._was_free = False
        self._before = count()

    def __call__(self) -> bool:
        """Whether a core has been free since this was told last."""
        if not self._is_enough:
            return False
        now, before = self._count(), self._before
        if now is None or before is None:
            return True
        wall = now.wall - before.wall
        if wall >= _SHORTEST_SECONDS:
            beside = max(0.0, now.own - before.own - self._threads * wall)
            self._was_free = now.unused - before.unused + beside >= _ENOUGH * self._threads * wall
            self._before = now
        return self._was_free
