"""Rows of CSV (RFC 4180) a block at a time, in bounded memory; what is none is refused by the number of its line."""

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from io import StringIO
from itertools import islice
from typing import NamedTuple

from models.data.reading import cells as in_files
from service.errors import Fault, Invalid
from service.predict.inputs.csv.byte_block import ByteBlock

SEPARATORS = ",;\t|"
LONGEST_LINE = 2**18
"""Letters of a row. What is read in one go keeps the interpreter to itself, and many cells would fill the memory."""

_BLOCK = 2**17  # bytes of some rows
_CALLED = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_SAID = re.compile(r'"?sep=([,;\t|])"?,*\s*', re.IGNORECASE)  # Excel's own first line
_MOST_SHOWN = 60
_MOST_MARKED = 10_000  # numbers by which it is told which mark decimals have


class TextBlock(NamedTuple):
    """The cells of some rows of one width, one row behind the other."""

    cells: Sequence[str]
    width: int

    def column(self, place: int) -> Sequence[str]:
        """Give the cells of a column."""
        return self.cells[place :: self.width]

    def rows(self) -> Iterator[Sequence[str]]:
        """Give the cells of each row."""
        return (self.cells[start : start + self.width] for start in range(0, len(self.cells), self.width))


Block = tuple[ByteBlock | TextBlock, Sequence[int]]
"""Some rows, and the lines in which they begin, from 1."""


class Sheet(NamedTuple):
    """Rows whose first has been looked at: what separates their cells, and the first line that is not yet read."""

    text: str
    separator: str
    first: Sequence[str]
    line: int

    def blocks(self, *, skip: bool, numbers: Sequence[int] = ()) -> Iterator[Block]:
        """Give all rows, or all but the first, as wide as that; raises Invalid by the line of one that is not.

        `numbers` are the columns in which numbers are expected.
        """
        separator, width, line, start = self.separator, len(self.first), self.line, 0
        data = self.text.encode() if width > 1 and '"' not in self.text else b""
        # Where nothing is quoted, each line is a row. Blank ones may stand at the end.
        end = len(data.rstrip(b"\n"))
        while start < end:
            stop = _line_end(data, start, end)
            block = ByteBlock.of(data[start:stop], separator.encode(), width) if stop - start <= _BLOCK else None
            if block is None:
                break
            if len(block) > skip:
                rows = block.without_first() if skip else block
                rows.expected = numbers
                yield rows, range(line + skip, line + len(block))
            start, line, skip = stop + 1, line + len(block), False
        if data and start >= end:
            return
        cells, lines = list[str](), list[int]()
        for at, row in _rows(data[start:].decode() or self.text, separator, line):
            if skip:
                skip = False
                continue
            if len(row) != width:
                raise _ragged(at, row, width, separator)
            cells += row
            lines.append(at)
            if len(cells) * 4 > _BLOCK:
                yield TextBlock(cells, width), lines
                cells, lines = [], []
        if lines:
            yield TextBlock(cells, width), lines


def opened(text: str, fitness: Callable[[Sequence[str]], int]) -> Sheet:
    """Find out what separates the cells: that by which the first row is fittest; of equals, the comma comes first.

    Raises Invalid where there is no first row.
    """
    text = text.removeprefix("\ufeff")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    place = text.find("\0")
    if place >= 0:
        raise refused(text.count("\n", 0, place) + 1, "a NUL stands there, and in CSV none does", "send a text")
    line, end = 1, text.find("\n") + 1 or len(text)
    said = _SAID.fullmatch(text[:end]) if end < LONGEST_LINE else None
    if said is not None:
        text, line = text[end:], 2
    if not text.strip():
        raise refused(line, "there is no row", "send a line with the names of the columns, and one for each row")
    if text.startswith("#"):
        raise refused(line, "a remark stands there", "leave out lines that begin with #; the first names the columns")
    firsts = [(separator, _first(text, separator, line)) for separator in ([said[1]] if said else SEPARATORS)]
    found = [(separator, first) for separator, first in firsts if not isinstance(first, Invalid)]
    if not found and isinstance(refusal := firsts[0][1], Invalid):
        raise refusal
    separator, first = max(found, key=lambda one: fitness(one[1]))
    return Sheet(text, separator, first, line)


