"""Names and addresses of hosts, as the settings name them: alone, without a scheme, a port or a path."""

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*", re.ASCII)
_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%-]+)(:\d{1,5})?")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://")
_LONGEST = 253  # RFC 1035, 2.3.4, as text


def allowed(given: str) -> str:
    """Give a host name as requests carry it in `Host`, but for the port; `*` and `*.example.com` stand for many.

    Raises ValueError, saying what to write instead.
    """
    host = given.strip().lower()
    if host == "*":
        return host
    if is_ipv6(bare := host[1:-1] if host.startswith("[") and host.endswith("]") else host):
        return f"[{IPv6Address(bare)}]"  # in its short form, in which clients write it
    name = host.removeprefix("*.")
    if len(name) <= _LONGEST and _NAME.fullmatch(name):
        return host
    raise ValueError(_remedy(given, host, "the name alone, as example.com or *.example.com"))


def listened_on(given: str) -> str:
    """Give an address to listen on, IPv6 without brackets. Raises ValueError, saying what to write instead."""
    host = given.strip()
    if is_ipv6(host.strip("[]").partition("%")[0]):
        return host.strip("[]")
    if len(host) <= _LONGEST and _NAME.fullmatch(host.lower()):
        return host
    raise ValueError(_remedy(given, host.lower(), "an address of this machine, as 127.0.0.1, ::1 or 0.0.0.0"))


def is_loopback(host: str) -> bool:
    """Whether who listens on an address is heard on this machine alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def is_ipv6(host: str) -> bool:
    """Whether this is an address of IPv6, without brackets."""
    try:
        IPv6Address(host)
    except ValueError:
        return False
    return True


def name_of(host: bytes) -> bytes | None:
    """Give the name or the address in a Host, in lower case and without the port; None if it is no Host."""
    return _name_of(host) if len(host) <= _LONGEST + len(":65535") else None  # a longer one is not kept either


@lru_cache(maxsize=256)
def _name_of(host: bytes) -> bytes | None:
    matched = _HOST.fullmatch(host)
    if matched is None or int((matched[2] or b":0")[1:]) >= 2**16:
        return None
    return matched[1].lower()


class Hosts:
    """The names that are allowed; `*.example.com` stands for all that end so, `*` for any."""

    def __init__(self, allowed: Iterable[str]) -> None:
        names = [name.lower().encode() for name in allowed]
        self._names = frozenset(names)
        self._ends = tuple(name[1:] for name in names if name.startswith(b"*"))
        self.allow = lru_cache(maxsize=256)(self._look)  # asked for every prediction

    def _look(self, host: bytes) -> bool:
        """Whether a Host names us."""
        name = name_of(host)
        return name is not None and (name in self._names or name.endswith(self._ends))


def _remedy(given: str, host: str, form: str) -> str:
    """Say what is wrong with a host, and how it is written if that can be told."""
    bare = _SCHEME.sub("", host).strip("'\"").rpartition("@")[2]
    bare = re.sub(r"[/?#].*", "", bare)
    bare = re.sub(r":\d*$", "", bare).rstrip(".")
    try:
        bare = bare.encode("idna").decode() if not bare.isascii() else bare
    except UnicodeError:
        bare = ""
    said = f"{given!r} is not {form}"
    fits = _NAME.fullmatch(bare.removeprefix("*.")) or is_ipv6(bare.strip("[]"))
    return f"{said}; write {bare}" if fits and bare != host else said
