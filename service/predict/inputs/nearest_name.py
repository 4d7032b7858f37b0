"""Which of some names may have been meant by one that is none of them; sought in bounded time."""

from collections.abc import Sequence
from difflib import get_close_matches

MOST_COMPARED = 200
"""Names that are compared letter by letter, a few ten microseconds each: a table may have thousands of columns."""

_LONGEST = 100


def nearest(name: str, known: Sequence[str], cutoff: float = 0.6) -> str | None:
    """Give the one of the known names that is most like this one; None where none is, or there are too many of them."""
    if len(known) > MOST_COMPARED:
        return None
    alike = {one[:_LONGEST]: one for one in reversed(known)}
    near = get_close_matches(name[:_LONGEST], alike, n=1, cutoff=cutoff)
    return alike[near[0]] if near else None
