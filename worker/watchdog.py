"""A worker that is up and hears nothing: the fault of brokers' clients that is reported most often, and seen least."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(eq=False)
class Watchdog:
    """Tells when rings have waited for `patience` seconds, at a worker with nothing to do, and it received none."""

    patience: float = 60.0
    attention: float = 15.0
    """Who was not asked for so long, because the database or the machine slept, knows nothing of the time between."""
    clock: Callable[[], float] = time.monotonic
    _fine_at: float | None = field(default=None)
    _asked_at: float = field(default=0.0)

    def heard(self) -> None:
        """Note that a message was received."""
        self._fine_at = self.clock()

    def is_deaf(self, *, rings_waiting: int | None, idle: bool) -> bool:
        """Whether the worker had better be started anew; `rings_waiting` is None while the broker does not answer."""
        now = self.clock()
        is_new = self._fine_at is None or now - self._asked_at > self.attention
        self._asked_at = now
        if self._fine_at is None or is_new or not rings_waiting or not idle:
            self._fine_at = now
        return now - self._fine_at > self.patience
