"""Pieces of bytes, made one after the other, as a stream that is read."""

import io
from collections.abc import Iterator
from typing import Any, BinaryIO


class Stream(io.RawIOBase):
    """A stream of pieces; what they are made from is closed with it."""

    def __init__(self, pieces: Iterator[bytes], source: BinaryIO) -> None:
        self._pieces, self._source, self._rest = pieces, source, memoryview(b"")

    def readable(self) -> bool:
        """Whether it can be read: it can."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer, or some of it; gives how many bytes there were, and 0 at the end."""
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def close(self) -> None:
        """Close it, and what it is made from."""
        self._source.close()
        super().close()
