"""How long a connection may keep us waiting: for a head, for a body, and for its client to read what was sent.

One look a second at all connections of a process: timers of their own would cost each request more than that.
"""

import asyncio
from collections.abc import Collection
from typing import Protocol, cast
from weakref import WeakKeyDictionary

from uvicorn.server import ServerState

HEAD_SECONDS = 10
"""From the first byte of a head, or from the connection's beginning, to the head's end."""

CROWDED_HEAD_SECONDS = 1
"""The same where there are as many connections as there may be."""

BODY_BYTES_A_SECOND = 1024
"""At which a body comes at least; one that has fallen behind by BODY_GRACE_SECONDS of that is cut."""

BODY_GRACE_SECONDS = 10

CROWDED_BODY_GRACE_SECONDS = 2

READ_SECONDS = 60
"""For which a client may read nothing of what waits for it."""


class Connection(Protocol):
    """A connection that is looked at every second."""

    def look(self) -> None:
        """Close it if it has kept us waiting for too long."""


class Patience:
    """What has been spent of it for one connection; each method spends a second, and gives whether none is left."""

    def __init__(self) -> None:
        self._head_seconds = 0
        self._owed = 0  # bytes that are missing of a body
        self._body_bytes = 0
        self._unread_bytes = 0
        self._unread_seconds = 0
        self._heads = 0

    def wait_for_head(self, heads: int, is_crowded: bool = False) -> bool:
        """Wait for the rest of a head; `heads` have been complete so far. Where others wait too, for less long."""
        self._begin_anew(heads)
        self._head_seconds += 1
        return self._head_seconds > (CROWDED_HEAD_SECONDS if is_crowded else HEAD_SECONDS)

    def wait_for_body(self, heads: int, body_bytes: int, is_crowded: bool = False) -> bool:
        """Wait for the rest of a body; `body_bytes` are those of all bodies that have come by now."""
        if self._begin_anew(heads):
            self._body_bytes = body_bytes
        came, self._body_bytes = body_bytes - self._body_bytes, body_bytes
        self._owed = max(0, self._owed + BODY_BYTES_A_SECOND - came)
        grace = CROWDED_BODY_GRACE_SECONDS if is_crowded else BODY_GRACE_SECONDS
        return self._owed > grace * BODY_BYTES_A_SECOND

    def _begin_anew(self, heads: int) -> bool:
        """Forget what was spent on requests that are past; gives whether there were any since the last look."""
        if heads == self._heads:
            return False
        self._heads, self._head_seconds, self._owed = heads, 0, 0
        return True

    def wait_for_reader(self, unread_bytes: int) -> bool:
        """Wait for a client to read; `unread_bytes` are those that wait for it now."""
        is_stuck = unread_bytes >= self._unread_bytes > 0
        self._unread_seconds = self._unread_seconds + 1 if is_stuck else 0
        self._unread_bytes = unread_bytes
        return self._unread_seconds >= READ_SECONDS

    def has_read(self) -> None:
        """Take note that a client has read, however much waits for it again by now."""
        self._unread_seconds = 0


class _Watch:
    def __init__(self, connections: Collection[Connection]) -> None:
        self._connections = connections
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(1, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._connections:
            self.start()
        loop = asyncio.get_running_loop()
        for connection in self._connections:
            loop.call_soon(connection.look)  # by itself: whatever goes wrong with one, all others are looked at


_watches: WeakKeyDictionary[ServerState, _Watch] = WeakKeyDictionary()


def watch(state: ServerState) -> None:
    """Look at the connections of a server every second from now on, as long as there are any."""
    if (known := _watches.get(state)) is None:
        known = _watches[state] = _Watch(cast("Collection[Connection]", state.connections))
    known.start()
