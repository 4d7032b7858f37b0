"""What stands in one cell: a number, however it is written, or nothing; in files, and in rows that are asked about."""

import re
from collections.abc import Iterable

MISSING = frozenset({"", "?", "na", "n/a", "#n/a", "nan", "null", "-", "_"})
"""What means that nothing is there, in small letters and without blanks around."""

MISSING_NUMBERS = frozenset({"none", ".", "--"})
"""What means so as well in a column of numbers."""

TRUE, FALSE = frozenset({"true", "t", "yes", "y", "on", "1"}), frozenset({"false", "f", "no", "n", "off", "0"})
"""Words for the two levels of a boolean, in small letters."""

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_INFINITE = re.compile(r"[+-]?(inf|infinity)", re.IGNORECASE)
_WHOLE = re.compile(r"[+-]?\d+(\.0*)?")
_GROUPS = {mark: re.compile(rf"[+-]?[1-9]\d{{0,2}}({re.escape(mark)}\d{{3}})+") for mark in ",."}

_ONE_GROUP = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
_WITH_COMMA = re.compile(r"[+-]?(\d*|\d{1,3}(\.\d{3})+),\d+([eE][+-]?\d+)?|[+-]?\d{1,3}(\.\d{3}){2,}")
_WITH_POINT = re.compile(r"[+-]?\d{1,3}(,\d{3})+\.\d*|[+-]?\d{1,3}(,\d{3}){2,}")


def is_missing(cell: str) -> bool:
    """Whether the cell says that nothing is there."""
    return cell.strip().lower() in MISSING


def number(cell: str, decimal: str = ".") -> float | None:
    """Give the number that a cell holds, or None; infinite ones are given as such.

    Thousands may be set off by the other of comma and point, where it cannot be anything else.
    """
    text = cell.strip()
    if _NUMBER.fullmatch(text):
        # Where decimals have a comma, a single point may be either; nobody can tell.
        return float(text) if decimal == "." or "." not in text else None
    if _INFINITE.fullmatch(text):
        return float(text)
    other = "," if decimal == "." else "."
    head, mark, tail = text.partition(decimal)
    if other in head:
        if not _GROUPS[other].fullmatch(head) or (decimal == "," and not mark and head.count(".") < 2):
            return None
        head = head.replace(other, "")
    plain = f"{head}.{tail}" if mark else head
    return float(plain) if _NUMBER.fullmatch(plain) else None


def is_infinite(cell: str) -> bool:
    """Whether the cell says that a number is infinite."""
    return _INFINITE.fullmatch(cell.strip()) is not None


def whole(cell: str) -> int | None:
    """Give the whole number that a cell holds, written as 5 or 5.0, or None."""
    text = cell.strip()
    return int(text.partition(".")[0]) if _WHOLE.fullmatch(text) and len(text) < 300 else None


def decimal_mark(cells: Iterable[str], separator: str = ",") -> tuple[str, str]:
    """Tell whether decimals have a point or a comma, by cells that may hold numbers; and what of it is in doubt.

    `9,795` alone may be either. Who separates cells by semicolons does so because commas stand within them.
    """
    commas = points = 0
    either = ""
    for cell in cells:
        text = cell.strip()
        if _NUMBER.fullmatch(text):
            points += "." in text and not _GROUPS["."].fullmatch(text)
        elif _ONE_GROUP.fullmatch(text):
            either = either or text
        elif _WITH_COMMA.fullmatch(text):
            commas += 1
        elif _WITH_POINT.fullmatch(text):
            points += 1
    if commas or points or not either:
        return ("," if commas > points else "."), ""
    if separator == ";":
        return (
            ",",
            f"{either} is taken for a number with decimals, as semicolons separate cells; decimal=. says otherwise",
        )
    return (
        ".",
        f'{either!r} is taken for thousands, which are set off by a comma; decimal="," says that it has decimals',
    )
