"""What an archive may hold at most: members, bytes of one and of all, and how much more than it takes itself.

Bombs: David Fifield, "A better zip bomb", WOOT 2019.
"""

from models.data.reading.found import Fault, UnreadableError

MOST_MEMBERS = 500_000
MOST_CHARACTERS = 128 * 2**20
"""Of all names together."""

MOST_MEMBER = 64 * 2**20
MOST_BYTES = 8 * 2**30
MOST_RATIO = 1_000
_HARMLESS = 2**20
"""Bytes that may be inflated from however few."""

_FEWER = "send fewer of them, or several archives, one after the other"


def check_count(members: int, characters: int) -> None:
    """Raise UnreadableError where an archive has too many members."""
    if members > MOST_MEMBERS:
        raise UnreadableError(Fault("file", f"the archive has more than {MOST_MEMBERS:,} members", _FEWER))
    if characters > MOST_CHARACTERS:
        what = f"the names of its members take more than {MOST_CHARACTERS // 2**20} MiB"
        raise UnreadableError(Fault("file", what, "give them shorter names, or send fewer of them"))


def check_inflated(where: str, inflated: int, packed: int) -> None:
    """Raise UnreadableError where so many bytes are inflated from so few, of a member or of all of them."""
    if inflated > MOST_BYTES:
        what = f"unpacked, it takes more than {MOST_BYTES // 2**30} GiB"
        raise UnreadableError(Fault(where, what, _FEWER if where == "file" else "leave it out"))
    if inflated > max(_HARMLESS, MOST_RATIO * packed):
        what = f"unpacked, it takes more than {MOST_RATIO:,} times the bytes that it has"
        raise UnreadableError(Fault(where, what, "store such files uncompressed, or leave them out"))


def check_member(where: str, size: int, most: int) -> None:
    """Raise UnreadableError where one member is too large to be held in memory."""
    if size > most:
        what = f"it takes {size / 2**20:,.1f} MiB; at most {most / 2**20:,.0f}"
        raise UnreadableError(Fault(where, what, "make it smaller, or leave it out"))
