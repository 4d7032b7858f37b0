"""What the head of a request must be like, so that nobody else on its way can have taken it for another one.

https://www.rfc-editor.org/rfc/rfc9112 (HTTP/1.1)
"""

import re
from collections.abc import Iterable

from service.addresses.hosts import name_of
from service.edge.refusal import Refusal
from service.security import Header

MAX_HEAD_BYTES = 64 * 2**10
"""Of a request line and headers together."""

_DIGITS = 10

_ABSOLUTE = re.compile(rb"(?i:https?)://([^/?#]*)(.*)", re.DOTALL)


def sound(url: bytes, headers: Iterable[Header], version: str) -> bytes:
    """Give the address that a request is for, without the host; refuses what may be read in two ways."""
    host = codings = None
    for name, value in headers:
        if name == b"host":
            if host is not None:
                raise Refusal(400, "a request has one Host; this one has several")
            host = value
        elif name == b"transfer-encoding":
            codings = value if codings is None else codings + b"," + value
    if version not in ("1.1", "1.0"):
        raise Refusal(505, "this server speaks HTTP/1.1")
    if host is None:
        if version == "1.1":
            raise Refusal(400, "a request has a Host; this one has none")
    elif name_of(host) is None:
        raise Refusal(400, "Host is to be a name or an address, and perhaps a port")
    if codings is not None:
        if codings.lower() != b"chunked":
            raise Refusal(501, "of transfer codings, only chunked is understood")
        if version != "1.1":
            raise Refusal(400, "HTTP/1.0 has no Transfer-Encoding")
    return url if url.startswith(b"/") else _without_host(url, host)


def length_in(value: bytes | None) -> int | None:
    """Give the bytes that a header tells, or None: it tells none, or with more digits than any body's length has.

    Zeros in front may be thousands, and int refuses so many digits.
    """
    return int(value) if value is not None and value.isdigit() and len(value) <= _DIGITS else None


def _without_host(url: bytes, host: bytes | None) -> bytes:
    """Give the path of an address that names its host, as a proxy is asked (RFC 9112, section 3.2.2)."""
    if url == b"*":
        return url
    if (absolute := _ABSOLUTE.fullmatch(url)) is None:
        raise Refusal(400, "the request line is to hold a path, or an address with http or https")
    if absolute[1].lower() != (absolute[1] if host is None else host).lower():
        raise Refusal(400, "the request line names another host than Host does")
    return absolute[2] if absolute[2].startswith(b"/") else b"/" + absolute[2]


def too_long(url: bytes) -> Refusal:
    """Give what a head is refused with that is longer than it may be; `url` is what is known of its address."""
    if len(url) > MAX_HEAD_BYTES // 2:
        return Refusal(414, f"request line and headers are to have {MAX_HEAD_BYTES:,} bytes at most; the line is long")
    return Refusal(431, f"request line and headers are to have {MAX_HEAD_BYTES:,} bytes at most")


def without_upgrade(method: bytes, url: bytes, version: str, headers: Iterable[Header]) -> bytes:
    """Write a head again without its wish for another protocol, which is refused by being passed over.

    RFC 9110, section 7.8: a server may ignore Upgrade.
    """
    lines = [
        b"%b: %b\r\n" % (name, _other_options(value) if name == b"connection" else value)
        for name, value in headers
        if name != b"upgrade"
    ]
    return b"%b %b HTTP/%b\r\n%b\r\n" % (method, url, version.encode(), b"".join(lines))


def _other_options(connection: bytes) -> bytes:
    return b",".join(token for token in connection.split(b",") if token.strip().lower() != b"upgrade")
