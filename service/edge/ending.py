"""How a connection ends: behind its last answer, told why, and not before its client can have read that.

https://www.rfc-editor.org/rfc/rfc9112 (HTTP/1.1), section 9.6
"""

import asyncio
from collections import deque
from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from service.edge.answer import Parting, until_stopped, without_chunks
from service.edge.links import ROOT, below, cut
from service.edge.refusal import Refusal, encode, overloaded

_LINGER_SECONDS = 2.0
"""For which a connection is read on after its last answer: closed at once, it would be reset, and that be lost."""

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class EndingProtocol(HttpToolsProtocol):
    """HTTP/1.1 of one connection, with an end that takes nothing from its client."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.is_in_head = True  # or between two requests
        self.is_refused = False  # the rest that comes is not heard
        self._unanswered: deque[RequestResponseCycle] = deque()
        self._ending: asyncio.TimerHandle | None = None
        self._sends_no_more = False
        self._asked = 0  # how often one who sends no more was asked whether it is there

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Answer by the application, or, where uvicorn would say in plain text that there are too many, ourselves."""
        if app is not self.app:
            # Whether the process lives is asked when it has much to do, above all.
            path = cut(cycle.scope["path"], self.app_state.get(ROOT.name, ""))
            app = self.app if path == "/livez" else overloaded
        cycle.transport = parting = Parting(self.transport, self.end)
        if cycle.scope["http_version"] == "1.0":
            app = partial(without_chunks, cycle, app)
        super()._start_asgi_task(cycle, partial(until_stopped, cycle, parting, app))

    def eof_received(self) -> bool:  # type: ignore[override]  # as asyncio has it
        """Answer who sends no more, and may still be reading; gives whether the connection stays for that."""
        if self._ending is not None or not self._unanswered or self._unanswered[-1].response_started:
            return False  # whose answer is under way has left, as far as anybody can say
        self._sends_no_more = True
        self.refuse(Refusal(400, "the request has ended before it was complete"))
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell all requests of it, and leave no timer: uvicorn tells the last alone, and leaves one after a reset."""
        for cycle in self._unanswered:
            cycle.disconnected = True
            cycle.message_event.set()
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        if self._ending is not None:
            self._ending.cancel()

    def _ask_whether_there(self) -> None:
        """Find out whether one who sends no more reads, before its answer begins: else the second write fails."""
        first = self._unanswered[0] if self._unanswered else None
        if self._asked < 2 and first is not None and not (first.response_started or first.disconnected):
            self._asked += 1
            if first.scope["http_version"] == "1.1":
                self.transport.write(_CONTINUE)

    def refuse(self, refusal: Refusal) -> None:
        """Answer what is no request, after all that came before it, and hear no more."""
        if self.is_refused:
            return
        self.is_refused = True
        wrong = None if self.is_in_head else self.cycle  # the request whose body is wrong, if it is not the head
        earlier = [cycle for cycle in self._unanswered if cycle is not wrong]
        if wrong is not None:
            wrong.disconnected = True  # who reads its body is told that there is no more of it
            wrong.waiting_for_100_continue = False
            wrong.message_event.set()
        if earlier:
            earlier[-1].keep_alive = False  # the connection ends with its answer: this one could be taken for it
            for waiting in [waiting for waiting in self.pipeline if waiting[0] is wrong]:
                self.pipeline.remove(waiting)
        elif wrong is not None and wrong.response_started:
            self.end()
        else:
            self._close_with(refusal)

    def _close_with(self, refusal: Refusal) -> None:
        with below(self.app_state.get(ROOT.name, "")):
            status, body, headers = encode(refusal, (self.scope or {}).get("path") or "/")
        lines = b"".join(b"%b: %b\r\n" % header for header in (*self.server_state.default_headers, *headers))
        self.transport.write(b"%b%b\r\n%b" % (STATUS_LINE[status], lines, body))
        self.end()

    def end(self) -> None:
        """Close the connection behind what was written; if more may be coming, read on for a while before that."""
        if self._ending is not None:
            return
        if self.is_in_head and not (self.is_refused or self.flow.read_paused):
            self.transport.close()
            return
        self.is_refused = True
        self.pipeline.clear()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.transport.resume_reading()
        self._ending = self.loop.call_later(_LINGER_SECONDS, self.transport.close)
