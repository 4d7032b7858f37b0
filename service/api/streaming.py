"""Long answers, made piece by piece while they are read: whoever does not read on costs a piece, and not the answer."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

from fastapi import Response
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from service.processes.memory import give_back_soon

HEAD = "tenfold.head"
"""In the scope of a request that is a HEAD, and is answered as the GET that it has been made."""

PIECE_BYTES = 256 * 2**10

_PIECES = ThreadPoolExecutor(1, "pieces")
"""Makes the pieces of all answers, each in its turn: with a thread for each, everything else would wait for them."""


class StreamedResponse(StreamingResponse):
    """Sends an answer in pieces. If a piece cannot be made, the connection is cut: half an answer is never whole."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; of a HEAD no more than what stands before the pieces."""
        if scope.get(HEAD):
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": b""})
        else:
            await super().__call__(scope, receive, send)


async def streamed(parts: Iterator[bytes], media_type: str) -> Response:
    """Give an answer of these parts, which a thread makes; what goes wrong with the first of them is raised here.

    One that is no longer than a piece is an answer like any other, of a length that is told.
    """
    first, is_whole = await _piece(parts)
    if is_whole:
        return Response(first, media_type=media_type)

    async def pieces() -> AsyncIterator[bytes]:
        piece, is_last = first, False
        try:
            while not is_last:
                yield piece
                piece, is_last = await _piece(parts)
            yield piece
        finally:
            give_back_soon()

    return StreamedResponse(pieces(), media_type=media_type)


async def _piece(parts: Iterator[bytes]) -> tuple[bytes, bool]:
    """Have a piece made; gives it, and whether it is the last."""

    def make() -> tuple[bytes, bool]:
        piece = bytearray()
        for part in parts:
            piece += part
            if len(piece) >= PIECE_BYTES:
                return bytes(piece), False
        return bytes(piece), True

    return await asyncio.get_running_loop().run_in_executor(_PIECES, copy_context().run, make)


def sliced(answer: bytes) -> Iterator[bytes]:
    """Give an answer that is there already in pieces."""
    for start in range(0, len(answer), PIECE_BYTES):
        yield answer[start : start + PIECE_BYTES]
