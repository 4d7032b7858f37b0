"""How a text is written: what separates and quotes its cells, where its rows begin, and what its columns are called."""

import csv
import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from models.data.reading import cells, header, remarks
from models.data.reading.found import Fault, UnreadableError
from models.data.reading.options import Options
from models.data.reading.remarks import Remarks
from models.data.reading.told import Told

SEPARATORS = "\t;|,"
_ROWS = 1000
_CELLS = 2_000_000  # in the sample; fewer rows are enough where they are that long
_LEAST_ROWS = 3
_LOOKED_AT, _DECIDE = 200, 100_000
_TRIED = 100
_TRIED_CHARACTERS = 2**20
_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}


@dataclass(frozen=True)
class Dialect:
    """How cells are told apart; `skip` lines stand before the first row, and `names` has one for each cell of a row.

    `sample` are the first rows, and `lines` where each of them stands. Where the text begins with remarks, `comments`
    knows further ones.
    """

    separator: str
    quote: str
    decimal: str
    comments: Remarks | None
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
    above = [number for number in range(start, begin) if lines[number].startswith("#")]
    body = [line for line in lines[begin:] if not (above and line.startswith("#"))][: _ROWS + 1]
    if not any(line.strip() for line in body):
        raise UnreadableError(Fault("file", "the file has no rows", "send a line for each example"))
    given = options.separator or (said.group(1) if said else None)
    if given is not None and (not given.isascii() or given in "\"'" or not (given.isprintable() or given == "\t")):
        raise UnreadableError(
            Fault("separator", f"{given!r} cannot separate cells", "say a comma, semicolon, tab or bar")
        )
    quote = _quote(body)
    separator = given or _separator(body, quote)
    comments, marked = None, False
    if above:
        begin, marked, comments = _remarks(lines, above, begin, separator, quote, body, told)
    if text.count(quote) % 2 and (line := open_line(lines[begin:], separator, quote)) is not None:
        raise unclosed(begin + line + 1)
    rows, numbers = _rows(lines[begin:], begin, separator, quote, comments)
    if len(rows) < (2 if told.base is None else 1):
        raise UnreadableError(Fault("file", "the file has only one row", "send a line for each example, at least 20"))
    width = Counter(len(row) for row in rows[1:] or rows).most_common(1)[0][0]
    if width < 2 and len(rows[0]) < 2:
        raise _one_column(rows, options)
    told.taken_for["separator"] = _NAMES.get(separator, separator)
    if quote != '"':
        told.note("quotes", "cells are quoted by apostrophes")
    decimal = _decimal(rows[1:_LOOKED_AT], separator, options, told)
    has_header, why = header.is_header(rows, decimal)
    why += f"; header={'false' if has_header else 'true'} says otherwise"
    if options.header is not None:
        has_header, why = options.header, "so it was said"
    elif marked:
        has_header, why = True, "it began with #, and has as many cells as the rows"
    told.taken_for["header"] = has_header
    told.note("header", f"line {numbers[0]} {'names the columns' if has_header else 'is an example'}: {why}")
    names, skip = [str(place) for place in range(width)], begin
    if has_header:
        names = header.names(rows[0], [row for row in rows[1:] if len(row) == width], width, told)
        skip = numbers[0] + _breaks_within(rows[0])
        rows, numbers = rows[1:], numbers[1:]
    fit = [(row, number) for row, number in zip(rows, numbers, strict=True) if len(row) == width]
    sample = tuple(tuple(row) for row, _ in fit)
    return Dialect(
        separator, quote, decimal, comments, skip, tuple(names), has_header, sample,
        tuple(number for _, number in fit),
    )  # fmt: skip


def _remarks(
    lines: list[str], above: list[int], begin: int, separator: str, quote: str, body: Sequence[str], told: Told
) -> tuple[int, bool, Remarks | None]:
    """Tell what lines that begin with # are, of which `above` stand before all others.

    Gives the first line of the rows, whether that one names the columns, and how to know further remarks.
    """
    known = remarks.of(_rows(_some(body), 0, separator, quote)[0], separator, quote)
    among = [line for line in lines[begin : begin + _ROWS] if line.startswith("#") and known.is_example(line)]
    marked = known.is_whole(lines[above[-1]]) and not among
    if marked:
        # `# a,b,c` just above the rows is what they are called.
        begin = above.pop()
        lines[begin] = lines[begin].lstrip("# ")
        told.note("header", f"line {begin + 1} begins with # and names the columns")
    elif among and (examples := [number for number in above if known.is_example(lines[number])]):
        begin = examples[0]
        above = [number for number in above if number not in examples]
    if not above:
        return begin, marked, None
    but = f"unless they have {known.width} cells as the others" + (
        " and no number after the #" if known.numbers else ""
    )
    told.note(
        "comments",
        f"{len(above)} lines that begin with # stand before the rows; such lines are left out, {but}: take out the #, "
        "or the line, where that is wrong",
    )
    return begin, marked, known


