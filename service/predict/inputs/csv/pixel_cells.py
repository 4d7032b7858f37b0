"""Pictures as rows of CSV, a number for each pixel as MNIST's often come; a line of names may stand before them."""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from math import prod
from typing import Any

from service.errors import Invalid
from service.predict.inputs.csv import sheet as sheets

_PLACES = re.compile(r"\d+")
_MOST_SHOWN = 40
_LEAST_COUNTED = 16  # so many numbers that count up are hardly a picture


def pictures(text: str, shape: tuple[int, ...], called: str) -> Iterator[tuple[int, list[Any]]]:
    """Give pictures as lists of lists [height, width] or [height, width, 3], and the line of each.

    Raises Invalid by the line of what is none, or where the names say that pixels come in another order.
    """
    inputs = prod(shape)
    sheet = sheets.opened(text, lambda cells: -abs(len(cells) - inputs))
    size, found = " x ".join(map(str, shape)), len(sheet.first)
    if found != inputs:
        what = f"there are {found:,} cells, and {called} takes pictures of {size} numbers"
        remedy = f"give each line the {inputs:,} numbers of a picture, row by row, and no label"
        raise sheets.refused(sheet.line, what, remedy)
    wrong = [cell for cell in sheet.first if _numbers([cell]) is None]
    if wrong and 2 * len(wrong) < inputs:
        raise _no_number(sheet.line, wrong[0])
    named = bool(wrong) or _counts(sheet.first)
    if named and not in_order(sheet.first):
        what = "these names do not count the pixels in their order"
        remedy = "name them pixel0, pixel1 and so on, row by row, or leave the line out"
        raise sheets.refused(sheet.line, what, remedy)
    for block, lines in sheet.blocks(skip=named):
        for line, row in zip(lines, block.rows(), strict=True):
            numbers = _numbers(row)
            if numbers is None:
                raise _no_number(line, next(cell for cell in row if _numbers([cell]) is None))
            yield line, _nested(numbers, shape)


def _no_number(line: int, cell: str) -> Invalid:
    comma = "; decimals have a point" if "," in cell else ""
    return sheets.refused(line, f"{cell[:_MOST_SHOWN]!r} is no number", f"give each pixel a number{comma}")


def _counts(cells: Sequence[str]) -> bool:
    """Whether there stands 0, 1, 2 and so on: names, as pandas gives them to columns that have none, and no picture."""
    return len(cells) >= _LEAST_COUNTED and any(
        all(cell == str(number) for number, cell in enumerate(cells, start)) for start in (0, 1)
    )


def _numbers(cells: Sequence[str]) -> list[Any] | None:
    # Python's own ways of writing numbers are nobody else's.
    if any("_" in cell for cell in cells):
        return None
    kinds: tuple[Callable[[str], Any], ...] = (int, float)
    for kind in kinds:
        try:
            return list(map(kind, cells))
        except ValueError:
            pass
    return None


def in_order(names: Sequence[str]) -> bool:
    """Whether names count up, as pixel0, pixel1 or 1x1, 1x2: whoever names columns first is not read row by row."""
    places = [tuple(map(int, _PLACES.findall(name[:_MOST_SHOWN]))) for name in names]
    return len(set(map(len, places))) == 1 and all(before < after for before, after in pairwise(places))


def _nested(numbers: list[Any], shape: tuple[int, ...]) -> list[Any]:
    if len(shape) == 1:
        return numbers
    step = len(numbers) // shape[0]
    return [_nested(numbers[start : start + step], shape[1:]) for start in range(0, len(numbers), step)]
