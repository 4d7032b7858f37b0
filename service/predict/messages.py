"""What comes of a request as plain ASGI: the pieces of its body, or that its client has left."""

from collections.abc import Awaitable, Callable
from typing import Any

Receive = Callable[[], Awaitable[Any]]


class ClientLeft(Exception):  # noqa: N818 - nobody is to blame
    """Whoever sent the request does not wait for the answer any more."""


def piece_of(message: Any) -> bytes:
    """Give the piece of a body that a message brings; raises ClientLeft."""
    if message["type"] == "http.disconnect":
        raise ClientLeft
    piece: bytes = message.get("body", b"")
    return piece
