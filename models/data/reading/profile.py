"""What a column of a table holds, over the whole file: counted while its rows pass."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from models.data.reading import columns
from models.data.reading.found import MOST_FAULTS

MOST_LEVELS = 1000
"""A column of more distinct texts is none of levels, whatever is said."""

LARGEST = float(np.finfo(np.float32).max)
"""A network works with numbers up to this one."""

MOST_BYTES = 64 * 1024
"""A cell holds no more."""

Place = tuple[str, str]
"""Where something stands, and what."""


@dataclass
class Profile:
    """What stands in a column: how often nothing, and how it is written; which levels, numbers and dates."""

    name: str
    rows: int = 0
    missing: Counter[str] = field(default_factory=Counter)
    gone: Counter[str] = field(default_factory=Counter)  # what means nothing in a column of numbers alone
    levels: Counter[str] | None = field(default_factory=Counter)
    numbers: int = 0
    dates: int = 0
    least: float = np.inf
    greatest: float = -np.inf
    total: float = 0.0
    whole: bool = True
    bad: list[Place] = field(default_factory=list)
    infinite: list[Place] = field(default_factory=list)  # or larger than a network's numbers
    long: list[Place] = field(default_factory=list)
    some: list[str] = field(default_factory=list)

    @property
    def there(self) -> int:
        """Count the cells that hold something."""
        return self.rows - sum(self.missing.values())

    @property
    def distinct(self) -> list[str]:
        """Give the distinct texts, if there are not too many."""
        return [] if self.levels is None else list(self.levels)

    def add(self, column: pa.Array, decimal: str, where: Callable[[int], str]) -> None:
        """Take some rows."""
        found = columns.numbers(column, decimal)
        texts, blank = found.texts, found.blank
        self.rows += len(column)
        there = texts
        if blank.any():
            self.missing.update(columns.counts(texts.filter(pa.array(blank))))
            there = texts.filter(pa.array(~blank))
        if (gone := found.missing & ~blank).any():
            self.gone.update(columns.counts(texts.filter(pa.array(gone))))
        known = found.values[~np.isnan(found.values)]
        self.numbers += len(known)
        self._note_infinite(column, found.values, where)
        finite = known[np.abs(known) <= LARGEST]
        if len(finite):
            self.least, self.greatest = min(self.least, float(finite.min())), max(self.greatest, float(finite.max()))
            self.total += float(finite.sum())
            self.whole = self.whole and bool((finite == np.rint(finite)).all())
        lengths = pc.binary_length(texts).to_numpy(zero_copy_only=False)
        for row in np.flatnonzero(lengths > MOST_BYTES)[: MOST_FAULTS - len(self.long)]:
            self.long.append((where(int(row)), column[int(row)].as_py()))
        for row in np.flatnonzero(found.bad)[: MOST_FAULTS - len(self.bad)]:
            self.bad.append((where(int(row)), column[int(row)].as_py()))
        if self.levels is not None:
            self._count(there)
        if len(known) < len(there):
            self._look_at_texts(there)

    def _note_infinite(self, column: pa.Array, values: NDArray[np.float64], where: Callable[[int], str]) -> None:
        for row in np.flatnonzero(np.abs(values) > LARGEST)[: MOST_FAULTS - len(self.infinite)]:
            self.infinite.append((where(int(row)), column[int(row)].as_py()))

    def _count(self, there: pa.Array) -> None:
        assert self.levels is not None
        if len(there) > 2 * MOST_LEVELS and len(pc.unique(there.slice(0, 2 * MOST_LEVELS))) > MOST_LEVELS:
            self.levels = None
            return
        self.levels.update(columns.counts(there))
        if len(self.levels) > MOST_LEVELS:
            self.levels = None

    def _look_at_texts(self, there: pa.Array) -> None:
        if len(self.some) < MOST_LEVELS:
            self.some += pc.unique(there.slice(0, MOST_LEVELS)).to_pylist()
        dates = columns.each(there, lambda text: float(columns.is_date(text)))
        self.dates += int(dates.sum())
