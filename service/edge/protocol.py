"""HTTP/1.1 of one connection, stricter than uvicorn has it: bounded heads, one Host, no trailers, no upgrades.

What is refused here is told as everything else is: by a problem document, after which the connection is closed.
https://www.rfc-editor.org/rfc/rfc9112 (HTTP/1.1), https://www.rfc-editor.org/rfc/rfc9110 (what its parts mean)
"""

import re
from collections import deque
from collections.abc import Sized
from functools import lru_cache
from typing import Any

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from service.edge.patience import BODY_BYTES_A_SECOND, HEAD_SECONDS, Patience, watch
from service.edge.refusal import Refusal, encode, overloaded

MAX_HEAD_BYTES = 64 * 2**10
"""Of a request line and headers together."""

MAX_TRAILER_BYTES = 8 * 2**10
"""Of what comes in one piece after a head and is not body: trailers, extensions of chunks."""

_LINGER_SECONDS = 2.0
"""For which a connection is read on after a refusal: closed at once, it would be reset, and the refusal be lost."""

_TOO_LOOSE = Refusal(431, f"trailers, and extensions of chunks, have {MAX_TRAILER_BYTES:,} bytes at most")
_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%-]+)(:\d{1,5})?")
_OTHER_VERSION = ("Invalid HTTP version", "Pause on PRI/Upgrade")


class _Flow(FlowControl):
    """Does not let more be read while requests are waiting: uvicorn would, with each answer, until memory is full."""

    def __init__(self, transport: Any, waiting: Sized) -> None:
        super().__init__(transport)
        self._waiting = waiting

    def resume_reading(self) -> None:
        if not self._waiting:
            super().resume_reading()


