"""What stands in one cell: a number, however it is written, or nothing."""

import re

MISSING = frozenset({"", "?", "na", "n/a", "#n/a", "nan", "null", "-", "_"})
"""What means that nothing is there, in small letters and without blanks around."""

MISSING_NUMBERS = frozenset({"none", ".", "--"})
"""What means so as well in a column of numbers."""

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_INFINITE = re.compile(r"[+-]?(inf|infinity)", re.IGNORECASE)
_WHOLE = re.compile(r"[+-]?\d+(\.0*)?")
_GROUPS = {mark: re.compile(rf"[+-]?[1-9]\d{{0,2}}({re.escape(mark)}\d{{3}})+") for mark in ",."}


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


def whole(cell: str) -> int | None:
    """Give the whole number that a cell holds, written as 5 or 5.0, or None."""
    text = cell.strip()
    return int(text.partition(".")[0]) if _WHOLE.fullmatch(text) and len(text) < 300 else None


def decimal_mark(cells: list[str]) -> str:
    """Tell whether decimals have a point or a comma, by cells that may hold numbers."""
    commas = points = 0
    for cell in cells:
        text = cell.strip()
        if re.fullmatch(r"[+-]?\d*,\d+([eE][+-]?\d+)?", text):
            commas += not _GROUPS[","].fullmatch(text)
        points += "." in text and _NUMBER.fullmatch(text) is not None and not _GROUPS["."].fullmatch(text)
    return "," if commas > points else "."
