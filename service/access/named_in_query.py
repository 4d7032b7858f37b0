"""What an address says to the gate and to no route: a ticket, and for which account a ruler asks."""

from typing import NamedTuple
from urllib.parse import unquote_plus

from service.errors import Malformed

_OURS = ("ticket", "account")


class Named(NamedTuple):
    """What was said, and the query without it."""

    ticket: str | None
    account: str | None
    rest: bytes


def named(query: bytes) -> Named:
    """Take what is the gate's out of a query; raises Malformed where one of the two is said twice."""
    said: dict[str, str] = {}
    rest = []
    for part in query.split(b"&"):
        name, _, value = part.partition(b"=")
        meant = unquote_plus(name.decode("latin-1"))
        if meant not in _OURS:
            rest.append(part)
        elif meant in said:
            raise Malformed(f"{meant} is said twice in the query; say it once")
        else:
            said[meant] = unquote_plus(value.decode("latin-1"))
    return Named(said.get("ticket"), said.get("account"), b"&".join(rest))


def may_name(query: bytes) -> bool:
    """Whether a query may say something to the gate."""
    return b"ticket" in query or b"account" in query or b"%" in query