def _line_end(data: bytes, start: int, end: int) -> int:
    """Give where a block of whole lines ends that begins at `start`."""
    if end <= start + _BLOCK:
        return end
    stop = data.rfind(b"\n", start, start + _BLOCK)
    stop = data.find(b"\n", start + _BLOCK, end) if stop < 0 else stop
    return end if stop < 0 else stop


def decimal_of(sheet: Sheet, numbers: Sequence[int]) -> str:
    """Tell which mark decimals have in the columns that hold numbers, as reading a file does; "" where nobody can."""
    if "," not in sheet.text or (sheet.separator == "," and '"' not in sheet.text):
        return ""

    def having(mark: str) -> list[str]:
        columns = (block.column(place) for block, _ in sheet.blocks(skip=True) for place in numbers)
        return list(islice((cell for column in columns for cell in column if mark in cell), _MOST_MARKED))

    if not (commas := having(",")):
        return ""
    mark, doubt = in_files.decimal_mark([*commas, *having(".")], sheet.separator)
    # Who separates cells by semicolons writes decimals with a comma; see `decimal_mark`.
    return "" if doubt and sheet.separator != ";" else mark


def refused(line: int, what: str, remedy: str, column: str | None = None, place: str = "") -> Invalid:
    """Give the refusal of what stands in a line."""
    where = f"line {line:,}" if column is None else f"line {line:,}, column {column:.100}"
    return Invalid(f"{where}: {what}; {remedy}", faults=[Fault(place, f"{what}; {remedy}", where, remedy)])


def written(rows: Sequence[Sequence[object]]) -> str:
    """Write rows as CSV."""
    text = StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def _first(text: str, separator: str, line: int) -> list[str] | Invalid:
    """Give the first row, or why it cannot be told apart by this separator."""
    try:
        return next(_rows(text, separator, line))[1]
    except Invalid as refusal:
        return refusal


def _rows(text: str, separator: str, begin: int) -> Iterator[tuple[int, list[str]]]:
    """Give rows and the lines in which they begin; blank lines are let pass at the end alone."""
    length = 0

    def measured() -> Iterator[str]:
        nonlocal length
        start = 0
        while start < len(text):
            end = text.find("\n", start) + 1 or len(text)
            length += end - start
            if length > LONGEST_LINE:
                raise refused(at, f"the row there has more than {LONGEST_LINE:,} letters", "end each with a line break")
            yield text[start:end]
            start = end

    at = begin
    blank = 0
    reader = csv.reader(measured(), delimiter=separator, strict=True)
    try:
        for row in reader:
            if not row or (len(row) == 1 and row[0] and not row[0].strip()):
                blank = blank or at
            elif blank:
                raise refused(blank, "the line is blank, and answers are to go with lines", "leave out blank lines")
            else:
                yield at, row
            at, length = begin + reader.line_num, 0
    except csv.Error as error:
        remedy = "quote cells in which quotes stand, and write each of these twice; close each quote"
        raise refused(at, f"the row there cannot be told apart: {error}", remedy) from None


def _ragged(line: int, row: Sequence[str], width: int, separator: str) -> Invalid:
    if len(row) == 1 and row[0].startswith("#"):
        return refused(line, "a remark stands there", "leave out lines that begin with #")
    shown = separator.join(row[:4])[:_MOST_SHOWN]
    called = _CALLED[separator]
    return refused(
        line,
        f"there are {len(row):,} cells, and the first row has {width:,} ({shown!r}), which {called}s separate",
        "give each row as many, and quote cells in which the separator stands",
    )
