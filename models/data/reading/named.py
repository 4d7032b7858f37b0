"""Columns by their names or places, as options say them."""

import difflib
from collections.abc import Sequence

from models.data.reading.found import MOST_FAULTS, Fault, UnreadableError

MOST_CHARACTERS = 200
"""Names of columns and classes are no longer than this."""


def check_lengths(names: Sequence[str]) -> None:
    """Raise UnreadableError where columns have names that are too long."""
    long = [(place, name) for place, name in enumerate(names) if len(name) > MOST_CHARACTERS]
    if long:
        raise UnreadableError(
            *(
                Fault(
                    "columns",
                    f"the name of column {place}, counted from 0, {name[:40]!r} ..., has {len(name):,} characters; "
                    f"at most {MOST_CHARACTERS}",
                    "give it a shorter name; if the first line is an example, say header=false",
                )
                for place, name in long[:MOST_FAULTS]
            )
        )


def check_class(name: str, where: str, remedy: str) -> None:
    """Raise UnreadableError where a class has a name that is too long."""
    if len(name) > MOST_CHARACTERS:
        what = f"the class {name[:40]!r} ... has {len(name):,} characters; at most {MOST_CHARACTERS}"
        raise UnreadableError(Fault(where, what, remedy))


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
