"""Whether the first line of a table names its columns, by what stands in it and below it."""

import re
from collections.abc import Sequence
from itertools import pairwise

from models.data.reading import cells

_ROWS = 20
_STEPS = 5
"""So many numbers in even steps are names; fewer may be an example."""


def is_header(rows: Sequence[Sequence[str]], decimal: str = ".") -> tuple[bool, str]:
    """Tell whether the first of the rows names the columns, and why."""
    first, below = rows[0], rows[1:]
    numbers = [value for cell in first if (value := cells.number(cell, decimal)) is not None]
    if _made_distinct(first):
        return True, "its numbers were made distinct, as pandas does with an example that it takes for names"
    if len(numbers) >= max(_STEPS, len(first) - 2) and _even_steps(numbers):
        return True, "its numbers go up in even steps"
    names = values = 0
    for place, cell in enumerate(first):
        column = [row[place] for row in below[:_ROWS] if place < len(row) and not cells.is_missing(row[place])]
        if not column:
            continue
        are_numbers = sum(cells.number(other, decimal) is not None for other in column) > 0.9 * len(column)
        if are_numbers and cells.number(cell, decimal) is not None:
            values += 1
        elif are_numbers and not cells.is_missing(cell):
            names += 1
    if values or names:
        if names > values:
            return True, "its cells are words, and numbers stand below them"
        return False, "its cells are numbers, as those below them"
    texts = [cell.strip() for cell in first if cell.strip()]
    again = sum(cell in {row[place] for row in below if place < len(row)} for place, cell in enumerate(first))
    if len(set(texts)) == len(texts) and not again:
        return True, "its words stand in no line below it"
    return False, "its words stand in lines below it as well"


def _even_steps(numbers: Sequence[float]) -> bool:
    step = numbers[1] - numbers[0]
    scale = max(abs(number) for number in numbers)
    return step > 0 and all(abs(later - former - step) <= 1e-9 * scale for former, later in pairwise(numbers))


def _made_distinct(first: Sequence[str]) -> bool:
    """Whether an example was taken for names once: `0, 0.1, 0.2` of three cells that held 0."""
    seen = dict[str, int]()
    again = 0
    for cell in first:
        base, _, place = cell.strip().rpartition(".")
        if re.fullmatch(r"\d+", base) and re.fullmatch(r"[1-9]\d*", place) and seen.get(base) == int(place):
            seen[base] += 1
            again += 1
        elif re.fullmatch(r"\d+", cell.strip()) and cell.strip() not in seen:
            seen[cell.strip()] = 1
        else:
            return False
    return again >= _STEPS
