"""HTTP/1.1 of one connection, stricter than uvicorn has it: bounded heads, one Host, no trailers, no upgrades.

What is refused here is told as everything else is: by a problem document, after which the connection is closed.
https://www.rfc-editor.org/rfc/rfc9112 (HTTP/1.1), https://www.rfc-editor.org/rfc/rfc9110 (what its parts mean)
"""

from typing import Any

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT

from service.edge.ending import EndingProtocol
from service.edge.flow import Flow
from service.edge.head import MAX_HEAD_BYTES, length_in, sound, too_long, without_upgrade
from service.edge.patience import BODY_BYTES_A_SECOND, HEAD_SECONDS, Patience, watch
from service.edge.refusal import Refusal

MAX_TRAILER_BYTES = 8 * 2**10
"""Of what comes in one piece after a head and is not body: trailers, extensions of chunks."""

SPARE = 32
"""Connections beyond the bound that may ask whether the process lives; more are not heard."""

_PIECE = 8 * 2**10
"""Bytes that are read at a time: they may be hundreds of requests, each of which takes a hundred times its length.

What is known to belong to one body is read at once, however much of it has come.
"""

_OTHER_VERSION = ("Invalid HTTP version", "Pause on PRI/Upgrade")


class EdgeProtocol(EndingProtocol):
    """HTTP/1.1 of one connection. Requests are answered in their order."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.patience = Patience()
        self.head_bytes = 0  # that have come of a head which is not complete
        self.heads = 0  # that were complete
        self.body_bytes = 0  # of all requests together
        self._has_ended = False  # whether a request did, among the bytes that came last
        self._head_at_most = 0  # that many bytes a head may have by now: it may have begun amid those that came last
        self._loose_bytes = 0  # that came with a body and are none
        self._bodies_before = 0  # what `body_bytes` was when the last head was complete
        self.url = b""
        self._rest = memoryview(b"")  # what has come behind requests that are waiting

    def connection_made(self, transport: Any) -> None:
        """Read no more from who has requests waiting behind the one that is being answered."""
        super().connection_made(transport)
        self.flow = Flow(transport, self.pipeline)
        if self._is_crowded:
            self._make_room()
            if self.limit_concurrency is not None and len(self.connections) > self.limit_concurrency + SPARE:
                transport.abort()
        watch(self.server_state)

    @property
    def _is_crowded(self) -> bool:
        return self.limit_concurrency is not None and len(self.connections) >= self.limit_concurrency

    def _make_room(self) -> None:
        """Close a connection that is idle: those that are not used shall not keep others out."""
        for other in list(self.connections):
            if other is not self and isinstance(other, EdgeProtocol) and other.is_idle:
                other.transport.close()
                self.connections.discard(other)
                return

    @property
    def is_idle(self) -> bool:
        """Whether this connection is between two requests."""
        return (
            self.cycle is not None
            and self.is_in_head
            and not (self.head_bytes or self._unanswered or self.is_refused)
            and not (self.transport.is_closing() or self.transport.get_write_buffer_size())
        )

    def on_response_complete(self) -> None:
        """Read on when the last of the requests that were waiting has its turn."""
        self._unanswered.popleft()
        super().on_response_complete()
        if not self.transport.is_closing():
            if self._rest:
                self._take_rest()
            self.flow.resume_reading()

    # From the socket

    def data_received(self, data: bytes) -> None:
        """Take what has come, no more of it than what makes requests wait."""
        if self.is_refused:
            return
        if len(data) <= _PIECE:
            self._take(data)
            return
        self._rest = memoryview(data)  # there is none: nothing is read while requests are waiting
        self._take_rest()

    def _take_rest(self) -> None:
        while self._rest and not (self.pipeline or self.is_refused):
            size = max(_PIECE, self._still_due())
            piece, self._rest = self._rest[:size], self._rest[size:]
            self._take(piece)

    def _still_due(self) -> int:
        """Give how many bytes are to come of a body whose length was told; 0 of a head, or of chunks."""
        if self.is_in_head:
            return 0
        lengths = (value for name, value in self.cycle.scope["headers"] if name == b"content-length")
        return (length_in(next(lengths, None)) or 0) - (self.body_bytes - self._bodies_before)

    def connection_lost(self, exc: Exception | None) -> None:
        """Keep nothing of what was not read."""
        self._rest = memoryview(b"")
        super().connection_lost(exc)

    def _take(self, data: bytes | memoryview) -> None:
        """Give bytes to the parser, unless they are more than there may be."""
        self._unset_keepalive_if_required()
        bodies, heads, was_in_head, self._has_ended = self.body_bytes, self.heads, self.is_in_head, False
        self._head_at_most = len(data) + (self._head_at_most if was_in_head else 0)
        self._feed(data)
        if self.is_refused:
            return
        if self.is_in_head:
            self._count_head(len(data))
        elif not was_in_head and (bodies, heads) == (self.body_bytes, self.heads):
            self._loose_bytes += len(data)
            if self._loose_bytes > MAX_TRAILER_BYTES:
                self.refuse(_too_loose())

    def _count_head(self, size: int) -> None:
        """Count what has come of a head that is not complete; `size` are the bytes that came last."""
        if not self._has_ended:
            self.head_bytes += size
        elif self.scope is not self.cycle.scope:  # another one has begun behind the end, nobody says where
            self.head_bytes, self._head_at_most = 1, size
        else:
            self.head_bytes = self._head_at_most = 0
            if not self._unanswered and not self.transport.is_closing():
                # It was answered before its body was here, and what came after that has ended the timer.
                self.timeout_keep_alive_task = self.loop.call_later(
                    self.timeout_keep_alive, self.timeout_keep_alive_handler
                )
        if self.head_bytes > MAX_HEAD_BYTES:
            self.refuse(too_long(self.url))

    def _feed(self, data: bytes | memoryview) -> None:
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                rest = data[upgrade.args[0] :]
            except httptools.HttpParserError as error:
                self.refuse(self._refusal(error))
                return
            else:
                return
            # The parser would take what follows for that protocol, and so for no part of this request: its body, and
            # later bytes, could be anything. One that has not seen the wish reads the request again.
            version = self.parser.get_http_version()
            data = without_upgrade(self.parser.get_method(), self.url, version, self.headers) + rest
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)

    def _refusal(self, error: httptools.HttpParserError) -> Refusal:
        cause = error.__context__
        if isinstance(cause, Refusal):
            return cause
        if isinstance(error, httptools.HttpParserCallbackError) and not isinstance(cause, httptools.HttpParserError):
            self.logger.error("A request could not be taken", exc_info=cause)
            return Refusal(500, "this request could not be taken; the log of the service says why")
        if str(error).startswith(_OTHER_VERSION):
            return Refusal(505, "this server speaks HTTP/1.1")
        return Refusal(400, f"this is no HTTP/1.1 request: {cause or error}")

    # From the parser

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; a trailer is none (RFC 9110, section 6.5.1)."""
        if not self.is_in_head:
            self._loose_bytes += len(name) + len(value)
            if self._loose_bytes > MAX_TRAILER_BYTES:
                raise _too_loose()
            if name.lower() == b"connection":  # which the parser heeds all the same: it may give nothing more
                self.cycle.keep_alive = False
            return
        # As uvicorn has it, whose method is not called: each of these calls is a hundredth of a prediction's time.
        name = name.lower()
        value = value.rstrip()  # the parser leaves blanks at its end: RFC 9110, section 5.5
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Begin with a request whose head is as it should be."""
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise Refusal(
                    405, "CONNECT is for proxies, and this is none", allow="GET, HEAD, POST, PUT, PATCH, DELETE"
                )
            return
        if self._head_at_most > MAX_HEAD_BYTES and (
            len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > MAX_HEAD_BYTES
        ):
            raise too_long(self.url)
        version = self.parser.get_http_version()
        self.url = sound(self.url, self.headers, version)
        if version == "1.0":
            self.expect_100_continue = False  # RFC 9110, section 10.1.1
        super().on_headers_complete()
        self.is_in_head = False
        self.head_bytes = self._loose_bytes = 0
        self.heads += 1
        self._bodies_before = self.body_bytes
        self._unanswered.append(self.cycle)

    def on_body(self, body: bytes) -> None:
        """Count what comes."""
        self.body_bytes += len(body)
        self._loose_bytes = 0
        cycle = self.cycle
        if not cycle.response_complete:
            if not cycle.body:  # as most are read while they come, and need not be copied then
                cycle.body = body  # type: ignore[assignment]
            else:
                if isinstance(cycle.body, bytes):
                    cycle.body = bytearray(cycle.body)
                cycle.body += body
            if len(cycle.body) > HIGH_WATER_LIMIT:
                self.flow.pause_reading()
            cycle.message_event.set()

    def on_message_complete(self) -> None:
        """Wait for the next request."""
        if self.is_in_head:
            return  # of who wishes another protocol, and is read again
        self.is_in_head = self._has_ended = True
        cycle = self.cycle
        if not cycle.response_complete:
            cycle.more_body = False
            cycle.message_event.set()

    # Refusals

    def look(self) -> None:
        """Close the connection if it has kept us waiting for too long; called every second."""
        is_closing = self.is_refused or self.transport.is_closing()
        unread = self.transport.get_write_buffer_size()
        if unread and (is_closing or self.flow.write_paused):
            if self.patience.wait_for_reader(unread):
                self.transport.abort()
        elif is_closing:
            if self._sends_no_more:
                self._ask_whether_there()
        elif self.flow.read_paused:
            return  # where it is we who do not read on, nobody is late
        elif not self.is_in_head:
            if self.cycle.waiting_for_100_continue:
                return  # as we have not said yet that we will
            if self.patience.wait_for_body(self.heads, self.body_bytes, is_crowded=self._is_crowded):
                self.refuse(Refusal(408, f"a body is to come at {BODY_BYTES_A_SECOND:,} bytes a second at least"))
        elif self.head_bytes or self.cycle is None:  # between two requests, uvicorn's keep-alive counts
            if not self.patience.wait_for_head(self.heads, is_crowded=self._is_crowded):
                return
            if self.head_bytes and self.scope is not (self.cycle and self.cycle.scope):
                self.refuse(Refusal(408, f"the head of a request is to be here within {HEAD_SECONDS} s"))
            else:
                self.transport.close()  # of blank lines, an answer could be taken for that to the next request

    def resume_writing(self) -> None:
        """Go on, as the client has read."""
        self.patience.has_read()
        super().resume_writing()


def _too_loose() -> Refusal:
    return Refusal(431, f"trailers, and extensions of chunks, have {MAX_TRAILER_BYTES:,} bytes at most")
