"""One attempt to deliver: a name is resolved once, its addresses are checked, one is dialled, and little is read.

There are no redirects, no cookies and no proxies here, because nothing is used that knows them: httpx's transport sends
one request over one connection. It goes to the address that was checked, with the receiver's name in TLS and in Host.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx

from service.addresses.receivers import Receiver, Receivers, read

SECONDS = 10.0
"""For all of an attempt, from the first question for a name to the end of the answer."""

CONNECT_SECONDS = 5.0
_ASKED_AT_ONCE = 256
MOST_READ = 64 * 2**10
MOST_SHOWN = 2 * 2**10

Resolve = Callable[[str, int], Sequence[str]]


@dataclass(frozen=True)
class Answer:
    """What a receiver answered, and the beginning of it; or why it did not, in words that tell no address."""

    status: int | None = None
    shown: str | None = None
    problem: str | None = None
    retry_after: float | None = None

    @property
    def is_welcome(self) -> bool:
        """Whether the receiver has taken what was sent; one that sends us elsewhere has not."""
        return self.status is not None and 200 <= self.status < 300


def resolved(host: str, port: int) -> Sequence[str]:
    """Give the addresses of a host, in the order in which they are best tried. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


@cache
def trusted() -> ssl.SSLContext:
    """Give what certificates are checked by: the authorities of the system, and those that browsers trust."""
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    return context


class Sender:
    """Sends messages to receivers that may be dialled; `receivers` tells which those are."""

    def __init__(
        self, receivers: Receivers, *, resolve: Resolve = resolved, context: ssl.SSLContext | None = None
    ) -> None:
        self._receivers, self._resolve = receivers, resolve
        self._context = context or trusted()
        # Of their own: whoever owns a name may let the question for it wait, far beyond the time of an attempt. It is
        # asked once at a time, so that such a name keeps one thread busy and not all.
        self._asking = ThreadPoolExecutor(_ASKED_AT_ONCE, thread_name_prefix="names")
        self._asked_for: dict[tuple[str, int], Future[Sequence[str]]] = {}

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send one message; gives what came of it, whatever that was."""
        try:
            async with asyncio.timeout(SECONDS):
                return await self._sent(url, headers, body)
        except TimeoutError:
            return Answer(problem=f"it did not answer within {SECONDS:g} s")

    async def _sent(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        receiver = read(url)
        try:
            addresses = await self._addresses(receiver.host, receiver.port)
        except (OSError, UnicodeError):
            return Answer(problem=f"{receiver.host} cannot be resolved")
        if (why := self._receivers.refusal(receiver, addresses)) is not None:
            return Answer(problem=why)
        answer = Answer(problem=f"{receiver.host} cannot be resolved")
        for address in addresses:
            try:
                return await self._asked(url, receiver, address, headers, body)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:  # the next address may be one that is there
                answer = Answer(problem=_told(error))
            except httpx.TransportError as error:
                return Answer(problem=_told(error))
        return answer

    async def _addresses(self, host: str, port: int) -> Sequence[str]:
        asked = self._asked_for.get((host, port))
        if asked is None:
            asked = self._asked_for[host, port] = self._asking.submit(self._resolve, host, port)
            asked.add_done_callback(lambda _: self._asked_for.pop((host, port), None))
        return await asyncio.shield(asyncio.wrap_future(asked))  # others may wait for it longer

    async def _asked(
        self, url: str, receiver: Receiver, address: str, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        # Nothing of where it goes is as httpx reads the URL: what was looked at is what is dialled.
        asked = httpx.URL(url).copy_with(scheme=receiver.scheme, host=address, port=receiver.port)
        named = {"Host": receiver.authority, "User-Agent": "Tenfold", "Content-Type": "application/json", **headers}
        limits: dict[str, Any] = dict.fromkeys(("read", "write", "pool"), SECONDS)
        request = httpx.Request(
            "POST",
            asked,
            headers=named,
            content=body,
            extensions={"timeout": {"connect": CONNECT_SECONDS, **limits}, "sni_hostname": receiver.host},
        )
        # One for each message: a connection that is kept would be to an address that was checked for another.
        async with httpx.AsyncHTTPTransport(verify=self._context, trust_env=False) as transport:
            response = await transport.handle_async_request(request)
            try:
                assert isinstance(response.stream, httpx.AsyncByteStream)
                shown = await _beginning(response.stream)
            finally:
                await response.aclose()
        problem = None if 200 <= response.status_code < 300 else f"it answered {response.status_code}"
        return Answer(response.status_code, shown, problem, _seconds(response.headers.get("retry-after", "")))


async def _beginning(stream: httpx.AsyncByteStream) -> str:
    """Read an answer, as it is on the wire and at most so much of it; gives what may be shown."""
    read = b""
    size = 0
    async for chunk in stream:
        size += len(chunk)
        if len(read) < MOST_SHOWN:
            read += chunk[: MOST_SHOWN - len(read)]
        if size >= MOST_READ:
            break
    return read.decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")


def _seconds(retry_after: str) -> float | None:
    """Read how long a receiver wants to be left alone, if it says so in seconds."""
    return float(retry_after) if retry_after.isascii() and retry_after.isdigit() and len(retry_after) < 9 else None


def _told(error: httpx.TransportError) -> str:
    """Say what went wrong on the way, in words that are the same for every address."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate cannot be trusted: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return "no TLS connection could be made"
        cause = cause.__cause__ or cause.__context__
    match error:
        case httpx.ConnectTimeout():
            return f"nothing answered within {CONNECT_SECONDS:g} s"
        case httpx.ConnectError():
            return "no connection could be made"
        case httpx.ReadError() | httpx.WriteError() | httpx.CloseError():
            return "the connection broke off"
    return "what it answered is no HTTP"
