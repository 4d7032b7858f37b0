"""How a request looked to whoever sent it: what proxies that are trusted say of it, and nobody else.

X-Forwarded-For, -Proto, -Host and -Prefix are no standard; here each is read as most proxies write it, and whatever
could be read in two ways is refused. https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/X-Forwarded-For
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, NamedTuple

from service.addresses import proxies
from service.addresses.hosts import name_of
from service.errors import Malformed

_FOR, _PROTO, _HOST, _PREFIX = (b"x-forwarded-" + name for name in (b"for", b"proto", b"host", b"prefix"))
_SHORT = 512
_WITH_PORT = re.compile(r"\[([^\]]*)\](?::\d{1,5})?|(\d+(?:\.\d+){3}):\d{1,5}")


class Outside(NamedTuple):
    """What of a request may have been another before proxies passed it on."""

    client: str | None
    scheme: str
    host: bytes
    root: str


class Proxies:
    """Those whose word is taken, by address, and the path that stands before ours unless they say so."""

    def __init__(self, trusted: Iterable[str], root: str) -> None:
        self._networks = [ip_network(network) for network in trusted]
        self.root = root
        self._trust = lru_cache(maxsize=4096)(self._look)
        self._view = lru_cache(maxsize=4096)(self._read)  # clients, and what is said for them, come again

    @property
    def are_there(self) -> bool:
        """Whether anybody is trusted."""
        return bool(self._networks)

    def see(self, scope: Any) -> Outside:
        """Give how a request looked from outside; raises Malformed where a trusted proxy's word makes no sense."""
        peer = scope["client"][0] if scope.get("client") else None
        is_trusted = peer is not None and bool(self._networks) and self._trust(peer)
        given = {b"host": b"", _FOR: b"", _PROTO: b"", _HOST: b"", _PREFIX: b""}
        for name, value in scope["headers"]:
            if name in given:  # several of a name are one list, RFC 9110, section 5.3
                given[name] = given[name] + b"," + value if given[name] else value
        if peer is None or not is_trusted:
            return Outside(peer, scope["scheme"], given[b"host"], self.root)
        # What is long is not kept: a client may have made it up.
        view = self._view if sum(map(len, given.values())) <= _SHORT else self._read
        return view(peer, scope["scheme"], *given.values())

    def _read(
        self, peer: str, own_scheme: str, own_host: bytes, addresses: bytes, proto: bytes, named: bytes, prefix: bytes
    ) -> Outside:
        client, hops = self._way(peer, addresses.decode("latin-1"))
        scheme = _said(proto, hops).lower() or own_scheme
        if scheme not in ("http", "https"):
            raise Malformed("X-Forwarded-Proto is to be http or https")
        host = _said(named, hops).encode("latin-1") or own_host
        if host != own_host and name_of(host) is None:
            raise Malformed("X-Forwarded-Host is to be a name or an address, and perhaps a port")
        return Outside(client, scheme, host, self._prefix(prefix.decode("latin-1")))

    def _prefix(self, given: str) -> str:
        if not given:
            return self.root
        if "," in given:
            raise Malformed("X-Forwarded-Prefix is given several times; let the proxies set it once, as a whole")
        try:
            proxies.root(given)
        except ValueError as error:
            raise Malformed(f"X-Forwarded-Prefix {error}") from None
        if self.root not in ("", given):
            raise Malformed(
                "X-Forwarded-Prefix and TENFOLD_ROOT_PATH name different paths; let them be equal, or unset one"
            )
        return given

    def _way(self, peer: str, given: str) -> tuple[str, int]:
        """Give the address from which a request came to the first proxy that is trusted, and how many of these it met.

        Each proxy appends whom it got the request from; what stands before the first that is not trusted, anybody may
        have written.
        """
        client, hops = peer, 1
        for said in reversed(given.split(",")) if given else ():
            client = _address(said.strip())
            if not self._trust(client):
                break
            hops += 1
        return client, hops

    def _look(self, address: str) -> bool:
        """Whether an address is trusted."""
        try:
            known: IPv4Address | IPv6Address = ip_address(address)
        except ValueError:  # that of a test, or of a socket of another kind
            return False
        if isinstance(known, IPv6Address) and known.ipv4_mapped is not None:
            known = known.ipv4_mapped
        return any(known in network for network in self._networks)


def _said(given: bytes, hops: int) -> str:
    """Give what the first trusted proxy has said, in a list to which each appends, or which the last has replaced."""
    values = [value.strip() for value in given.decode("latin-1").split(",")]
    return values[-min(hops, len(values))]


def _address(said: str) -> str:
    if matched := _WITH_PORT.fullmatch(said):
        said = matched[1] or matched[2]
    try:
        return str(ip_address(said.replace("%", " ")))  # zones are names of some machine's own
    except ValueError:
        raise Malformed("X-Forwarded-For is to be a list of addresses") from None
