"""One cell of a row: from what clients send to the number that is stored, by the column's type and levels."""

import math
from collections.abc import Mapping
from difflib import get_close_matches
from reprlib import Repr
from typing import Any

from models.data.plan import Levels, Number
from models.data.reading.cells import FALSE, MISSING, MISSING_NUMBERS, TRUE
from models.data.schema import Column

UNKNOWN = -1.0
"""The place of a level that nobody knows; see `models.data.plan`."""

FARTHEST = 1e15
"""So many deviations a number may be from the mean of those that were learned from: beyond, sums may overflow."""

_MOST_TOLD = 12  # levels of a column

_repr = Repr()
_repr.maxstring = _repr.maxother = 60


class Missing(Exception):  # noqa: N818 - whether it is an error is the schema's to say
    """There is nothing in the cell."""


class UnknownLevel(Exception):  # noqa: N818
    """The cell has a level that nobody knows."""


class Wrong(Exception):  # noqa: N818
    """The cell holds what its column cannot: what is wrong, and the remedy."""


class Cell:
    """Reads the cells of one column; `usual` is what stands for a missing one, as clients would send it."""

    def __init__(self, column: Column, planned: Number | Levels) -> None:
        self.name, self.type = column.name, column.type
        self.levels = column.levels
        self.places: Mapping[str, float] = {level: float(place) for place, level in enumerate(column.levels)}
        self._alike = _alike(column.levels)
        self._truths = _truths(column.levels)
        self.least, self.most = UNKNOWN, math.inf
        if isinstance(planned, Number):
            self.least = planned.mean - FARTHEST * planned.deviation
            self.most = planned.mean + FARTHEST * planned.deviation
        self.usual: float | str
        self.usual = planned.median if isinstance(planned, Number) else column.levels[planned.usual]

    def read(self, value: Any) -> float:
        """Give the number of a cell; raises Missing, UnknownLevel, or Wrong."""
        if value is None:
            raise Missing
        if isinstance(value, (list, dict)):
            raise Wrong(f"this is no single value; send {self.asks}")
        if self.type == "number":
            number = _number(value)
            if not self.least < number < self.most:
                raise Wrong(
                    f"{shown(value)} is too far from all that was learned from for anything to be computed of it; send "
                    f"a number between {self.least:g} and {self.most:g}"
                )
            return number
        if self.type == "boolean" and (place := self._truth(value)) is not None:
            return place
        return self._level(value)

    @property
    def asks(self) -> str:
        """Say what to send."""
        if self.type == "number":
            return "a number"
        told = ", ".join(self.levels[:_MOST_TOLD]) + (", ..." if len(self.levels) > _MOST_TOLD else "")
        return f"true, false, or one of {told}" if self.type == "boolean" else f"one of {told}"

    def nearest(self, value: Any) -> str:
        """Say which level may have been meant."""
        near = get_close_matches(str(value)[:100], self.levels, n=1)
        return f"did you mean {near[0]}?" if near else f"send {self.asks}"

    def _truth(self, value: Any) -> float | None:
        text = _text(value)
        return self.places.get(text, self._truths.get(text.casefold()))

    def _level(self, value: Any) -> float:
        text = _text(value)
        if text in self.places:
            return self.places[text]
        if text.lower() in MISSING:
            raise Missing
        if (place := self._alike.get(_canonical(text))) is not None:
            return place
        raise UnknownLevel


def shown(value: Any) -> str:
    """Show what was sent, shortened."""
    return _repr.repr(value)


def _number(value: Any) -> float:
    if isinstance(value, bool):
        raise Wrong("this is true or false, and no number; send a number")
    if isinstance(value, str):
        text = value.strip()
        if text.lower() in MISSING or text.lower() in MISSING_NUMBERS:
            raise Missing
        try:
            # Python's own ways of writing numbers are nobody else's.
            value = float("" if "_" in text else text)
        except ValueError:
            comma = "; write decimals with a point" if "," in text else ""
            raise Wrong(f"{shown(text)} is no number; send a number{comma}") from None
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise Wrong("this number is not finite; send a finite one")
    return number


def _text(value: Any) -> str:
    """Give a level as it may be written in a file: 3 and 3.0 are "3", true is "True"."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def _truths(levels: tuple[str, ...]) -> dict[str, float]:
    """Give the places of the two levels of a boolean by all words, in small letters, that can mean no other one."""
    places = {level.casefold(): float(place) for place, level in enumerate(levels)}
    if len(places) != len(levels):
        return {}
    for false, true in (levels, levels[::-1]) if len(levels) == 2 else ():
        if false.casefold() in FALSE and true.casefold() in TRUE:
            for words, level in ((FALSE, false), (TRUE, true)):
                places |= {word: places[level.casefold()] for word in words}
    return places


def _canonical(text: str) -> object:
    try:
        number = float("" if "_" in text else text)
    except ValueError:
        return text.casefold() if text in ("True", "False") else text
    return number if math.isfinite(number) else text


def _alike(levels: tuple[str, ...]) -> dict[object, float]:
    """Give the places of levels by what they stand for: "3" and "3.0" are one number, if no two levels are."""
    found: dict[object, float] = {}
    for place, level in enumerate(levels):
        key = level.casefold() if level.casefold() in ("true", "false") else _canonical(level)
        found[key] = float(place)
    return found if len(found) == len(levels) else {}
