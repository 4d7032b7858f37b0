"""How a text is written: what separates and quotes its cells, where its rows begin, and what its columns are called."""

import csv
import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from models.data.reading import cells, header
from models.data.reading.found import Fault, UnreadableError
from models.data.reading.options import Options
from models.data.reading.told import Told

SEPARATORS = "\t;|,"
_ROWS = 1000
_LOOKED_AT = 200
_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}


@dataclass(frozen=True)
class Dialect:
    """How cells are told apart; `skip` lines stand before the first row, and `names` has one for each cell of a row.

    `sample` are the first rows, and `lines` where each of them stands.
    """

    separator: str
    quote: str
    decimal: str
    comments: bool
    skip: int
    names: tuple[str, ...]
    named: bool
    sample: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]


def find(text: str, options: Options, told: Told) -> Dialect:
    """Find out how a text is written whose first lines these are; raises UnreadableError."""
    lines = text.split("\n")
    start = next(number for number, line in enumerate(lines) if line.strip())
    said = re.fullmatch(r'"?sep=(.)"?,*', lines[start].rstrip(), re.IGNORECASE)
    if said:
        told.note("separator", f"line {start + 1}, {lines[start].strip()!r}, says the separator and is no example")
        start += 1
    begin = start
    while begin < len(lines) and (not lines[begin].strip() or lines[begin].startswith("#")):
        begin += 1
    remarks = [number for number in range(start, begin) if lines[number].startswith("#")]
    body = [line for line in lines[begin:] if not (remarks and line.startswith("#"))][: _ROWS + 1]
    if not any(line.strip() for line in body):
        raise UnreadableError(Fault("file", "the file has no rows", "send a line for each example"))
    if options.separator is not None and (not options.separator.isascii() or options.separator in "\"'\r\n"):
        raise UnreadableError(
            Fault("separator", f"{options.separator!r} cannot separate cells", "say a comma, semicolon, tab or bar")
        )
    quote = _quote(body)
    separator = options.separator or (said.group(1) if said else _separator(body, quote))
    marked = bool(remarks) and lines[remarks[-1]].count(separator) == body[0].count(separator) > 0
    if marked:
        # `# a,b,c` just above the rows is what they are called.
        begin = remarks.pop()
        lines[begin] = lines[begin].lstrip("# ")
        told.note("header", f"line {begin + 1} begins with # and names the columns")
    if remarks:
        told.note("comments", f"{len(remarks)} lines that begin with # stand before the rows; such lines are left out")
    if text.count(quote) % 2 and (line := open_line(lines[begin:], separator, quote)) is not None:
        raise unclosed(begin + line + 1)
    rows, numbers = _rows(lines[begin:], begin, separator, quote, comments=bool(remarks))
    if len(rows) < 2:
        raise UnreadableError(Fault("file", "the file has only one row", "send a line for each example, at least 20"))
    width = Counter(len(row) for row in rows[1:]).most_common(1)[0][0]
    if width < 2 and len(rows[0]) < 2:
        raise _one_column(rows, options)
    told.taken_for["separator"] = _NAMES.get(separator, separator)
    if quote != '"':
        told.note("quotes", "cells are quoted by apostrophes")
    decimal = cells.decimal_mark([cell for row in rows[1:_LOOKED_AT] for cell in row if "," in cell or "." in cell])
    has_header, why = header.is_header(rows, decimal)
    if options.header is not None:
        has_header, why = options.header, "so it was said"
    elif marked:
        has_header, why = True, "it began with #, and has as many cells as the rows"
    told.taken_for["header"] = has_header
    told.note("header", f"line {numbers[0]} {'names the columns' if has_header else 'is an example'}: {why}")
    names, skip = [str(place) for place in range(width)], begin
    if has_header:
        names = _names(rows[0], [row for row in rows[1:] if len(row) == width], width, told)
        skip = numbers[0] + _breaks_within(rows[0])
        rows, numbers = rows[1:], numbers[1:]
    fit = [(row, number) for row, number in zip(rows, numbers, strict=True) if len(row) == width]
    sample = tuple(tuple(row) for row, _ in fit)
    told.taken_for["decimal"] = decimal
    if decimal == ",":
        told.note("decimal", "decimals have a comma")
    return Dialect(
        separator, quote, decimal, bool(remarks), skip, tuple(names), has_header, sample,
        tuple(number for _, number in fit),
    )  # fmt: skip


