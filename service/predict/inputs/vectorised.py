"""A whole column of cells at once: what is clean is taken by numpy or a dictionary, and the rest cell by cell."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from service.predict.inputs.cell_values import UNKNOWN, Cell, Missing, UnknownLevel, Wrong
from service.predict.inputs.csv.byte_block import ByteColumn


class TakenColumn(NamedTuple):
    """Values [n] of one column as they are stored, and the places of rows, in order, where there is more to say.

    `wrong` is the first row whose cell holds what the column cannot; what comes behind it has not been looked at.
    """

    values: NDArray[np.float64]
    missing: Sequence[int] = ()
    unknown: Sequence[int] = ()
    wrong: int | None = None


def take(cell: Cell, sent: Sequence[Any], decimal: str = "", *, are_texts: bool = False) -> TakenColumn:
    """Take the cells of one column as `Cell.read` takes each; an array of numpy's may stand for a list.

    `are_texts` says that all of them are texts, so that nobody has to look.
    """
    if not are_texts:
        are_texts = not isinstance(sent, np.ndarray) and set(map(type, sent)) == {str}
    values, doubtful = (
        _numbers(cell, sent, decimal, are_texts) if cell.type == "number" else _levels(cell, sent, are_texts)
    )
    missing, unknown = list[int](), list[int]()
    known = dict[Any, float | type[Exception]]()  # what texts were found to be, and nothing
    for place in doubtful:
        value = plain(sent[place])
        found = known.get(value) if isinstance(value, str | None) else None
        if found is None:
            try:
                found = cell.read(value, decimal)
            except (Missing, UnknownLevel) as error:
                found = type(error)
            except Wrong:
                return TakenColumn(values, missing, unknown, place)
            if isinstance(value, str | None):
                known[value] = found
        if found is Missing:
            values[place] = math.nan
            missing.append(place)
        elif found is UnknownLevel:
            values[place] = UNKNOWN
            unknown.append(place)
        else:
            values[place] = cast(float, found)
    return TakenColumn(values, missing, unknown)


def plain(value: Any) -> Any:
    """Give a value of numpy's as Python's own."""
    return value.item() if isinstance(value, np.generic) else value


def _numbers(
    cell: Cell, sent: Sequence[Any], decimal: str, are_texts: bool
) -> tuple[NDArray[np.float64], Sequence[int]]:
    """Give numbers, and the places of those that have to be looked at one by one."""
    if isinstance(sent, ByteColumn) and decimal != ",":
        numbers: NDArray[np.float64] | None = _of_bytes(sent)
    else:
        numbers = _of_texts(sent, decimal) if are_texts else _of_numbers(sent)
    if numbers is None:
        return np.full(len(sent), math.nan), range(len(sent))
    clean = (cell.least < numbers) & (numbers < cell.most)  # which is true of no number that is none
    return numbers, () if clean.all() else np.flatnonzero(~clean).tolist()


def _of_bytes(column: ByteColumn) -> NDArray[np.float64]:
    """Give what are plainly numbers; those that are longer are read as texts, NaN where one has to look."""
    numbers = column.numbers()
    if len(rest := np.flatnonzero(np.isnan(numbers))):
        # Of many it is sooner to make texts of all.
        texts = [column[row] for row in rest.tolist()] if len(rest) < len(numbers) // 8 else column.texts()
        longer = _of_texts(texts, "")
        if longer is not None:
            numbers[rest] = longer if len(longer) == len(rest) else longer[rest]
    return numbers


def _of_numbers(sent: Sequence[Any]) -> NDArray[np.float64] | None:
    """Give numbers, NaN where there is nothing; None where one has to look everywhere."""
    if isinstance(sent, np.ndarray):
        # A copy: what is written into it is not to be seen by who sent it.
        return sent.astype(np.float64) if sent.dtype.kind in "iuf" else None
    types = set(map(type, sent))
    try:
        if types <= {int, float}:
            return np.array(sent, np.float64)
        if types <= {int, float, type(None)}:
            return np.array([math.nan if value is None else value for value in sent], np.float64)
    except OverflowError:
        pass
    return None


def _of_texts(texts: Sequence[str], decimal: str) -> NDArray[np.float64] | None:
    """Give what are plainly numbers, NaN where one has to look; None where that is everywhere."""
    # Python's own ways of writing numbers are nobody else's.
    if "_" in "".join(texts):
        return None
    if decimal == ",":
        # Where a point stands, or two commas, one has to look what they are.
        texts = ["." if "." in text else text.replace(",", ".") for text in texts]
    try:
        return np.fromiter(map(float, texts), np.float64, len(texts))
    except ValueError:
        return np.array([_float(text) for text in texts], np.float64)


def _float(text: str) -> float:
    # An empty cell is by far the most frequent of those that are no number.
    if not text:
        return math.nan
    try:
        return float(text)
    except ValueError:
        return math.nan


def _levels(cell: Cell, sent: Sequence[Any], are_texts: bool) -> tuple[NDArray[np.float64], Sequence[int]]:
    """Give the places of levels, and the places of cells that have to be looked at one by one."""
    if not are_texts:
        return np.full(len(sent), math.nan), range(len(sent))
    if isinstance(sent, ByteColumn):
        if (values := sent.levels(cell.short_levels)) is not None:
            return values, np.flatnonzero(np.isnan(values)).tolist()
        sent = sent.texts()
    try:
        return np.fromiter(map(cell.places.__getitem__, sent), np.float64, len(sent)), ()
    except KeyError:
        values = np.array([cell.places.get(text, math.nan) for text in sent], np.float64)
        return values, np.flatnonzero(np.isnan(values)).tolist()
