"""Receivers of webhooks: real servers on the loopback, that keep what they were sent and answer as a test wants."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Message:
    """What a receiver was sent; names of headers are in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def type(self) -> str:
        return str(self.json["type"])

    @property
    def data(self) -> Any:
        return self.json["data"]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass
class Receiver:
    """A server that keeps what it is sent, and answers with what `answer` gives for it."""

    host: str
    port: int = 0
    connections: int = 0
    messages: list[Message] = field(default_factory=list)
    answer: Callable[[Message], Reply] = lambda _: Reply()
    dead: Callable[[], AbstractContextManager[None]] = nullcontext
    """Have it gone meanwhile: what it has begun to read is broken off, and connections are refused."""

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/hooks?token=x"

    @property
    def types(self) -> list[str]:
        return [message.type for message in self.messages]


@contextmanager
def receiving(host: str = "127.0.0.1", context: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """Run a receiver on the loopback, perhaps with TLS."""
    receiver, lock, is_dead = Receiver(host), threading.Lock(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            message = Message(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            with lock:
                receiver.messages.append(message)
            if is_dead.is_set():
                raise ConnectionError("it is dead")
            reply = receiver.answer(message)
            self.send_response(reply.status)
            for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

        def setup(self) -> None:
            receiver.connections += 1
            super().setup()

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, *_: object) -> None:
            pass  # whoever sent it has left

    def begin() -> Callable[[], None]:
        server = Server((host, receiver.port), Handler)
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        receiver.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()

        def end() -> None:
            server.shutdown()
            thread.join()
            server.server_close()

        return end

    ends = [begin()]

    @contextmanager
    def dead() -> Iterator[None]:
        is_dead.set()
        ends.pop()()
        try:
            yield
        finally:
            ends.append(begin())
            is_dead.clear()

    receiver.dead = dead
    try:
        yield receiver
    finally:
        ends.pop()()
