"""A TCP proxy on the loopback that stands between two programs of the service, and can be told to misbehave."""

import random
import socket
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field

_CHUNK = 2**16
_ABORT = struct.pack("ii", 1, 0)
"""SO_LINGER with no time to linger: closing sends a reset instead of an end."""


@dataclass(eq=False)
class Proxy:
    """Passes bytes on between clients of `port` and the server at `target`, both on the loopback."""

    port: int
    target: int
    latency: float = 0.0
    """Seconds by which each piece of data comes late."""
    resets: float = 0.0
    """Chance of a piece of data to be lost, with its connection."""
    tears: list[int] = field(default_factory=list)
    """Of how many bytes that were passed on, each time, the last ones end with a reset."""
    passed: int = 0
    """Bytes that were passed on."""
    cut: int = 0
    """Connections that were reset."""
    _open: threading.Event = field(default_factory=threading.Event)
    _pairs: set[tuple[socket.socket, socket.socket]] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _listener: socket.socket | None = None

    def start(self) -> None:
        """Listen, and pass everything on."""
        self._open.set()
        listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def stop(self) -> None:
        """Refuse connections from now on, and reset those there are: nobody lives behind this port."""
        if self._listener is not None:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self._open.set()
        self.reset()

    def hold(self) -> None:
        """Let nothing through from now on, and tell nobody: a cable that is pulled out."""
        self._open.clear()

    def release(self) -> None:
        """Let through again what was held, and all that comes."""
        self._open.set()

    def reset(self) -> None:
        """Reset all connections there are."""
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            self._abort(pair)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target), timeout=5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            pair = (client, server)
            with self._lock:
                self._pairs.add(pair)
            for one, other in (pair, pair[::-1]):
                threading.Thread(target=self._pump, args=(pair, one, other), daemon=True).start()

    def _pump(self, pair: tuple[socket.socket, socket.socket], one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(_CHUNK):
                if self.latency:
                    time.sleep(self.latency)
                self._open.wait()
                if self.resets and random.random() < self.resets:
                    self._abort(pair)
                    return
                other.sendall(data)
                self.passed += len(data)
                if self.tears and self.passed >= self.tears[0]:
                    self.tears.pop(0)
                    self._abort(pair)
                    return
        with self._lock:
            self._pairs.discard(pair)
        for end in pair:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _abort(self, pair: tuple[socket.socket, socket.socket]) -> None:
        with self._lock:
            if pair not in self._pairs:
                return
            self._pairs.discard(pair)
        self.cut += 1
        for end in pair:
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
                # Wakes whoever waits for data here; closing alone does not.
                end.shutdown(socket.SHUT_RDWR)
            end.close()
