"""Where webhooks may lead: to https on the public internet, and to networks that the settings allow besides.

An address is looked at as it is dialled, after its name was resolved: a name may mean anything by then. Python's
`is_global` knows less in older versions, so that what it lets pass there is refused here by itself.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple
from urllib.parse import urlsplit

from service.addresses.hosts import is_ipv6

Address = IPv4Address | IPv6Address

LONGEST_URL = 2048
_PORTS = {"http": 80, "https": 443}
_UNICAST = IPv6Network("2000::/3")
_TRANSLATED = IPv6Network("64:ff9b::/96")
_NOT_PUBLIC = tuple(
    ip_network(each)
    for each in (
        "192.0.0.0/24",  # protocol assignments
        "192.88.99.0/24",  # relays of 6to4, which are no more
        "2001::/23",  # protocol assignments, Teredo among them
        "2002::/16",  # 6to4 itself, looked at by the address within it
        "3fff::/20",  # documentation
    )
)


class Receiver(NamedTuple):
    """Where a webhook leads, as its URL says."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """Give host and port as they stand in Host: the port only where it is not that of the scheme."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def is_usual(self) -> bool:
        """Whether it may be anywhere on the public internet."""
        return self.scheme == "https" and self.port == _PORTS["https"]


def network(given: str) -> str:
    """Give an address or a network to which webhooks may lead. Raises ValueError, saying what to write instead."""
    try:
        found = ip_network(given.strip())
    except ValueError as error:
        raise ValueError(f"{error}; write an address or a network, as 127.0.0.1 or 10.1.0.0/24") from None
    if isinstance(found, IPv6Network) and found.network_address.ipv4_mapped is not None:
        raise ValueError(f"{given} is written as IPv4: {found.network_address.ipv4_mapped}")
    if found.prefixlen == 0:
        raise ValueError(f"{given} would let webhooks lead everywhere; name the networks, as 10.1.0.0/24")
    return str(found)


def read(url: str) -> Receiver:
    """Take a URL of a webhook apart. Raises ValueError, saying what to write instead."""
    if len(url) > LONGEST_URL:
        raise ValueError(f"it has more than {LONGEST_URL:,} characters")
    if not url.isascii() or not url.isprintable() or any(letter in url for letter in ' "<>\\^`{|}'):
        raise ValueError("write other characters than those of URLs as %XX, and those of a host name as xn--...")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("it is no URL; write it as https://example.com/tenfold") from None
    if parts.scheme not in _PORTS or not parts.hostname or port == 0:
        raise ValueError("it is not of the form https://example.com/tenfold")
    if parts.username is not None or parts.password is not None:
        raise ValueError("name and password cannot stand in it; put a token into its query, or check signatures")
    if "#" in url:
        raise ValueError("what follows # is never sent; leave it out")
    return Receiver(parts.scheme, parts.hostname, port or _PORTS[parts.scheme])


class Receivers:
    """Tells which addresses webhooks may lead to; `allowed` are the networks that may be besides the public ones."""

    def __init__(self, allowed: Iterable[str]) -> None:
        self._allowed = tuple(ip_network(each) for each in allowed)

    def refusal(self, receiver: Receiver, addresses: Iterable[str]) -> str | None:
        """Say why none of the addresses that a receiver's name has may be dialled, or give None; one bad spoils all."""
        found = [ip_address(address.partition("%")[0]) for address in addresses]
        if all(self._is_allowed(address) for address in found):
            return None
        if not all(self._is_allowed(address) or is_public(address) for address in found):
            return f"{receiver.host} is not, or not only, on the public internet; {_REMEDY}"
        return None if receiver.is_usual else f"{receiver.host} is asked by https on port 443 alone; {_REMEDY}"

    def refusal_of_url(self, receiver: Receiver) -> str | None:
        """Say why a URL can never be dialled, as far as can be told before its name is resolved, or give None."""
        if is_ipv6(receiver.host) or receiver.host.replace(".", "").isdigit():
            try:
                return self.refusal(receiver, [receiver.host])
            except ValueError:
                return f"{receiver.host} is no address"
        if not receiver.is_usual and not self._allowed:
            return f"it is to be https, on port 443; {_REMEDY}"
        return None

    def _is_allowed(self, address: Address) -> bool:
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        return any((mapped or address) in network for network in self._allowed)


_REMEDY = "TENFOLD_WEBHOOK_ALLOW names networks that are allowed besides, there by http and on any port too"


def is_public(address: Address) -> bool:
    """Whether an address, and the one of IPv4 that it may stand for, belong to somebody on the public internet."""
    within = _unwrapped(address)
    if within is not None:
        return is_public(within)
    if isinstance(address, IPv6Address) and address not in _UNICAST:
        return False
    bad = address.is_multicast or address.is_reserved or address.is_unspecified
    return address.is_global and not bad and not any(address in network for network in _NOT_PUBLIC)


def _unwrapped(address: Address) -> IPv4Address | None:
    """Give the address of IPv4 that one of IPv6 stands for: IPv4-mapped, 6to4, NAT64, and Teredo's client."""
    if isinstance(address, IPv4Address):
        return None
    if address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
