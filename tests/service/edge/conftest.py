import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import uvicorn

from service.edge import patience, protocol
from service.edge.protocol import EdgeProtocol
from tests.waiting import wait_until

HOST = b"Host: localhost\r\n"


class Edge:
    """A server whose application answers with what has come to it; and raw sockets to it."""

    def __init__(self, **options: Any) -> None:
        self.came: list[tuple[str, str, list[tuple[bytes, bytes]], bytes]] = []
        self.gone: list[str] = []
        self.hold = threading.Event()
        self.hold.set()
        config = uvicorn.Config(
            self._application, interface="asgi3", http=EdgeProtocol, ws="none", host="127.0.0.1", port=0,
            lifespan="off", log_config=None, server_header=False, access_log=False, timeout_keep_alive=75, **options,
        )  # fmt: skip
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        async def serve() -> None:
            self.loop = asyncio.get_running_loop()
            await self.server.serve()

        with asyncio.Runner(loop_factory=self.server.config.get_loop_factory()) as runner:  # that of production
            runner.run(serve())

    async def _application(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        if scope["path"] == "/unread":
            self.hold.clear()
            await asyncio.to_thread(self.hold.wait, 30)
        while scope["path"] not in {"/early", "/unread"}:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.gone.append(scope["path"])
                return
            body += message["body"]
            if not message["more_body"] and scope["path"] != "/stays":
                break
        if scope["path"] == "/held":
            await asyncio.to_thread(self.hold.wait, 30)
        if scope["path"] == "/unsized":
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b"one ", "more_body": True})
            await send({"type": "http.response.body", "body": b"two"})
            return
        if scope["path"] in {"/broken", "/unended"}:
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b"half", "more_body": True})
            await asyncio.to_thread(self.hold.wait, 30)
            if scope["path"] == "/broken":
                raise RuntimeError
            return
        if scope["path"] != "/last":
            self.came.append((scope["method"], scope["path"], scope["headers"], body))
        answer = bytes(64 * 2**20) if scope["path"] == "/large" else scope["path"].encode() + b" " + body
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(answer))]}
        )
        await send({"type": "http.response.body", "body": answer})

    def connect(self) -> socket.socket:
        return socket.create_connection(self.server.servers[0].sockets[0].getsockname(), timeout=30)

    def ask(self, *pieces: bytes, last: bool = True) -> bytes:
        """Send pieces, each when the one before is on its way, and give all that is answered to them.

        A last request of its own, whose answer ends the connection, follows them, unless they end it themselves.
        """
        with self.connect() as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for piece in (*pieces, *[b"GET /last HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"] * last):
                connection.sendall(piece)
            answer = read_all(connection)
        return answer.rpartition(b"HTTP/1.1 ")[0] if answer.endswith(b"/last ") else answer

    def connections(self) -> list[EdgeProtocol]:
        """Give the connections that are open."""
        return [one for one in list(self.server.server_state.connections) if isinstance(one, EdgeProtocol)]

    def in_loop(self, do: Callable[[], None]) -> None:
        """Do something in the server's loop, and wait until it is done."""
        done = threading.Event()

        def call() -> None:
            do()
            done.set()

        self.loop.call_soon_threadsafe(call)
        assert done.wait(30)

    def pass_seconds(self, count: int) -> None:
        """Look at all connections as often as in so many seconds."""

        def look() -> None:
            for _ in range(count):
                for connection in self.connections():
                    connection.look()

        self.in_loop(look)


def read_all(connection: socket.socket) -> bytes:
    return b"".join(iter(partial(connection.recv, 65536), b""))


def read_until(connection: socket.socket, end: bytes) -> bytes:
    answer = b""
    while not answer.endswith(end):
        piece = connection.recv(65536)
        assert piece, answer
        answer += piece
    return answer


def post(path: bytes, body: bytes, *lines: bytes) -> bytes:
    head = b"".join(b"%b\r\n" % line for line in (b"Host: localhost", b"Content-Length: %d" % len(body), *lines))
    return b"POST %b HTTP/1.1\r\n%b\r\n%b" % (path, head, body)


def get(path: bytes, *lines: bytes) -> bytes:
    return b"GET %b HTTP/1.1\r\n%b%b\r\n" % (path, HOST, b"".join(b"%b\r\n" % line for line in lines))


def problem(answer: bytes, status: int) -> dict[str, Any]:
    """Check that there is one answer: a problem document of this status, after which the connection ends."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), answer[:500]
    assert b"content-type: application/problem+json" in head
    assert b"connection: close" in head
    document: dict[str, Any] = json.loads(body)
    assert document["status"] == status
    return document


def statuses(answer: bytes) -> list[bytes]:
    return [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]]


@contextlib.contextmanager
def serving(is_watched: bool = False, **options: Any) -> Iterator[Edge]:
    """A server whose time passes when a test says so, unless it `is_watched`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protocol, "watch", patience.watch if is_watched else lambda _: None)
        edge = Edge(**options)
        edge.thread.start()
        try:
            wait_until(lambda: edge.server.started, timeout=30, what="the server to listen")
            yield edge
        finally:
            edge.hold.set()
            edge.server.should_exit = True
            edge.thread.join(30)
            assert not edge.thread.is_alive()


@pytest.fixture(scope="package")
def shared_edge() -> Iterator[Edge]:
    with serving() as edge:
        yield edge


@pytest.fixture
def edge(request: pytest.FixtureRequest) -> Iterator[Edge]:
    """A server as nobody has used it, with the options that a test gives."""
    if options := getattr(request, "param", None):
        with serving(**options) as own:
            yield own
        return
    shared: Edge = request.getfixturevalue("shared_edge")
    yield shared
    shared.hold.set()
    for connection in shared.connections():
        shared.loop.call_soon_threadsafe(connection.transport.abort)
    wait_until(lambda: not shared.connections(), timeout=30, what="all connections to be closed")
    wait_until(lambda: not shared.server.server_state.tasks, timeout=30, what="all requests to be done")
    shared.came.clear()
    shared.gone.clear()
    shared.server.server_state.total_requests = 0
