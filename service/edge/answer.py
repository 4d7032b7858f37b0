"""What answers of the application need beyond what uvicorn does for them: to arrive, and to be understood by HTTP/1.0.

https://www.rfc-editor.org/rfc/rfc9112 (HTTP/1.1), sections 6.1 and 9.6
"""

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


class Parting(asyncio.Transport):
    """The transport of one answer, behind which the connection is closed only when no more can be coming.

    One that is closed while bytes are coming is reset, and its client may lose an answer that it has not read.
    """

    def __init__(self, transport: asyncio.Transport, end: Callable[[], None]) -> None:
        super().__init__()
        self._transport = transport
        self._end = end

    def write(self, data: Any) -> None:
        """Send bytes."""
        self._transport.write(data)

    def is_closing(self) -> bool:
        """Whether the connection is closed, or about to be."""
        return self._transport.is_closing()

    def close(self) -> None:
        """End the connection behind what was written."""
        self._end()


async def without_chunks(cycle: RequestResponseCycle, app: Any, scope: Any, receive: Any, send: Any) -> None:
    """Answer who knows no chunks, as HTTP/1.0 does not: where no length is told, the connection's end is the body's."""

    async def send_plainly(message: Any) -> None:
        cycle.chunked_encoding = False
        cycle.expected_content_length = len(message.get("body", b""))  # of this piece: uvicorn's count begins anew
        await send(message)

    await app(scope, receive, send_plainly)
