"""From the socket to the batch and back: how most predictions are answered, without a task and messages of ASGI.

Those take longer than reading an image and predicting. It is the protocol of the edge, with a fast path for requests
that need neither waiting nor explaining. Whatever turns out otherwise is given to the application, as all others are.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Protocol

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from service.edge.head import length_in
from service.edge.protocol import EdgeProtocol
from service.security import CAREFUL, Header

if TYPE_CHECKING:  # numpy must not be loaded before it is said how many threads it shall have
    from service.predict.batcher import Rows
    from service.predict.served import Scores, Served
    from service.predict.shadow import Shadow

FAST_PATH = "fast_path"
"""In the lifespan's state: what says who answers a request by the fast path, from its scope and its headers."""

_LONGEST = 64 * 1024
"""Bytes of a body that may come here: as many as are read in the event loop."""

Encode = Callable[["Scores"], tuple[Iterable[Header], bytes]]
Pending = tuple["asyncio.Future[Scores]", Encode]
"""The result to come, and what gives the headers and the body that answer it, with status 200."""


class FastAnswerer(Protocol):
    """Who may answer by the fast path."""

    def start(self, scope: Any, headers: Mapping[bytes, bytes], body: bytes) -> Pending | None:
        """Start to answer; None, or any exception, if the application is to do it instead."""


def pending(served: "Served", pixels: "Rows", shadow: "Shadow | None", encode: Encode) -> Pending:
    """Have examples computed; those who are asked along are asked when the answer is there."""
    if shadow is None:
        return served.batcher.put(pixels), encode

    def ask_and_encode(scores: "Scores") -> tuple[Iterable[Header], bytes]:
        from service.predict.served import LOGITS

        answer = encode(scores)
        shadow.ask(pixels, scores[:, LOGITS], served)
        return answer

    return served.batcher.put(pixels), ask_and_encode


class FastPathProtocol(EdgeProtocol):
    """HTTP/1.1 of one connection. Requests are answered in their order, whichever way each of them goes."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._answerer: Callable[[Any, Mapping[bytes, bytes]], FastAnswerer | None] | None
        self._answerer = None if self.config.access_log else self.app_state.get(FAST_PATH)  # it writes no log
        self._incomplete: tuple[RequestResponseCycle, FastAnswerer, Mapping[bytes, bytes]] | None = None
        self._result: asyncio.Future[Scores] | None = None

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if self._answerer is not None and app is self.app and not cycle.waiting_for_100_continue:
            headers = dict(cycle.scope["headers"])
            length = length_in(headers.get(b"content-length"))
            is_short = length is not None and length <= _LONGEST
            if is_short and (who := self._answerer(cycle.scope, headers)) is not None:
                self._incomplete = cycle, who, headers
                if not cycle.more_body:
                    self._begin()
                return
        super()._start_asgi_task(cycle, app)

    def on_message_complete(self) -> None:
        """Start to answer what had to come in first."""
        super().on_message_complete()
        if self._incomplete is not None:
            self._begin()

    def shutdown(self) -> None:
        """Leave to the application whose body is still to come: a task is ended when the server has waited enough."""
        super().shutdown()
        if self._incomplete is not None:
            (cycle, _, _), self._incomplete = self._incomplete, None
            super()._start_asgi_task(cycle, self.app)

    def connection_lost(self, exc: Exception | None) -> None:
        """Compute nothing for who has left."""
        super().connection_lost(exc)
        self._incomplete = None
        if self._result is not None:
            self._result.cancel()

    def _begin(self) -> None:
        assert self._incomplete is not None, "there is something to begin with"
        (cycle, who, headers), self._incomplete = self._incomplete, None
        try:
            started = None if self.flow.write_paused else who.start(cycle.scope, headers, bytes(cycle.body))
        except Exception:  # noqa: BLE001 - the application finds it too, and says it
            started = None
        if started is None:
            super()._start_asgi_task(cycle, self.app)
            return
        self._result, encode = started
        self._result.add_done_callback(partial(self._answer, cycle, encode))

    def _answer(self, cycle: RequestResponseCycle, encode: Encode, result: "asyncio.Future[Scores]") -> None:
        self._result = None
        if result.cancelled() or self.transport.is_closing():
            return
        try:
            headers, body = encode(result.result())
        except Exception:  # noqa: BLE001 - the application finds it too, and says it
            super()._start_asgi_task(cycle, self.app)
            return
        about = b"".join([b"%b: %b\r\n" % header for header in headers])
        closing = b"" if cycle.keep_alive else b"connection: close\r\n"
        usual = _usual(tuple(self.server_state.default_headers))
        self.transport.write(b"%b%b%bcontent-length: %d\r\n\r\n%b" % (usual, about, closing, len(body), body))
        cycle.response_started = cycle.response_complete = True
        if not cycle.keep_alive:
            self.end()
        cycle.on_response()


@lru_cache(maxsize=1)
def _usual(default_headers: tuple[Header, ...]) -> bytes:
    return b"HTTP/1.1 200 OK\r\n" + b"".join([b"%b: %b\r\n" % header for header in (*default_headers, *CAREFUL)])
