"""Requests a second: a bucket for each account and scope, which fills as time goes by, and of which each takes one."""

import math
import time
from collections.abc import Callable
from typing import NamedTuple


class Left(NamedTuple):
    """What is left of a rate after a request: how many more at once, and in how many seconds the next, if none."""

    name: str
    rate: float
    requests: int
    seconds: float

    @property
    def is_spent(self) -> bool:
        """Whether the request was one too many."""
        return self.seconds > 0

    @property
    def headers(self) -> dict[str, str]:
        """Tell it: https://www.ietf.org/archive/id/draft-ietf-httpapi-ratelimit-headers-10.html."""
        window = 1 if self.rate >= 1 else math.ceil(1 / self.rate)
        return {
            "RateLimit-Policy": f'"{self.name}";q={max(1, math.floor(self.rate * window))};w={window}',
            "RateLimit": f'"{self.name}";r={self.requests};t={math.ceil(self.seconds)}',
        }


class Rates:
    """The buckets of one process, of which several share what an account may; each holds a second's worth, or one."""

    def __init__(self, processes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._processes, self._clock = processes, clock
        self._buckets: dict[tuple[str, str], tuple[float, float]] = {}

    def take(self, account: str, name: str, rate: float) -> Left:
        """Take a request, if there is one left."""
        own = rate / self._processes
        most, now = max(1.0, own), self._clock()
        content, filled = self._buckets.get((account, name), (most, now))
        content = min(most, content + (now - filled) * own)
        wait = 0.0 if content >= 1 else (1 - content) / own
        content -= 1 if content >= 1 else 0
        self._buckets[account, name] = content, now
        return Left(name, rate, math.floor(content), wait)
