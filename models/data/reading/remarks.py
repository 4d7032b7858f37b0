"""Lines that begin with # in a text that begins with such: remarks, or examples whose first cell begins so."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass

from models.data.reading import cells

_LINE = re.compile(rb"(?m)^#[^\n]*")


@dataclass(frozen=True)
class Remarks:
    """Tells remarks from examples, by the cells that the other lines have: how many, and whether the first are numbers.

    A line of as many cells is an example. Where the first column holds numbers, `#5.1,...` is one that was taken out.
    """

    separator: str
    quote: str
    width: int
    numbers: bool

    def is_example(self, line: str) -> bool:
        """Whether a line that begins with # is an example."""
        row = self.cells(line)
        return self.is_whole(line) and not (self.numbers and cells.number(row[0].lstrip("# ")) is not None)

    def is_whole(self, line: str) -> bool:
        """Whether a line has as many cells as the others."""
        return len(self.cells(line)) == self.width > 1

    def cells(self, line: str) -> list[str]:
        """Give the cells of a line."""
        try:
            return next(csv.reader([line], delimiter=self.separator, quotechar=self.quote), [])
        except csv.Error:
            return []

    def without(self, data: bytes) -> bytes:
        """Give whole lines with nothing where remarks were, so that the others keep their numbers."""
        mark = self.quote.encode()
        seen = quotes = 0

        def kept(match: re.Match[bytes]) -> bytes:
            nonlocal seen, quotes
            quotes += data.count(mark, seen, match.start())
            seen = match.start()
            # Within quotes it is the next line of a cell.
            if quotes % 2 or self.is_example(match[0].decode(errors="replace")):
                return match[0]
            seen = match.end()
            return b""

        return _LINE.sub(kept, data)


def of(rows: Sequence[Sequence[str]], separator: str, quote: str) -> Remarks:
    """Know remarks by some rows that begin otherwise."""
    width = max(map(len, rows), key=[len(row) for row in rows].count, default=0)
    first = [row[0] for row in rows if len(row) == width and not cells.is_missing(row[0])]
    numbers = sum(cells.number(cell) is not None for cell in first)
    return Remarks(separator, quote, width, numbers > len(first) / 2)
