"""What answers of the application need beyond what uvicorn does for them: to arrive, to be understood, to be given.

https://www.rfc-editor.org/rfc/rfc9112 (HTTP/1.1), sections 6.1 and 9.6
"""

import asyncio
import struct
from collections.abc import Callable
from socket import SO_LINGER, SOL_SOCKET
from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from service.edge.refusal import stopping


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

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Give what is known of the connection."""
        return self._transport.get_extra_info(name, default)

    def leave(self) -> None:
        """Close the connection behind what was written, and wait for no more: the process is about to end."""
        self._transport.close()

    def abort(self) -> None:
        """End the connection at once."""
        self._transport.abort()


async def without_chunks(cycle: RequestResponseCycle, app: Any, scope: Any, receive: Any, send: Any) -> None:
    """Answer who knows no chunks, as HTTP/1.0 does not: where no length is told, the connection's end is the body's."""
    is_sized = False

    async def send_plainly(message: Any) -> None:
        nonlocal is_sized
        if message["type"] == "http.response.start":
            is_sized = any(name.lower() == b"content-length" for name, _ in message.get("headers", ()))
        cycle.chunked_encoding = False
        cycle.expected_content_length = len(message.get("body", b""))  # of this piece: uvicorn's count begins anew
        await send(message)

    try:
        await app(scope, receive, send_plainly)
    finally:
        if cycle.response_started and not (cycle.response_complete or is_sized):
            _reset(cycle.transport)  # so that nobody takes half an answer for all of it


def _reset(transport: asyncio.Transport) -> None:
    """End a connection so that its client learns that something went wrong."""
    socket = transport.get_extra_info("socket")
    if socket is not None:
        socket.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def until_stopped(
    cycle: RequestResponseCycle, parting: Parting, app: Any, scope: Any, receive: Any, send: Any
) -> None:
    """Answer, or say that the process stops where it does before that: uvicorn would write five kilobytes of log."""
    try:
        await app(scope, receive, send)
    except asyncio.CancelledError:
        if not (cycle.response_started or cycle.flow.write_paused):
            await stopping(scope, receive, send)
            parting.leave()
            return
        cycle.disconnected = True  # nothing more is to be sent
        if cycle.flow.write_paused:  # for a client that does not read, which nobody waits for any more
            cycle.transport.abort()
        else:
            parting.leave()
