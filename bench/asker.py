"""Requests of HTTP/1.1 over a bare socket, which take less of the client's time than what is measured."""

import socket
import threading
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

LATE_SECONDS = 30.0


class Asker:
    """A connection on which one request after the other is asked."""

    def __init__(self, url: str) -> None:
        where = urlsplit(url)
        self._socket = socket.create_connection((where.hostname or "", where.port or 80), timeout=LATE_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(2**20)

    @staticmethod
    def request(path: str, headers: Mapping[str, str], body: bytes) -> bytes:
        """Write a whole request."""
        lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode() + body

    def ask(self, request: bytes) -> int:
        """Ask, and read the whole answer; gives its status."""
        self._socket.sendall(request)
        said = b""
        while (end := said.find(b"\r\n\r\n")) < 0:
            if not (more := self._socket.recv(2**16)):
                raise ConnectionError("it hung up")
            said += more
        head = said[:end].lower()
        start = head.index(b"\ncontent-length:") + 16
        left = int(head[start:].split(b"\r\n", 1)[0]) - (len(said) - end - 4)
        while left > 0:
            if not (count := self._socket.recv_into(self._buffer, min(left, len(self._buffer)))):
                raise ConnectionError("it hung up")
            left -= count
        return int(head.split(b" ", 2)[1])

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def closed_loop(url: str, request: bytes, connections: int, seconds: float) -> float:
    """Give the requests a second that are answered with 200 to so many connections; raises OSError for any other."""
    counts, wrong = [0] * connections, list[int | OSError]()
    end = time.perf_counter() + seconds

    def ask(place: int) -> None:
        asker = Asker(url)
        try:
            while time.perf_counter() < end and not wrong:
                if (status := asker.ask(request)) != 200:
                    wrong.append(status)
                counts[place] += 1
        except OSError as error:
            wrong.append(error)
        finally:
            asker.close()

    begun = time.perf_counter()
    threads = [threading.Thread(target=ask, args=(place,)) for place in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        raise OSError(f"it answers {wrong[0]}")
    return sum(counts) / (time.perf_counter() - begun)
