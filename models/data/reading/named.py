"""Columns by their names or places, as options say them."""

import difflib
from collections.abc import Sequence

from models.data.reading.found import Fault, UnreadableError


def place_of(said: str | int, names: Sequence[str], option: str) -> int:
    """Give the place of a column that an option names; raises UnreadableError that tells the nearest name."""
    if isinstance(said, str):
        if said in names:
            return list(names).index(said)
        alike = [place for place, name in enumerate(names) if name.strip().lower() == said.strip().lower()]
        if len(alike) == 1:
            return alike[0]
    if isinstance(said, int) or said.isdecimal():
        if int(said) < len(names):
            return int(said)
        raise UnreadableError(
            Fault(option, f"there is no column {said}; the file has {len(names)}", "count them from 0, or say a name")
        )
    raise UnreadableError(Fault(option, f"no column is called {said!r}", nearest(said, names)))


def nearest(said: str, names: Sequence[str]) -> str:
    """Give the remedy for a name that nothing has: the nearest ones, or the first of all."""
    close = difflib.get_close_matches(said, names, 3) or difflib.get_close_matches(
        said.lower(), [name.lower() for name in names], 3
    )
    if close:
        return f"the nearest: {', '.join(close)}"
    shown = ", ".join(list(names)[:10])
    return f"those that there are: {shown}{', ...' if len(names) > 10 else ''}"
