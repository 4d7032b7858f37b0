"""Bodies of requests as plain ASGI: read whole, of bounded length, and few long ones at a time."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from service.errors import TOO_LARGE, NotYet, TooLarge

MAX_BODY_BYTES = 64 * 2**20
MAX_BINARY_BYTES = 8 * 2**20  # of raw bytes or one PNG

MAX_HELD_BYTES = 2 * MAX_BODY_BYTES
"""Bytes of long bodies that one process holds at a time; whoever comes then is told to come again."""

Receive = Callable[[], Awaitable[Any]]

_DIGITS = 10  # of a length; int refuses thousands of them, and who reads counts anyway


class ClientLeft(Exception):  # noqa: N818 - nobody is to blame
    """Whoever sent the request does not wait for the answer any more."""


class Bodies:
    """Reads the bodies of one process's requests; what is held of long ones counts until they are answered."""

    def __init__(self) -> None:
        self._held = 0

    async def take(self, headers: Mapping[bytes, bytes], receive: Receive) -> tuple[bytes, int]:
        """Give a whole body, and how many bytes of it count as held until they are given back.

        Raises TooLarge, NotYet when too much is held already, and ClientLeft.
        """
        message = await receive()
        body: bytes = message.get("body", b"")
        if message.get("more_body") or len(body) > MAX_BINARY_BYTES or message["type"] == "http.disconnect":
            body = await self._rest(message, headers, receive)
            return body, len(body)
        return body, 0

    def give_back(self, held: int) -> None:
        """Make room for other long bodies."""
        self._held -= held

    async def _rest(self, message: Any, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        """Read a body that comes in several pieces."""
        binary = headers.get(b"content-type", b"").startswith((b"application/octet-stream", b"image/png"))
        most, length = MAX_BINARY_BYTES if binary else MAX_BODY_BYTES, headers.get(b"content-length", b"")
        if length.isdigit() and len(length) <= _DIGITS and int(length) > most:
            raise TooLarge(TOO_LARGE)
        body = bytearray()
        try:
            while True:
                body += _piece(message)
                self._held += len(message.get("body", b""))
                self._check_room(body, most)
                if not message.get("more_body"):
                    return bytes(body)
                message = await receive()
        except BaseException:
            self._held -= len(body)
            raise

    def _check_room(self, body: bytearray, most: int) -> None:
        if len(body) > most:
            raise TooLarge(TOO_LARGE)
        if self._held > MAX_HELD_BYTES:
            raise NotYet("too many large bodies are being read already", retry_after=1)


def _piece(message: Any) -> bytes:
    if message["type"] == "http.disconnect":
        raise ClientLeft
    piece: bytes = message.get("body", b"")
    return piece