def _decimal(rows: Sequence[Sequence[str]], separator: str, options: Options, told: Told) -> str:
    some = (cell for row in rows for cell in row if "," in cell or "." in cell)
    decimal, doubt = cells.decimal_mark(itertools.islice(some, _DECIDE), separator)
    if options.decimal is not None:
        decimal, doubt = options.decimal, ""
    told.taken_for["decimal"] = decimal
    if decimal == ",":
        told.note("decimal", "decimals have a comma")
    if doubt:
        told.note("decimal", doubt)
    return decimal


def _quote(body: Sequence[str]) -> str:
    if any('"' in line for line in body):
        return '"'
    quoted = sum(re.search(r"(^|[,;\t|])'[^']*'([,;\t|]|$)", line) is not None for line in body)
    return "'" if quoted > len(body) // 2 else '"'


def _separator(body: Sequence[str], quote: str) -> str:
    """Give what parts the lines into the same number of cells, and into most."""
    scores = []
    for separator in SEPARATORS:
        try:
            rows = _rows(_some(body), 0, separator, quote)[0]
        except UnreadableError:
            continue  # what it does not part is a cell too long for any
        count, times = Counter(len(row) for row in rows).most_common(1)[0]
        if count > 1:
            # A comma that always stands between two digits is a decimal one.
            decimal = separator != "," and all(
                re.fullmatch(r"[^,]*|\s*-?\d*,\d+(e[+-]?\d+)?\s*", cell, re.IGNORECASE) for row in rows for cell in row
            )
            same = times / len(rows)
            scores.append((same > 0.9, decimal and same > 0.9, round(same, 1), count, separator))
    return max(scores)[-1] if scores else ","


def _some(body: Sequence[str]) -> Sequence[str]:
    """Give the first lines, enough to know how all are parted."""
    lengths = itertools.accumulate(map(len, body[:_TRIED]))
    return body[: max(_LEAST_ROWS, sum(length <= _TRIED_CHARACTERS for length in lengths))]


def _rows(
    lines: Sequence[str], begin: int, separator: str, quote: str, comments: Remarks | None = None
) -> tuple[list[list[str]], list[int]]:
    """Give rows that are not blank, and the number of the first line of each."""
    if comments is not None:
        lines = comments.without("\n".join(lines).encode()).decode().split("\n")
    reader = csv.reader((line + "\n" for line in lines), delimiter=separator, quotechar=quote)
    rows, numbers = list[list[str]](), list[int]()
    before = count = 0
    try:
        for row in itertools.islice(reader, _ROWS + 1):
            if any(cell.strip() for cell in row):
                rows.append(row)
                numbers.append(begin + before + 1)
            before = reader.line_num
            count += len(row)
            if count > _CELLS and len(rows) >= _LEAST_ROWS:
                break
    except csv.Error as error:
        raise _broken(begin + before + 1, error) from error
    return rows, numbers


def _broken(line: int, error: csv.Error) -> UnreadableError:
    if "field larger" in str(error):
        what = f"a cell there has more than {csv.field_size_limit():,} characters"
        return UnreadableError(Fault(f"line {line}", what, "close each quote, and keep cells below 64 KiB"))
    remedy = "end each quote with a quote, and each example with a line break"
    return UnreadableError(Fault(f"line {line}", str(error), remedy))


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


def _one_column(rows: Sequence[Sequence[str]], options: Options) -> UnreadableError:
    if options.separator is not None:
        detail = f"{options.separator!r} (`separator`) stands in no line"
    elif all(len(row[0].split()) > 1 for row in rows):
        detail = "cells are separated by blanks"
    else:
        detail = "the rows have one cell only"
    return UnreadableError(Fault("file", detail, "separate the cells by commas, semicolons, tabs or bars"))
