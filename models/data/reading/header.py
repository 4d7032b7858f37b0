"""Whether the first line of a table names its columns, by what stands in it and below it; and what it names them."""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from models.data.reading import cells, label, named
from models.data.reading.found import Fault, UnreadableError
from models.data.reading.told import Told

_ROWS, _LEAST_ROWS, _CELLS = 20, 5, 100_000
_MOST_NOTES = 20
_STEPS = 5
"""So many numbers in even steps are names; fewer may be an example."""
_FEW_STEPS = 3
"""So many are, beside a word that stands in no line below it."""


def is_header(rows: Sequence[Sequence[str]], decimal: str = ".") -> tuple[bool, str]:
    """Tell whether the first of the rows names the columns, and why."""
    first, below = rows[0], rows[1:]
    numbers = [value for cell in first if (value := cells.number(cell, decimal)) is not None]
    if _made_distinct(first):
        return True, "its numbers were made distinct, as pandas does with an example that it takes for names"
    words, new, again, within = _compared(first, below, decimal)
    steps = len(numbers) > 1 and _even_steps(numbers)
    if steps and not again and len(numbers) >= max(_STEPS, len(first) - 2):
        return True, "its numbers go up in even steps"
    if words + len(new) > within + again:
        what = "numbers stand below them" if words else "they stand in no line below it"
        return True, f"its cells are words, and {what}"
    if not again and len(set(first)) == len(first) and any(label.is_known(first[place]) for place in new):
        return (
            True,
            f"{next(first[place] for place in new if label.is_known(first[place]))!r} is what labels are called",
        )
    if new and steps and not again and len(numbers) >= _FEW_STEPS:
        return True, "its numbers go up in even steps, and its words stand in no line below it"
    if within > again:
        return False, "its cells are numbers, as those below them"
    texts = [cell.strip() for cell in first if cell.strip()]
    if not within + again and len(set(texts)) == len(texts) and not _come_again(first, below):
        return True, "its words stand in no line below it"
    return False, "its words stand in lines below it as well"


def names(first: Sequence[str], below: Sequence[Sequence[str]], width: int, told: Told) -> list[str]:
    """Give each of so many columns a name of its own, by the header and what stands below; raises UnreadableError."""
    found = [name.strip() for name in first]
    if len(found) == width - 1:
        if all(not row[-1].strip() for row in below):
            told.note("separator", "each row ends with a separator; nothing stands after it")
            found.append("")
        else:
            told.note("header", "the header has one name less than there are cells: the first column has none")
            found.insert(0, "")
    elif len(found) == width + 1 and not found[-1]:
        found.pop()
    if len(found) != width:
        raise UnreadableError(
            Fault("line 1", f"the header names {len(found)} columns, and the rows have {width} cells",
                  "give each column one name, and quote cells in which the separator stands")
        )  # fmt: skip
    named.check_lengths(found)
    notes = list[str]()
    for place, name in enumerate(found):
        if name:
            continue
        cells_below = [row[place].strip() for row in below]
        # A first column without a name, another in each row, is an index; see `roles`.
        if any(cells_below) and (place or len(set(cells_below)) < len(cells_below)):
            found[place] = str(place)
            notes.append(f"column {place}, counted from 0, has no name; it is called {found[place]!r}")
    seen, taken = Counter[str](), set(found)
    for place, name in enumerate(found):
        seen[name] += 1
        if name and seen[name] > 1:
            while (new := f"{name}.{seen[name] - 1}") in taken:
                seen[name] += 1
            taken.add(new)
            found[place] = new
            notes.append(f"the name {name!r} stands there more than once; one is called {new!r}")
    for note in notes[:_MOST_NOTES]:
        told.note("header", note)
    if len(notes) > _MOST_NOTES:
        told.note("header", f"{len(notes) - _MOST_NOTES:,} more have no name of their own, and were called likewise")
    return found


def _compared(first: Sequence[str], below: Sequence[Sequence[str]], decimal: str) -> tuple[int, list[int], int, int]:
    """Compare cells with those below them.

    Gives how many are words above numbers; the places of those above texts that come again, and not they; how many
    come again themselves; and how many are numbers about as large as those below them.
    """
    words = again = within = 0
    new = list[int]()
    count = max(_LEAST_ROWS, min(_ROWS, _CELLS // len(first)))
    for place, cell in enumerate(first):
        column = [row[place] for row in below[:count] if place < len(row) and not cells.is_missing(row[place])]
        if not column or cells.is_missing(cell):
            continue
        known = [value for other in column if (value := cells.number(other, decimal)) is not None]
        if len(known) > 0.9 * len(column):
            number = cells.number(cell, decimal)
            if number is None:
                words += 1
            else:
                span = max(known) - min(known)
                within += min(known) - span <= number <= max(known) + span
            continue
        texts = [row[place].strip() for row in below if place < len(row)]
        if cell.strip() in texts:
            again += 1
        elif len(set(texts)) <= len(texts) / 2:
            new.append(place)
    return words, new, again, within


def _come_again(first: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    return any(cell in {row[place] for row in below if place < len(row)} for place, cell in enumerate(first))


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
