"""One cell of a row: from what clients send to the number that is stored, by the column's type and levels."""

import math
from collections.abc import Iterable, Mapping
from reprlib import Repr
from typing import Any

from models.data.level_spellings import alike, canonical, truths
from models.data.plan import FARTHEST, Levels, Number
from models.data.reading import cells
from models.data.reading.cells import MISSING, MISSING_NUMBERS
from models.data.schema import Column
from service.predict.inputs.csv.byte_block import Levels as ShortLevels
from service.predict.inputs.nearest_name import nearest

UNKNOWN = -1.0
"""The place of a level that nobody knows; see `models.data.plan`."""

_MOST_TOLD = 12  # levels of a column
_LONGEST_LEVEL = 1000

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
        self.short_levels = ShortLevels(self.places if self.type != "number" else {})
        self._alike = alike(column.levels)
        self._truths = truths(column.levels)
        self._folded = folded(column.levels)
        self.least, self.most = UNKNOWN, math.inf
        if isinstance(planned, Number):
            self.least = planned.mean - FARTHEST * planned.deviation
            self.most = planned.mean + FARTHEST * planned.deviation
        self.usual: float | str
        self.usual = planned.median if isinstance(planned, Number) else column.levels[planned.usual]
        # A boolean has two levels and one number: there is none left for a third.
        self.instead = column.levels[0] if self.type == "boolean" else None

    def read(self, value: Any, decimal: str = "") -> float:
        """Give the number of a cell; raises Missing, UnknownLevel, or Wrong.

        `decimal` is the mark that decimals have in texts, a point or a comma, as far as that is known from others.
        """
        if value is None or value != value:  # a number that is none stands for nothing, in arrays and data frames
            raise Missing
        if isinstance(value, (list, dict)):
            raise Wrong(f"this is no single value; send {self.asks}")
        if self.type == "number":
            number = _number(value, decimal)
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

    def meant(self, value: Any) -> str | None:
        """Give the level that is written so, but for small and capital letters and blanks."""
        return self._folded.get(fold(str(value)[:_LONGEST_LEVEL]))

    def nearest(self, value: Any) -> str:
        """Say which level may have been meant."""
        near = self.meant(value) or nearest(str(value), self.levels)
        return f"send {self.asks}" if near is None else f"did you mean {near}?"

    def _truth(self, value: Any) -> float | None:
        text = _text(value)
        return self.places.get(text, self._truths.get(text.casefold()))

    def _level(self, value: Any) -> float:
        text = _text(value)
        if text in self.places:
            return self.places[text]
        if text.lower() in MISSING:
            raise Missing
        if (place := self._alike.get(canonical(text))) is not None:
            return place
        raise UnknownLevel


def shown(value: Any) -> str:
    """Show what was sent, shortened."""
    return _repr.repr(value)


def fold(text: str) -> str:
    """Give a name as it is compared where small and capital letters, and blanks, do not count."""
    return "".join(text.casefold().split())


def folded(names: Iterable[str]) -> Mapping[str, str]:
    """Give those names that are still told apart without small and capital letters and blanks, by what is left."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(fold(name), []).append(name)
    return {key: same[0] for key, same in found.items() if len(same) == 1}


def _number(value: Any, decimal: str) -> float:
    if isinstance(value, bool):
        raise Wrong("this is true or false, and no number; send a number")
    if isinstance(value, str):
        value = _written(value.strip(), decimal)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise Wrong("this number is not finite; send a finite one")
    return number


def _written(text: str, decimal: str) -> float:
    """Give the number that is written so, as in a file: thousands may be set off where it cannot be anything else."""
    if text.lower() in MISSING or text.lower() in MISSING_NUMBERS:
        raise Missing
    if decimal != ",":
        try:
            # Python's own ways of writing numbers are nobody else's.
            return float("" if "_" in text else text)
        except ValueError:
            pass
    number = cells.number(text, decimal or ".")
    if number is not None and (decimal or not cells.decimal_mark([text])[1]):
        return number
    if decimal == "," and cells.number(text) is not None:
        raise Wrong(f"{shown(text)} has a point, and other decimals have a comma; write all alike")
    if number is not None:
        raise Wrong(f"{shown(text)} may have thousands or decimals; write no thousands, and decimals with a point")
    comma = "; write decimals with a point" if "," in text else ""
    raise Wrong(f"{shown(text)} is no number; send a number{comma}")


def _text(value: Any) -> str:
    """Give a level as it may be written in a file: 3 and 3.0 are "3", true is "True"."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()