def _quote(body: Sequence[str]) -> str:
    if any('"' in line for line in body):
        return '"'
    quoted = sum(re.search(r"(^|[,;\t|])'[^']*'([,;\t|]|$)", line) is not None for line in body)
    return "'" if quoted > len(body) // 2 else '"'


def _separator(body: Sequence[str], quote: str) -> str:
    """Give what parts the lines into the same number of cells, and into most."""
    scores = []
    for separator in SEPARATORS:
        rows = _rows(body[:100], 0, separator, quote)[0]
        count, times = Counter(len(row) for row in rows).most_common(1)[0]
        if count > 1:
            # A comma that always stands between two digits is a decimal one.
            decimal = separator != "," and all(
                re.fullmatch(r"[^,]*|\s*-?\d*,\d+(e[+-]?\d+)?\s*", cell, re.IGNORECASE) for row in rows for cell in row
            )
            same = times / len(rows)
            scores.append((same > 0.9, decimal and same > 0.9, round(same, 1), count, separator))
    return max(scores)[-1] if scores else ","


def _rows(
    lines: Sequence[str], begin: int, separator: str, quote: str, *, comments: bool = False
) -> tuple[list[list[str]], list[int]]:
    """Give rows that are not blank, and the number of the first line of each."""
    kept = ("" if comments and line.startswith("#") else line for line in lines)
    reader = csv.reader((line + "\n" for line in kept), delimiter=separator, quotechar=quote)
    rows, numbers = list[list[str]](), list[int]()
    before = 0
    try:
        for row in itertools.islice(reader, _ROWS + 1):
            if any(cell.strip() for cell in row):
                rows.append(row)
                numbers.append(begin + before + 1)
            before = reader.line_num
    except csv.Error as error:
        raise UnreadableError(
            Fault(
                f"line {begin + before + 1}",
                str(error),
                "end each quote with a quote, and each example with a line break",
            )
        ) from error
    return rows, numbers


def open_line(lines: Sequence[str], separator: str, quote: str) -> int | None:
    """Give the place of the line in which a quote is opened that no later one closes, if there is one."""
    reader = csv.reader((line + "\n" for line in lines), delimiter=separator, quotechar=quote, strict=True)
    before = 0
    try:
        for _ in reader:
            before = reader.line_num
    except csv.Error as error:
        return before if "unexpected end" in str(error) or "field larger" in str(error) else None
    return None


def unclosed(line: int) -> UnreadableError:
    """Give the refusal of a text with a quote that is never closed."""
    return UnreadableError(
        Fault(f"line {line}", "a quote is opened there and not closed", "close it, or write one within a cell twice")
    )


def _breaks_within(row: Sequence[str]) -> int:
    return sum(cell.count("\n") for cell in row)


def _names(first: Sequence[str], below: Sequence[Sequence[str]], width: int, told: Told) -> list[str]:
    names = [name.strip() for name in first]
    if len(names) == width - 1:
        if all(not row[-1].strip() for row in below):
            told.note("separator", "each row ends with a separator; nothing stands after it")
            names.append("")
        else:
            told.note("header", "the header has one name less than there are cells: the first column has none")
            names.insert(0, "")
    elif len(names) == width + 1 and not names[-1]:
        names.pop()
    if len(names) != width:
        raise UnreadableError(
            Fault("line 1", f"the header names {len(names)} columns, and the rows have {width} cells",
                  "give each column one name, and quote cells in which the separator stands")
        )  # fmt: skip
    for place, name in enumerate(names):
        cells_below = [row[place].strip() for row in below]
        # A first column without a name, another in each row, is an index; see `roles`.
        if not name and any(cells_below) and (place or len(set(cells_below)) < len(cells_below)):
            names[place] = str(place)
            told.note("header", f"column {place}, counted from 0, has no name; it is called {names[place]!r}")
    seen = Counter[str]()
    for place, name in enumerate(names):
        seen[name] += 1
        if name and seen[name] > 1:
            again = seen[name] - 1
            while f"{name}.{again}" in names:
                again += 1
            names[place] = f"{name}.{again}"
            told.note("header", f"the name {name!r} stands there more than once; one is called {names[place]!r}")
    return names


def _one_column(rows: Sequence[Sequence[str]], options: Options) -> UnreadableError:
    if options.separator is not None:
        detail = f"{options.separator!r} (`separator`) stands in no line"
    elif all(len(row[0].split()) > 1 for row in rows):
        detail = "cells are separated by blanks"
    else:
        detail = "the rows have one cell only"
    return UnreadableError(Fault("file", detail, "separate the cells by commas, semicolons, tabs or bars"))
