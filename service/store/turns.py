"""Turns of a process at an SQLite file: one writes, who asked first, and while it commits nobody begins to read.

SQLite lets those who find the file taken sleep, longer each time, while others come and take it: some starve. Here the
threads of one process wait for each other instead, and are woken. Other processes, and who has waited in vain, are left
to SQLite, which alone decides. With a write-ahead log nobody who reads keeps others from committing.
"""

import time
from collections import deque
from collections.abc import Callable, MutableMapping
from threading import Condition, Lock, RLock
from typing import Any

PATIENCE_SECONDS = 30.0
"""As long as SQLite itself waits for a lock."""

_READS, _WRITES, _COMMITS = "reads", "writes", "commits"
_HELD = "turn"


class Turns:
    """The turns at one file. What a connection has is kept in its `info`, until it is given back."""

    def __init__(self) -> None:
        # A connection that nobody holds any more ends its turn wherever memory is collected, amid these lines too.
        self._lock = RLock()
        self._writing = False
        self._writers: deque[Lock] = deque()
        self._quiet = Condition()
        self._reading = 0
        self._committing = False

    def read(self, info: MutableMapping[Any, Any]) -> None:
        """Wait until nobody commits, and begin to read."""
        if _HELD in info:
            self.end(info)
        with self._quiet:
            _until(self._quiet, lambda: not self._committing)
            self._reading += 1
        info[_HELD] = _READS

    def write(self, info: MutableMapping[Any, Any]) -> None:
        """Wait for all who asked before, and begin to write."""
        if _HELD in info:
            self.end(info)
        with self._lock:
            if not self._writing:
                self._writing = True
                info[_HELD] = _WRITES
                return
            mine = Lock()
            mine.acquire()
            self._writers.append(mine)
        if mine.acquire(timeout=PATIENCE_SECONDS):
            info[_HELD] = _WRITES
            return
        with self._lock:
            if mine in self._writers:
                self._writers.remove(mine)
            else:  # it came to its turn just now
                info[_HELD] = _WRITES

    def commit(self, info: MutableMapping[Any, Any]) -> None:
        """Wait until nobody reads: SQLite would not let it commit before."""
        if info.get(_HELD) != _WRITES:
            return
        with self._quiet:
            self._committing = True
            info[_HELD] = _COMMITS
            _until(self._quiet, lambda: not self._reading)

    def end(self, info: MutableMapping[Any, Any]) -> None:
        """Give back what a connection has, if it has anything."""
        held = info.pop(_HELD, None)
        if held in {_READS, _COMMITS}:
            with self._quiet:
                if held == _READS:
                    self._reading -= 1
                else:
                    self._committing = False
                self._quiet.notify_all()
        if held in {_WRITES, _COMMITS}:
            with self._lock:
                if self._writers:
                    self._writers.popleft().release()
                else:
                    self._writing = False


def _until(condition: Condition, holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not holds() and (left := end - time.monotonic()) > 0:
        condition.wait(left)
