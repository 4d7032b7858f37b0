"""The rows of a Parquet file: columns with types, lists of numbers as pictures, names of classes in its metadata."""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet
from numpy.typing import NDArray

from models.data.reading import label, pages, row_groups
from models.data.reading.found import MOST_FAULTS, Fault, UnreadableError
from models.data.reading.named import place_of
from models.data.reading.options import Options
from models.data.reading.source import Batch, NotWholeError, Progress, matrix
from models.data.reading.told import Told

_ROWS = 4096
_NUMBERS = 4_000_000  # in so many rows as are read at once
_SAMPLE, _LEAST, _CELLS = 1000, 20, 500_000


class Columns:
    """The rows of a Parquet file; see Source. A column of lists is as many columns of numbers, called pixel0 ...

    `without` are columns that are of no concern.
    """

    decimal = "."
    named = True

    def __init__(self, file: Path, progress: Progress, told: Told, *, without: Collection[str] = ()) -> None:
        self._progress, self._size = progress, file.stat().st_size
        try:
            self._file = pyarrow.parquet.ParquetFile(file, memory_map=True)
        except (pa.ArrowException, OSError) as error:
            raise damaged(error) from error
        self._most = pages.check(file, self._file.metadata, without)
        self._schema = self._file.schema_arrow
        for name in without:
            self._schema = self._schema.remove(self._schema.get_field_index(name))
        self._some: list[row_groups.Piece] | None = None
        self._check()
        told.taken_for |= {"format": "parquet", "why": "its first bytes are PAR1", "compression": None}
        self._list = next((place for place, field in enumerate(self._schema) if _is_list(field.type)), None)
        self._own = [name for place, name in enumerate(self._schema.names) if place != self._list]
        self._own_count = len(self._own)
        self.names: Sequence[str] = self._own
        if self._list is not None:
            name = self._schema.names[self._list]
            # One row tells how many pixels there are, and with them how many rows are a sample.
            self._shape = _shape(self._first(1, [name]).column(0))
            pixels = int(np.prod(self._shape))
            told.note("pixels", f"column {name!r} holds lists of {pixels:,} numbers: a picture each")
            self.names = [*self._own, *_pixel_names(self._shape)]
        # Beside pictures in files, labels of all rows are cheap, and those who decode them choose.
        if told.excerpt is not None and not without:
            try:
                self._some = row_groups.some(self._file, told.excerpt, len(self.names))
            except (pa.ArrowException, OSError) as error:
                raise damaged(error) from error
        count = min(_SAMPLE, max(_LEAST, _CELLS // len(self.names)))
        first = self._first(count, list(self._schema.names))
        texts = [_texts(first.column(name)).to_pylist() for name in self._own]
        if self._list is not None:
            numbers = self._lists(first.column(self._list), 0, whole=False)
            texts += [list(map("{:g}".format, column)) for column in numbers.T.tolist()]
        self.sample: Sequence[Sequence[str]] = list(zip(*texts, strict=True))

    def _first(self, rows: int, names: list[str]) -> pa.Table:
        _, first = next(self._tables(names, rows), (0, None))
        if first is None or not first.num_rows:
            raise UnreadableError(Fault("file", "the file has no rows", "send at least 20 examples"))
        return first

    def class_names(self, options: Options) -> list[str] | None:
        """Give the names of the classes that the metadata tells of the label's column, if any."""
        features = self._features()
        try:
            if options.label is None:
                found = label.by_name(self._own, range(len(self._own)))
                name = None if found is None else self._own[found[0]]
            else:
                name = self.names[place_of(options.label, self.names, "label")]
            names = features[name]["names"] if name is not None else None
        except (KeyError, TypeError):
            return None
        return [str(each) for each in names] if isinstance(names, list) else None

    @property
    def classified(self) -> frozenset[str]:
        """Give the columns of which the metadata names classes."""
        its = self._features().items()
        return frozenset(name for name, about in its if isinstance(about, dict) and "names" in about)

    def _features(self) -> dict[str, Any]:
        try:
            features = json.loads((self._schema.metadata or {})[b"huggingface"])["info"]["features"]
        except (ValueError, KeyError, TypeError):
            return {}
        return features if isinstance(features, dict) else {}

    def batches(self, texts: Sequence[int], numbers: Sequence[int] = (), *, whole: bool = True) -> Iterator[Batch]:
        """Give all rows anew; see Source."""
        if any(place >= self._own_count for place in texts):
            raise UnreadableError(
                Fault(
                    "kind",
                    "the file holds lists of numbers, which are no cells of a table",
                    "say kind=images, or nothing",
                )
            )
        own = [self.names[place] for place in dict.fromkeys([*texts, *numbers]) if place < self._own_count]
        lists = [place - self._own_count for place in numbers if place >= self._own_count]
        asked = own + ([self._schema.names[self._list]] if lists and self._list is not None else [])
        rows, total = 0, max(1, self._file.metadata.num_rows)
        at_once = max(1, min(_ROWS, _NUMBERS // max(1, len(texts) + len(numbers))))
        for before, table in self._tables(asked, at_once):
            rows += table.num_rows
            if lists:
                found = self._lists(table.column(asked[-1]), before, whole=whole)
                found = found if lists == list(range(found.shape[1])) else np.ascontiguousarray(found[:, lists])
            elif numbers:
                columns = [self._numbers(table, place, before, whole=whole) for place in numbers]
                found = matrix(columns, table.num_rows, whole=whole)
            else:
                found = np.empty((table.num_rows, 0), np.uint8)
            self._progress(self._size * rows // total, rows)
            strings = {place: _texts(table.column(self.names[place])) for place in texts}
            yield Batch(strings, found, lambda row, before=before: f"row {before + row + 1}")  # type: ignore[misc]

    def _tables(self, names: list[str], rows: int) -> Iterator[row_groups.Piece]:
        """Give some columns, so many rows at a time, and how many rows of the file stand before those."""
        if self._some is not None:
            for start, piece in self._some:
                for place in range(0, piece.num_rows, rows):
                    yield start + place, piece.slice(place, rows).select(names)
            return
        before, rows = 0, min(rows, *(self._most.get(name, rows) for name in names), rows)
        try:
            for batch in self._file.iter_batches(batch_size=rows, columns=names):
                yield before, pa.Table.from_batches([batch]).select(names)
                before += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            raise damaged(error) from error

    def _numbers(self, table: pa.Table, place: int, before: int, *, whole: bool) -> pa.ChunkedArray:
        name = self.names[place]
        column = table.column(name)
        if column.null_count:
            row = int(np.flatnonzero(column.is_null().to_numpy())[0])
            raise UnreadableError(
                Fault(f"row {before + row + 1}, column {name}", "the number is missing", "put one there")
            )
        return pa.chunked_array([_cast(chunk, whole=whole) for chunk in column.chunks])

    def _lists(self, column: pa.ChunkedArray, before: int, *, whole: bool) -> NDArray[Any]:
        """Give lists of numbers of one length as an array [rows, numbers]."""
        pixels = int(np.prod(self._shape))
        flat = column.combine_chunks()
        counts = np.ones(len(flat), np.int64)
        faults = list[Fault]()
        missing = np.flatnonzero(flat.is_null().to_numpy(zero_copy_only=False))
        for depth, side in enumerate(self._shape):
            lengths = pc.list_value_length(flat).fill_null(0).to_numpy(zero_copy_only=False)
            if (lengths != side).any():
                per_row = max(1, len(flat) // len(counts)) if depth else 1
                rows = np.unique(np.flatnonzero(lengths != side) // per_row)
                faults = [
                    Fault(
                        f"row {before + int(row) + 1}, column {column_name}",
                        "the list is missing" if row in missing else "the list is of another length than the first",
                        "send pictures of one size",
                    )
                    for row in rows[:MOST_FAULTS]
                    for column_name in [self._schema.names[self._list or 0]]
                ]
                raise UnreadableError(*faults)
            flat = flat.flatten()
        if flat.null_count:
            row = int(np.flatnonzero(flat.is_null().to_numpy(zero_copy_only=False))[0]) // pixels
            raise UnreadableError(
                Fault(f"row {before + row + 1}", "a number of its picture is missing", "put one there")
            )
        numbers: NDArray[Any] = _cast(flat, whole=whole).to_numpy(zero_copy_only=False)
        return numbers.reshape(-1, pixels)

    def _check(self) -> None:
        faults = list[Fault]()
        twice = [name for name, count in Counter(self._schema.names).items() if count > 1]
        if twice:
            faults.append(Fault("columns", f"{twice[0]!r} is the name of more than one", "give each a name of its own"))
        for field in self._schema:
            if pa.types.is_struct(field.type):
                names = {field.type.field(place).name for place in range(field.type.num_fields)}
                is_of_pictures = "bytes" in names
                what = "files of pictures ({bytes, path})" if is_of_pictures else "structures, no cells of a table"
                remedy = (
                    "send one such file alone; for a split, the pictures as files in a ZIP: train/CLASS/1.png, "
                    "test/CLASS/2.png"
                    if is_of_pictures else "write the pixels as a column of lists of numbers"
                )  # fmt: skip
                faults.append(Fault(f"column {field.name}", f"it holds {what}", remedy))
            elif pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type):
                faults.append(
                    Fault(
                        f"column {field.name}", "it holds bytes that are no pictures", "write numbers or texts instead"
                    )
                )
            elif not _is_list(field.type) and not is_cell(field.type):
                what = f"it holds {field.type}, which is no cell of a table"
                faults.append(Fault(f"column {field.name}", what, "write numbers or texts instead, or leave it out"))
        lists = [field.name for field in self._schema if _is_list(field.type)]
        if len(lists) > 1:
            faults.append(Fault("columns", f"{', '.join(lists)} all hold lists", "keep the one with the pixels"))
        if faults:
            raise UnreadableError(*faults)


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def is_cell(kind: pa.DataType) -> bool:
    """Whether Arrow writes such values as texts, each in a cell."""
    try:
        _texts(pa.chunked_array([pa.nulls(1, kind)]))
    except pa.ArrowException:
        return False
    return True


def _shape(column: pa.ChunkedArray) -> tuple[int, ...]:
    """Give how long the lists of the first row are, and those within them."""
    value, sides = column[0].as_py(), list[int]()
    while isinstance(value, list) and value:
        sides.append(len(value))
        value = value[0]
    if not sides or not isinstance(value, int | float):
        raise UnreadableError(Fault("row 1", "a list of the first row holds no numbers", "send lists of numbers"))
    return tuple(sides)


def _pixel_names(shape: tuple[int, ...]) -> list[str]:
    return [f"pixel_{'_'.join(map(str, place))}" for place in np.ndindex(*shape)]


def _cast(chunk: pa.Array, *, whole: bool) -> pa.Array:
    if not whole:
        numbers = pc.cast(chunk, pa.float32(), safe=False)
        if not pc.all(pc.is_finite(numbers)).as_py():
            raise UnreadableError(
                Fault("columns", "a number of a picture is infinite or NaN", "put finite numbers there")
            )
        return numbers
    try:
        return pc.cast(chunk, pa.uint8())
    except pa.ArrowInvalid as error:
        raise NotWholeError from error


def _texts(column: pa.ChunkedArray) -> pa.Array:
    whole = column.combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = pa.concat_arrays(whole.chunks)
    if pa.types.is_dictionary(whole.type):
        whole = whole.dictionary_decode()
    return pc.cast(whole, pa.string()).fill_null("")


def damaged(error: Exception) -> UnreadableError:
    """Give the refusal of a file that is no whole Parquet file."""
    return UnreadableError(Fault("file", f"the Parquet file is damaged or cut off ({error})", "write and send it anew"))
