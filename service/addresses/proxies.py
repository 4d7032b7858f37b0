"""Proxies in front of us, as the settings name them: whose word is believed, and what path they put before ours."""

import re
from ipaddress import IPv6Network, ip_network

FIRST_WORDS = frozenset(
    {
        *(
            "accounts",
            "audit",
            "datasets",
            "docs",
            "evaluations",
            "events",
            "invocations",
            "jobs",
            "keys",
            "livez",
            "models",
            "openapi.json",
            "ping",
            "predict",
            "queue",
            "readyz",
            "workers",
        ),
        *("static", "sweeps", "tickets", "uploads", "v1", "v2", "version", "webhooks"),
    }
)
"""Of our paths: one that a proxy puts before them begins with another, or nobody could tell whether it is there."""

_ROOT = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)+")
_LONGEST = 256


def trusted(given: str) -> str:
    """Give an address or a network. Raises ValueError, saying what to write instead."""
    try:
        network = ip_network(given.strip())
    except ValueError as error:
        raise ValueError(f"{error}; write an address or a network, as 127.0.0.1 or 10.1.0.0/24") from None
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped is not None:
        raise ValueError(f"{given} is written as IPv4: {network.network_address.ipv4_mapped}")
    if network.prefixlen == 0:
        raise ValueError(f"{given} would have everybody believed; name the proxies, as 127.0.0.1 or 10.1.0.0/24")
    return given.strip()


def root(given: str) -> str:
    """Give a path that stands before ours, if it can be told from ours. Raises ValueError, saying what to write."""
    if given and (len(given) > _LONGEST or not _ROOT.fullmatch(given)):
        raise ValueError(
            "is to be like /ml: a slash before each word, none at the end, and of letters, digits and . _ ~ - alone"
        )
    if given and (word := given.split("/")[1]) in FIRST_WORDS:
        raise ValueError(f"cannot begin with /{word}, which is a path of Tenfold's own; choose another, as /ml")
    return given
