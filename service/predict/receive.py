"""Bodies of requests as plain ASGI: read whole, of bounded length, and few long ones at a time."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from models.data.reading.pictures.outcome import MOST_BYTES
from service.edge.head import length_in
from service.errors import TOO_LARGE, NotYet, TooLarge, UnsupportedMedia
from service.predict.arriving import Arriving
from service.predict.messages import Receive, piece_of
from service.processes.memory import give_back_soon
from service.security import Header

MAX_BODY_BYTES = 64 * 2**20
MAX_BINARY_BYTES = 8 * 2**20  # of raw bytes or CSV
RAW = b"application/octet-stream"
_SHORTER = (RAW, b"text/csv", b"application/csv")

MAX_HELD_BYTES = 2 * MAX_BODY_BYTES
"""Bytes of long bodies that one process holds at a time; whoever comes then is told to come again.

Of one client they are a quarter, beside its first body if that alone is longer. A client that has such a body keeps
within three quarters of all, so that those who keep within theirs find room.
"""

_EARNEST = 2**20
"""Bytes of a body that have come before memory is taken for all of it: who announces much may send nothing."""

LONG = 64 * 2**10
"""Bytes beyond which a body counts as long, whether or not it comes in one piece; one in a coding always does."""


class Held:
    """What is held of one long body."""

    def __init__(self, client: str) -> None:
        self.client = client
        self.bytes = 0


class Bodies:
    """Reads the bodies of one process's requests; what is held of long ones counts until they are answered."""

    def __init__(self) -> None:
        self.held = 0
        self._clients: dict[str, list[Held]] = {}  # each with its bodies, the first first

    async def take(self, scope: Any, headers: Mapping[bytes, bytes], receive: Receive) -> tuple[bytes, Held | None]:
        """Give a whole body, and what counts as held of it until that is given back.

        Raises TooLarge, NotYet when too much is held already, and ClientLeft.
        """
        body, held = await self.begin(scope, headers, receive)
        if not isinstance(body, Arriving):
            return body, held
        try:
            return bytes(await body.whole()), held
        except BaseException:
            self.give_back(held)
            raise

    async def begin(
        self, scope: Any, headers: Mapping[bytes, bytes], receive: Receive
    ) -> tuple[bytes | Arriving, Held | None]:
        """Do as `take`; a long body of raw bytes is given while it comes."""
        if b"expect" in headers:
            _require_within(headers)  # to wait for a body is to say that it may come
        message = await receive()
        body: bytes = message.get("body", b"")
        is_short = len(body) <= LONG and b"content-encoding" not in headers
        if not message.get("more_body") and is_short and message["type"] != "http.disconnect":
            return body, None
        held = Held(client_of(scope))
        self._clients.setdefault(held.client, []).append(held)
        try:
            return await self._whole(message, headers, receive, held), held
        except BaseException:
            self.give_back(held)
            raise

    def hold(self, held: Held, more: int) -> None:
        """Count more bytes as held of a body; raises NotYet when that is too much."""
        held.bytes += more
        self.held += more
        its = self._clients[held.client]
        first, quarter = its[0], MAX_HELD_BYTES // 4
        total = sum(one.bytes for one in its)
        if total <= quarter:
            is_full = self.held > MAX_HELD_BYTES
        else:
            beside = total - first.bytes if first.bytes > quarter else total
            is_full = (held is not first and beside > quarter) or self.held > MAX_HELD_BYTES * 3 // 4
        if is_full:
            raise NotYet("too many large bodies are being read already", retry_after=1)

    def give_back(self, held: Held | None) -> None:
        """Make room for other long bodies."""
        if held is not None:
            self.held -= held.bytes
            self._clients[held.client].remove(held)
            if not self._clients[held.client]:
                del self._clients[held.client]
            give_back_soon()

    async def _whole(
        self, message: Any, headers: Mapping[bytes, bytes], receive: Receive, held: Held
    ) -> bytes | Arriving:
        """Read a body that is long, or comes in several pieces."""
        kind, length = headers.get(b"content-type", b""), length_in(headers.get(b"content-length"))
        most = _require_within(headers)
        body = bytearray()
        while True:
            piece = piece_of(message)
            body += piece
            if len(body) > most:
                raise TooLarge(TOO_LARGE)
            self.hold(held, len(piece))
            if not message.get("more_body"):
                return bytes(body)
            if length and kind.startswith(RAW) and _EARNEST <= len(body) < length:
                return Arriving(body, length, receive, partial(self.hold, held))
            message = await receive()


def _require_within(headers: Mapping[bytes, bytes]) -> int:
    """Give how many bytes a body may have; raises TooLarge where more are announced."""
    most = _most(headers.get(b"content-type", b""))
    if (length_in(headers.get(b"content-length")) or 0) > most:
        raise TooLarge(TOO_LARGE)
    return most


def _most(kind: bytes) -> int:
    """Give how many bytes a body of a media type may have."""
    if kind.startswith(_SHORTER):
        return MAX_BINARY_BYTES
    return MOST_BYTES if kind[:6].lower() == b"image/" else MAX_BODY_BYTES


def client_of(scope: Any) -> str:
    """Give the address that a request came from; all whose address is not known are one client."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def codings_of(headers: Iterable[Header]) -> list[bytes]:
    """Give the codings of a body: those of all lines of Content-Encoding that change something (RFC 9110, 8.4)."""
    lines = b",".join(value for name, value in headers if name == b"content-encoding")
    return [coding for each in lines.split(b",") if (coding := each.strip().lower()) not in (b"", b"identity")]


def require_plain(headers: Iterable[Header]) -> None:
    """Refuse a body in a coding; raises UnsupportedMedia."""
    if codings_of(headers):
        raise UnsupportedMedia("send the body without Content-Encoding; here it is read as it comes")
