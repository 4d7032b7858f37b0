"""The cells of a column as numbers, levels or days, many at a time."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from models.data.reading import cells

_MISSING = pa.array(sorted(cells.MISSING))
_DAY = 86_400.0
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?")
_PARTS = re.compile(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4})")


class Numbers(NamedTuple):
    """What a column holds: numbers, NaN where none is; where nothing is, and where something that is no number.

    `texts` are the cells without blanks around them, and `blank` tells where nothing is, whatever the column.
    """

    values: NDArray[np.float64]
    missing: NDArray[np.bool_]
    bad: NDArray[np.bool_]
    texts: pa.Array
    blank: NDArray[np.bool_]


def stripped(column: pa.Array) -> tuple[pa.Array, NDArray[np.bool_]]:
    """Give the cells without blanks around them, and which of them say that nothing is there, bool [n]."""
    texts = pc.utf8_trim_whitespace(column)
    missing = pc.is_in(pc.utf8_lower(texts), value_set=_MISSING)
    return texts, missing.to_numpy(zero_copy_only=False)


def numbers(column: pa.Array, decimal: str) -> Numbers:
    """Read the cells of a column as numbers."""
    texts, missing = stripped(column)
    there = pc.if_else(pa.array(missing), pa.scalar(None, pa.string()), texts) if missing.any() else texts
    if decimal == ".":
        try:
            values = pc.cast(there, pa.float64()).to_numpy(zero_copy_only=False)
        except pa.ArrowInvalid:
            pass
        else:
            values = np.where(missing, np.nan, values)
            return Numbers(values, missing, np.zeros(len(values), bool), texts, missing)
    found = each(there, lambda text: _number(text, decimal))
    gone = each(there, lambda text: float(text.lower() in cells.MISSING_NUMBERS)) == 1.0
    bad = np.isnan(found) & ~missing & ~gone
    return Numbers(found, missing | gone, bad, texts, missing)


def each(texts: pa.Array, of: Callable[[str], float]) -> NDArray[np.float64]:
    """Give a number for each text, by a function that is asked once of each distinct one; NaN for none."""
    encoded = texts.dictionary_encode()
    known = np.array([of(text) for text in encoded.dictionary.to_pylist()] + [np.nan])
    places = encoded.indices.fill_null(len(known) - 1).to_numpy(zero_copy_only=False)
    found: NDArray[np.float64] = known[places]
    return found


def counts(texts: pa.Array) -> dict[str, int]:
    """Count the distinct texts."""
    found = texts.value_counts()
    return dict(zip(found.field("values").to_pylist(), found.field("counts").to_pylist(), strict=True))


def level(text: str) -> str:
    """Give what a level is called: as it stands, but 1 for 1.0."""
    number = cells.whole(text)
    return text if number is None or "." not in text else str(number)


def day(text: str, *, day_first: bool = True) -> float:
    """Give the days from the beginning of 1970 to a date, with a fraction for the time; NaN for what is none."""
    try:
        if _ISO.fullmatch(text):
            moment = datetime.fromisoformat(text)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() / _DAY
        if parts := _PARTS.fullmatch(text):
            first, second, year = int(parts[1]), int(parts[3]), int(parts[4])
            day_of, month = (first, second) if day_first or parts[2] == "." else (second, first)
            return datetime(year, month, day_of, tzinfo=UTC).timestamp() / _DAY
    except ValueError:
        pass
    return float("nan")


def is_date(text: str) -> bool:
    """Whether a text is a date, with the day or the month first."""
    return not np.isnan(day(text)) or not np.isnan(day(text, day_first=False))


def is_day_first(texts: list[str]) -> bool | None:
    """Whether of dates as 3/4/2020 the day stands first; None where each may be read both ways."""
    slashed = [text for text in texts if (parts := _PARTS.fullmatch(text)) and parts[2] != "."]
    if any(np.isnan(day(text, day_first=False)) for text in slashed):
        return True
    return False if any(np.isnan(day(text)) for text in slashed) else (None if slashed else True)


def _number(text: str, decimal: str) -> float:
    value = cells.number(text, decimal)
    return np.nan if value is None else value