class EdgeProtocol(HttpToolsProtocol):
    """HTTP/1.1 of one connection. Requests are answered in their order."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.patience = Patience()
        self.is_in_head = True  # or between two requests
        self.head_bytes = 0  # that have come of a head which is not complete
        self.heads = 0  # that were complete
        self.body_bytes = 0  # of all requests together
        self._has_ended = False  # whether a request did, among the bytes that came last
        self._is_long = False  # whether the head may be too long
        self._loose_bytes = 0  # that came with a body and are none
        self._is_refused = False
        self.url = b""
        self._unanswered: deque[RequestResponseCycle] = deque()

    def connection_made(self, transport: Any) -> None:
        """Read no more from who has requests waiting behind the one that is being answered."""
        super().connection_made(transport)
        self.flow = _Flow(transport, self.pipeline)
        if self.limit_concurrency is not None and len(self.connections) >= self.limit_concurrency:
            self._make_room()
        watch(self.server_state)

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
        return self.cycle is not None and self.is_in_head and not self.head_bytes and not self._unanswered

    def on_response_complete(self) -> None:
        """Read on when the last of the requests that were waiting has its turn."""
        self._unanswered.popleft()
        super().on_response_complete()
        if not self.transport.is_closing():
            self.flow.resume_reading()

    # From the socket

    def data_received(self, data: bytes) -> None:
        """Give what has come to the parser, unless it is more than there may be."""
        if self._is_refused:
            return
        self._unset_keepalive_if_required()
        had, self._has_ended = self.body_bytes, False
        self._is_long = len(data) + self.head_bytes > MAX_HEAD_BYTES
        self._feed(data)
        if self.is_in_head:
            self.head_bytes = 0 if self._has_ended else self.head_bytes + len(data)
            if self.head_bytes > MAX_HEAD_BYTES:
                self.refuse(_too_long(self.url))
        elif self.body_bytes == had:
            self._loose_bytes += len(data)
            if self._loose_bytes > MAX_TRAILER_BYTES:
                self.refuse(_TOO_LOOSE)

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._go_on_as_http(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            if isinstance(error.__context__, Refusal):
                self.refuse(error.__context__)
            elif str(error).startswith(_OTHER_VERSION):
                self.refuse(Refusal(505, "this server speaks HTTP/1.1"))
            else:
                self.refuse(Refusal(400, f"this is no HTTP/1.1 request: {error}"))

    def _go_on_as_http(self, rest: bytes) -> None:
        """Read a request again without its wish for another protocol, which is refused by being passed over.

        The parser would take what follows for that protocol, and so for no part of this request: its body, and later
        bytes, could be anything. RFC 9110, section 7.8: a server may ignore Upgrade.
        """
        kept = [(name, value) for name, value in self.headers if name != b"upgrade"]
        lines = [
            b"%b: %b\r\n" % (name, _without_upgrade(value) if name == b"connection" else value) for name, value in kept
        ]
        version = self.parser.get_http_version().encode()
        head = b"%b %b HTTP/%b\r\n%b\r\n" % (self.parser.get_method(), self.url, version, b"".join(lines))
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._feed(head + rest)

    # From the parser

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; a trailer is none (RFC 9110, section 6.5.1)."""
        if not self.is_in_head:
            self._loose_bytes += len(name) + len(value)
            if self._loose_bytes > MAX_TRAILER_BYTES:
                raise _TOO_LOOSE
            return
        # As uvicorn has it, whose method is not called: each of these calls is a hundredth of a prediction's time.
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Begin with a request whose head is as it should be."""
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise Refusal(405, "CONNECT is for proxies, and this is none")
            return
        if self._is_long and len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > (
            MAX_HEAD_BYTES
        ):
            raise _too_long(self.url)
        self._require_sound_head()
        self.is_in_head = False
        self.head_bytes = self._loose_bytes = 0
        self.heads += 1
        super().on_headers_complete()
        self._unanswered.append(self.cycle)

    def on_body(self, body: bytes) -> None:
        """Count what comes."""
        self.body_bytes += len(body)
        self._loose_bytes = 0
        cycle = self.cycle
        if not cycle.response_complete:
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

    def _require_sound_head(self) -> None:
        host = codings = None
        for name, value in self.headers:
            if name == b"host":
                if host is not None:
                    raise Refusal(400, "a request has one Host; this one has several")
                host = value
            elif name == b"transfer-encoding":
                codings = value if codings is None else codings + b"," + value
        if host is None:
            if self.parser.get_http_version() == "1.1":
                raise Refusal(400, "a request has a Host; this one has none")
        elif not _is_host(host):
            raise Refusal(400, "Host is to be a name or an address, and perhaps a port")
        if codings is not None:
            if codings.lower() != b"chunked":
                raise Refusal(501, "of transfer codings, only chunked is understood")
            if self.parser.get_http_version() != "1.1":
                raise Refusal(400, "HTTP/1.0 has no Transfer-Encoding")
        if not self.url.startswith(b"/") and self.url != b"*":
            authority = self.url.partition(b"://")[2].partition(b"/")[0].partition(b"?")[0]
            if authority.lower() != (host or authority).lower():
                raise Refusal(400, "the request line names another host than Host does")

    # Refusals

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Answer by the application, or, where uvicorn would say in plain text that there are too many, ourselves."""
        if app is not self.app:
            # Whether the process lives is asked when it has much to do, above all.
            app = self.app if cycle.scope["path"] == "/livez" else overloaded
        super()._start_asgi_task(cycle, app)

    def look(self) -> None:
        """Close the connection if it has kept us waiting for too long; called every second."""
        if self._is_refused or self.transport.is_closing():
            return
        if self.flow.write_paused:
            if self.patience.wait_for_reader(self.transport.get_write_buffer_size()):
                self.transport.abort()
        elif not self.is_in_head:
            # Where it is we who do not read on, nobody is late.
            if not self.flow.read_paused and self.patience.wait_for_body(self.heads, self.body_bytes):
                self.refuse(Refusal(408, f"a body is to come at {BODY_BYTES_A_SECOND:,} bytes a second at least"))
        elif self.head_bytes or self.cycle is None:  # between two requests, uvicorn's keep-alive counts
            if not self.patience.wait_for_head(self.heads):
                return
            if self.head_bytes:
                self.refuse(Refusal(408, f"the head of a request is to be here within {HEAD_SECONDS} s"))
            else:
                self.transport.close()

    def refuse(self, refusal: Refusal) -> None:
        """Answer what is no request, after all that came before it, and hear no more."""
        if self._is_refused:
            return
        self._is_refused = True
        wrong = None if self.is_in_head else self.cycle  # the request whose body is wrong, if it is not the head
        earlier = [cycle for cycle in self._unanswered if cycle is not wrong]
        if wrong is not None:
            wrong.disconnected = True  # who reads its body is told that there is no more of it
            wrong.message_event.set()
        if earlier:
            earlier[-1].keep_alive = False  # the connection ends with its answer: this one could be taken for it
            for waiting in [waiting for waiting in self.pipeline if waiting[0] is wrong]:
                self.pipeline.remove(waiting)
        elif wrong is not None and wrong.response_started:
            self.transport.close()
        else:
            self._close_with(refusal)

    def _close_with(self, refusal: Refusal) -> None:
        status, body, headers = encode(refusal, (self.scope or {}).get("path") or "/")
        lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        self.transport.write(b"%b%b\r\n%b" % (STATUS_LINE[status], lines, body))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.transport.resume_reading()
        self.loop.call_later(_LINGER_SECONDS, self.transport.close)


def _too_long(url: bytes) -> Refusal:
    if len(url) > MAX_HEAD_BYTES // 2:
        return Refusal(414, f"request line and headers are to have {MAX_HEAD_BYTES:,} bytes at most; the line is long")
    return Refusal(431, f"request line and headers are to have {MAX_HEAD_BYTES:,} bytes at most")


def _without_upgrade(connection: bytes) -> bytes:
    return b",".join(token for token in connection.split(b",") if token.strip().lower() != b"upgrade")


@lru_cache(maxsize=64)
def _is_host(host: bytes) -> bool:
    matched = _HOST.fullmatch(host)
    return matched is not None and int((matched[2] or b":0")[1:]) < 2**16
