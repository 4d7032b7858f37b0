"""A list of files in memory: its rows as texts, whether it came as CSV, JSON lines or Parquet."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from models.data.reading import dialect, text
from models.data.reading.delimited import Rows
from models.data.reading.found import MOST_FAULTS, Fault, UnreadableError
from models.data.reading.options import Options
from models.data.reading.parquet import Columns
from models.data.reading.source import Batch, Source
from models.data.reading.told import Told

_SAMPLE = 1000
_MOST_ROWS, _MOST_NAMES, _MOST_CELLS = 1_000_000, 1_000, 32_000_000
"""Of JSON lines, which may be few bytes each."""


@dataclass(frozen=True)
class Listed:
    """All rows of a list; see Source. `name` is the member that it is, and `where` says where a row of it stands."""

    name: str
    names: Sequence[str]
    named: bool
    decimal: str
    columns: Sequence[pa.Array]
    where: Callable[[int], str]
    told: Told
    class_names: list[str] | None = None

    @property
    def rows(self) -> int:
        """Give how many rows there are."""
        return len(self.columns[0])

    @cached_property
    def sample(self) -> Sequence[Sequence[str]]:
        """Give the first rows."""
        return list(zip(*(column[:_SAMPLE].to_pylist() for column in self.columns), strict=True))

    def batches(self, texts: Sequence[int], numbers: Sequence[int] = (), *, whole: bool = True) -> Iterator[Batch]:
        """Give all rows at once; see Source. Numbers are none of a list."""
        assert whole, "a list is of texts"
        assert not numbers, "a list is of texts"
        yield Batch({place: self.columns[place] for place in texts}, np.empty((self.rows, 0)), self.where)


def read(file: Path, name: str, options: Options) -> Listed:
    """Read a list, by the end of its name; raises UnreadableError where it is none."""
    told = Told()
    if name.lower().endswith((".jsonl", ".ndjson")):
        return _of_lines(file, name, told)
    if name.lower().endswith((".parquet", ".pq")):
        source = Columns(file, lambda *_: None, told)
        return _whole(name, source, told, source.class_names(options))
    try:
        return _of_text(file, name, options, told, None)
    except text.OtherEncodingError:
        return _of_text(file, name, options, Told(), "cp1252")


def _of_text(file: Path, name: str, options: Options, told: Told, guess: str | None) -> Listed:
    found, head = text.find(file, compressed=False, encoding=options.encoding, guess=guess)
    if found.guessed:
        told.note("encoding", f"the text is not UTF-8; {found.encoding} is a guess, and `encoding` says otherwise")
    return _whole(name, Rows(found, dialect.find(head, options, told), lambda *_: None, told), told, None)


def _whole(name: str, source: Source, told: Told, class_names: list[str] | None) -> Listed:
    every = list(range(len(source.names)))
    batches, starts = list[Batch](), [0]
    for batch in source.batches(every):
        batches.append(batch)
        starts.append(starts[-1] + len(batch.texts[0]))
    if not batches:
        raise UnreadableError(Fault(f"member {name}", "the list has no rows", "give each picture a line"))

    def where(row: int) -> str:
        number = int(np.searchsorted(starts, row, "right")) - 1
        return f"{name}, {batches[number].where(row - starts[number])}"

    columns = [pa.chunked_array([batch.texts[place] for batch in batches]).combine_chunks() for place in every]
    whole = [pa.concat_arrays(column.chunks) if isinstance(column, pa.ChunkedArray) else column for column in columns]
    return Listed(name, source.names, source.named, source.decimal, whole, where, told, class_names)


def _of_lines(file: Path, name: str, told: Told) -> Listed:
    """Read JSON lines: an object each, whose fields are the columns."""
    rows, lines, faults = list[dict[str, str]](), list[int](), list[Fault]()
    names = dict[str, None]()
    with file.open("rb") as raw:
        for number, line in enumerate(raw, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line.decode("utf-8-sig"))
            except (ValueError, RecursionError):
                row = None
            if isinstance(row, dict):
                its = {_plain(key): _text(value) for key, value in row.items()}
                names |= dict.fromkeys(its)
                rows.append(its)
                lines.append(number)
                if len(rows) > _MOST_ROWS or len(names) > _MOST_NAMES or len(names) * len(rows) > _MOST_CELLS:
                    what = (
                        f"the list has more than {_MOST_ROWS:,} lines, {_MOST_NAMES:,} fields or {_MOST_CELLS:,} cells"
                    )
                    remedy = "give each picture a line, with its file and its class alone"
                    raise UnreadableError(Fault(f"{name}, line {number}", what, remedy))
            elif len(faults) < MOST_FAULTS:
                what = "the line holds no object of JSON in UTF-8"
                faults.append(
                    Fault(f"{name}, line {number}", what, 'write lines as {"file_name": "1.png", "label": 1}')
                )
    if faults:
        raise UnreadableError(*faults)
    if not names:
        raise UnreadableError(Fault(f"member {name}", "the list has no rows", "give each picture a line"))
    columns = [pa.array([row.get(key, "") for row in rows], pa.string()) for key in names]
    return Listed(name, list(names), True, ".", columns, lambda row: f"{name}, line {lines[row]}", told)


def _text(value: Any) -> str:
    if value is None:
        return ""
    try:
        return _plain(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    except RecursionError:
        return "..."


def _plain(text: str) -> str:
    """Give a text without halves of characters, and without NUL, which no text that is kept may hold."""
    return text.encode("utf-8", "replace").decode().replace("\0", "?")
