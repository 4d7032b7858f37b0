"""The rows of a text of separated cells, parsed by Arrow, many megabytes at a time."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.typing import NDArray

from models.data.reading import cells, dialect
from models.data.reading.dialect import Dialect
from models.data.reading.found import MOST_FAULTS, Fault, UnreadableError
from models.data.reading.source import Batch, NotWholeError, Progress, matrix
from models.data.reading.text import CHUNK, Text
from models.data.reading.told import Told

_FEW = CHUNK // 4
_SHOWN = 5


@dataclass(frozen=True)
class _Chunk:
    data: bytes
    first_line: int  # counted from 1


class Rows:
    """The rows of a text in a dialect; see Source."""

    def __init__(self, text: Text, dialect: Dialect, progress: Progress, told: Told) -> None:
        self.names, self.named = dialect.names, dialect.named
        self.sample, self.decimal = dialect.sample, dialect.decimal
        self._text, self._dialect, self._progress, self._told = text, dialect, progress, told
        self._excerpt = told.excerpt
        # Of a part of the file, little more is unpacked than is looked at.
        self._chunk = CHUNK if self._excerpt is None else _FEW

    def batches(self, texts: Sequence[int], numbers: Sequence[int] = (), *, whole: bool = True) -> Iterator[Batch]:
        """Give all rows anew; see Source."""
        faults = list[Fault]()
        line, rows, empty = 1, 0, list[int]()
        size = read = 0
        for data, then in self._text.chunks(self._chunk):
            if self._excerpt is not None and self._excerpt.is_enough(rows, size):
                self._excerpt.ends(rows, size=read)
                break
            read, size = then, size + len(data)
            chunk = _Chunk(self._without_remarks(data), line)
            if line <= self._dialect.skip:
                skipped = self._dialect.skip + 1 - line
                start = _after_lines(chunk.data, skipped)
                chunk = _Chunk(chunk.data[start:], line + skipped)
            line += data.count(b"\n")
            if not chunk.data.strip():
                continue
            if (open_line := self._unclosed(chunk)) is not None:
                raise dialect.unclosed(open_line)
            try:
                table = self._parse(chunk, texts, numbers, whole=whole)
            except pa.ArrowInvalid as error:
                if whole and numbers and self._is_numbers(chunk, texts, numbers):
                    raise NotWholeError from error
                faults += self._faults(chunk, numbers, str(error), MOST_FAULTS - len(faults))
                if len(faults) >= MOST_FAULTS:
                    break
                continue
            table = self._no_more(table, rows, read)
            locator = _Locator(self, chunk)
            if numbers and (full := _full(table)) is not None:
                locator = _Locator(self, chunk, np.flatnonzero(full))
                empty += [locator.lines[row] for row in np.flatnonzero(~full).tolist()]
                table = table.filter(pa.array(full))
            if numbers and (missing := self._missing(chunk, table, numbers, MOST_FAULTS - len(faults))):
                faults += missing
                if len(faults) >= MOST_FAULTS:
                    break
                continue
            rows += table.num_rows
            self._progress(read, rows)
            if not faults:
                strings = {place: table.column(str(place)).combine_chunks() for place in texts}
                columns = [table.column(str(place)) for place in numbers]
                yield Batch(strings, matrix(columns, table.num_rows, whole=whole), locator)
        if faults:
            raise UnreadableError(*faults)
        if empty:
            shown = [(f"line {number}", "") for number in empty[:_SHOWN]]
            self._told.drop("nothing stands in any cell of the line", len(empty), shown)

    def _no_more(self, table: pa.Table, before: int, read: int) -> pa.Table:
        """Give those of the rows that are still looked at, after so many."""
        if self._excerpt is None or before + table.num_rows <= self._excerpt.extent.examples:
            return table
        self._excerpt.ends(self._excerpt.extent.examples, size=read)
        return table.slice(0, self._excerpt.extent.examples - before)

    def _without_remarks(self, data: bytes) -> bytes:
        # Blank lines are passed over, and lines keep their numbers.
        return data if self._dialect.comments is None else self._dialect.comments.without(data)

    def _unclosed(self, chunk: _Chunk) -> int | None:
        quote = self._dialect.quote
        if chunk.data.count(quote.encode()) % 2 == 0:
            return None
        line = dialect.open_line(chunk.data.decode().split("\n"), self._dialect.separator, quote)
        return None if line is None else chunk.first_line + line

    def _parse(self, chunk: _Chunk, texts: Sequence[int], numbers: Sequence[int], *, whole: bool) -> pa.Table:
        number = pa.uint8() if whole else pa.float32()
        types = {str(place): pa.string() for place in texts} | {str(place): number for place in numbers}

        def invalid(row: pyarrow.csv.InvalidRow) -> str:
            return "skip" if not row.text.strip(f" \t{self._dialect.separator}") else "error"

        return pyarrow.csv.read_csv(
            pa.BufferReader(chunk.data),
            pyarrow.csv.ReadOptions(
                column_names=[str(place) for place in range(len(self.names))],
                block_size=max(self._chunk // 2, self._longest),
            ),
            pyarrow.csv.ParseOptions(
                delimiter=self._dialect.separator,
                quote_char=self._dialect.quote,
                newlines_in_values=not numbers and self._dialect.quote.encode() in chunk.data,
                invalid_row_handler=invalid,
            ),
            pyarrow.csv.ConvertOptions(
                column_types=types,
                include_columns=list(types),
                null_values=[""],
                strings_can_be_null=False,
                decimal_point=self._dialect.decimal,
                check_utf8=False,
            ),
        )

    @property
    def _longest(self) -> int:
        return 64 * len(self.names)

    def _is_numbers(self, chunk: _Chunk, texts: Sequence[int], numbers: Sequence[int]) -> bool:
        try:
            self._parse(chunk, texts, numbers, whole=False)
        except pa.ArrowInvalid:
            return False
        return True

    def _missing(self, chunk: _Chunk, table: pa.Table, numbers: Sequence[int], most: int) -> list[Fault]:
        """Give faults for numbers that are missing or infinite."""
        for place in numbers:
            column = table.column(str(place))
            if column.null_count or (
                pa.types.is_floating(column.type) and not np.isfinite(column.to_numpy(zero_copy_only=False)).all()
            ):
                return self._faults(chunk, numbers, "a number is missing or infinite", most)
        return []

    def _faults(self, chunk: _Chunk, numbers: Sequence[int], error: str, most: int) -> list[Fault]:
        """Find in a chunk that could not be parsed what is wrong with it, row by row."""
        found = (
            fault
            for line, row in self._rows(chunk)
            if any(map(str.strip, row))
            for fault in self._faults_of(line, row, numbers)
        )
        faults = []
        try:
            faults = list(islice(found, most))
        except csv.Error as broken:
            error = str(broken)
        return faults or [
            Fault(
                f"from line {chunk.first_line}",
                error,
                "end each quote with a quote, and each example with a line break",
            )
        ]

    def _faults_of(self, line: int, row: Sequence[str], numbers: Sequence[int]) -> Iterator[Fault]:
        where = f"line {line}"
        if len(row) != len(self.names):
            yield Fault(
                where,
                f"it has {len(row)} cells, and others have {len(self.names)}",
                "give each line as many cells, and quote those in which the separator stands",
            )
            return
        for place in numbers:
            value = cells.number(row[place], self.decimal)
            if value is None or not np.isfinite(value):
                what = f"{row[place][:40]!r} is no number" if row[place].strip() else "the number is missing"
                yield Fault(
                    f"{where}, column {place + 1} ({self.names[place]})",
                    what,
                    "put a number there, or take out the line",
                )
                return

    def _rows(self, chunk: _Chunk) -> Iterator[tuple[int, list[str]]]:
        lines = (line + "\n" for line in chunk.data.decode().split("\n"))
        reader = csv.reader(lines, delimiter=self._dialect.separator, quotechar=self._dialect.quote)
        before = 0
        for row in reader:
            if any(cell.strip() for cell in row) or len(row) == len(self.names):
                yield chunk.first_line + before, row
            before = reader.line_num


class _Locator:
    """Tells where a row of a chunk stands; only asked where something is wrong with it."""

    def __init__(self, rows: Rows, chunk: _Chunk, kept: NDArray[np.intp] | None = None) -> None:
        self._rows, self._chunk, self._kept = rows, chunk, kept

    def __call__(self, row: int) -> str:
        return f"line {self.lines[row if self._kept is None else self._kept[row]]}"

    @cached_property
    def lines(self) -> Sequence[int]:
        """Give the lines of all rows of the chunk."""
        return [line for line, _ in self._rows._rows(self._chunk)]


def _full(table: pa.Table) -> NDArray[np.bool_] | None:
    """Tell in which rows anything stands; None if in all of them."""
    nothing = np.ones(table.num_rows, bool)
    # Where a number stands, the row need not be looked at any further.
    for column in sorted(table.columns, key=lambda column: pa.types.is_string(column.type)):
        is_text = pa.types.is_string(column.type)
        if not is_text and not column.null_count:
            return None
        nothing &= (pc.equal(column, "") if is_text else column.is_null()).to_numpy()
        if not nothing.any():
            return None
    return ~nothing


def _after_lines(data: bytes, count: int) -> int:
    start = 0
    for _ in range(count):
        start = data.find(b"\n", start) + 1
        if not start:
            return len(data)
    return start
