"""A long body of raw bytes while it comes: what is there of it can be computed before the rest is."""

import asyncio
from collections.abc import Callable
from typing import Any

from service.errors import TOO_LARGE, TooLarge
from service.predict.messages import ClientLeft, Receive, piece_of


class Arriving:
    """A body whose length was told; `room` is memory for all of it, of which what has come is filled in.

    It is read by whoever waits for some of it, and by nobody else meanwhile.
    """

    def __init__(self, begun: bytearray, length: int, receive: Receive, hold: Callable[[int], None]) -> None:
        # Growing by and by would cost more than all else here. Not by numpy, which asks for huge pages: those are taken
        # two megabytes at a time, whatever has come, and waited for where memory is in pieces.
        self.room, self._end = memoryview(bytearray(length)), len(begun)
        self.room[: self._end] = begun
        self._receive, self._hold = receive, hold
        self._has_failed = False

    async def until(self, size: int) -> None:
        """Wait until so many of the first bytes are there; raises TooLarge, ClientLeft, and what holding more does.

        Once it has raised, no more is read, and it raises ClientLeft.
        """
        # The error itself is not kept: by its traceback it would keep the memory until somebody looks for circles.
        if self._has_failed:
            raise ClientLeft
        try:
            while self._end < min(size, len(self.room)):
                await self._read()
        except Exception:
            self._has_failed = True
            raise

    async def whole(self) -> memoryview:
        """Wait for all of it; raises as `until` does."""
        await self.until(len(self.room))
        return self.room

    async def leaving(self) -> Any:
        """Wait for what comes behind the body, as long as that is still coming, for ever: see `until`."""
        if self._end < len(self.room):
            await asyncio.Event().wait()
        return await self._receive()

    async def _read(self) -> None:
        message = await self._receive()
        piece = piece_of(message)
        start, self._end = self._end, self._end + len(piece)
        if self._end > len(self.room):
            raise TooLarge(TOO_LARGE)
        self.room[start : self._end] = piece
        self._hold(len(piece))
        if not message.get("more_body") and self._end < len(self.room):
            raise ClientLeft
