"""Pictures in a Parquet file: a column of their bytes, as Hugging Face writes it or plain, beside one of labels.

Legend of shapes: N rows of the file.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet
from numpy.typing import NDArray

from models.data.reading import finish, inapplicable, label, named, pages, unlabelled
from models.data.reading.adding import joined
from models.data.reading.classes import Labels
from models.data.reading.found import Fault, Found, UnreadableError
from models.data.reading.options import Options
from models.data.reading.parquet import Columns, damaged, is_cell
from models.data.reading.parts import Parts
from models.data.reading.pictures import picture_format, write
from models.data.reading.roles import split_of
from models.data.reading.source import Batch, Progress
from models.data.reading.told import Told

_AT_ONCE = 2**22  # bytes of pictures
_MOST_ROWS = 256
_LOOKED_AT = 20
_EMBED = (
    "write the files' bytes into it: in Python, dataset.cast_column(NAME, datasets.Image(decode=False)), then put the "
    "bytes of each path there"
)
_SHOWN = 5


_MOST_LOOKED_AT = 1000  # of an excerpt


def find(file: Path, options: Options) -> str | None:
    """Give the name of the column of a Parquet file that holds pictures, if there is one; raises UnreadableError."""
    try:
        with pyarrow.parquet.ParquetFile(file) as parquet:
            names = parquet.schema_arrow.names
            ignored = _ignored(names, options)
            most = pages.check(file, parquet.metadata, ignored)
            fields = [field for field in parquet.schema_arrow if field.name not in ignored]
            found = [field.name for field in fields if _is_picture(parquet, field, most)]
            if found:
                for name in options.ignore:
                    named.place_of(name, names, "ignore")
    except (pa.ArrowException, OSError) as error:
        raise damaged(error) from error
    if len(found) > 1:
        called = " and ".join(map(repr, found))
        raise UnreadableError(Fault("columns", f"{called} both hold pictures", f'leave one out: ignore=["{found[1]}"]'))
    return found[0] if found else None


def read(
    file: Path, column: str, folder: Path, options: Options, told: Told, progress: Progress, name: str | None
) -> Found:
    """Read the pictures of a column, and the labels beside them; raises UnreadableError."""
    why = f"column {column!r} holds pictures"
    inapplicable.refuse(options, (*inapplicable.OF_TEXTS, *inapplicable.OF_TABLES, "transpose", "scale"), why)
    if options.kind == "table":
        raise UnreadableError(Fault("kind", f"`table` was said, and {why}", "leave it out"))
    if told.base is not None:
        joined.form(told.base, options)
    fields = pyarrow.parquet.read_schema(file)
    ignored = _ignored(fields.names, options)
    gone = [field.name for field in fields if field.name in ignored or not _may_be_label(field.type)]
    if len(gone) == len(fields):
        what = f"{why}, and no column holds the classes"
        raise UnreadableError(Fault("columns", what, "send the label of each picture beside it"))
    source = Columns(file, progress, told, without=gone)
    if name is not None:
        told.note("name", f"its sender called it {name!r}")
    told.taken_for["kind"] = "images"
    told.note("kind", f"{why}, a file each")
    given = source.class_names(options)
    its_label, why = _label(source, options)
    told.taken_for["label"] = {"column": source.names[its_label], "place": its_label, "why": why}
    split = split_of(source, options, [place for place in range(len(source.names)) if place != its_label])
    used = {column, *(source.names[place] for place in (its_label, split) if place is not None)}
    for field in fields:
        if field.name not in used:
            said = field.name in ignored
            told.leave_out(field.name, "so it was said" if said else "the label is told by the picture alone")
    spoken = unlabelled.said(options)
    if told.base is not None:
        options, spoken = told.base.options_of_files(options), spoken | told.base.spoken
    batches = list(source.batches([its_label] if split is None else [its_label, split]))
    while True:
        every = Labels(source.names[its_label], spoken)
        there = np.concatenate([every.add(batch.texts[its_label], batch.where) for batch in batches])
        if not (heard := every.heard()):
            break
        spoken |= heard
    _tell_dropped(every, there, batches, its_label, told)
    size, total = file.stat().st_size, max(1, pyarrow.parquet.read_metadata(file).num_rows)
    if told.excerpt is not None:
        rows = np.flatnonzero(there)
        count = len(told.excerpt.some([size // total] * len(rows), most=_MOST_LOOKED_AT))
        there[rows[count:]] = False
        if count < len(rows):
            told.excerpt.ends(count, of_examples=total)
            told.excerpt.taken = "start"  # others would have all of the file read
    # Of a file of which a part is looked at, the rows that have labels here are not the first ones.
    wanted = np.concatenate([_place(batch) + np.arange(len(batch.texts[its_label])) for batch in batches])[there]

    def advance(_: int, count: int) -> None:
        progress(size * count // total, count)

    written = write.write(
        lambda: _files(file, column, wanted), len(wanted), folder, options, told, advance
    )  # fmt: skip
    kept = there.copy()
    kept[there] = written.kept
    labels, parts = Labels(source.names[its_label], spoken), Parts(source.names, split)
    start = 0
    for batch in batches:
        texts = batch.texts[its_label]
        its = kept[start : start + len(texts)]
        rows = np.flatnonzero(its)
        labels.add(texts.filter(pa.array(its)), lambda row, batch=batch, rows=rows: batch.where(int(rows[row])))  # type: ignore[misc]
        parts.add(batch, its)
        start += len(texts)
    return finish.pictures(labels, parts.settle(told), written.shape, folder, options, told, name=name, given=given)


def _is_picture(parquet: pyarrow.parquet.ParquetFile, field: pa.Field, most: Mapping[str, int]) -> bool:
    """Whether a column holds files of pictures; raises UnreadableError where it names them only."""
    kind = field.type
    if pa.types.is_struct(kind):
        names = {kind.field(place).name for place in range(kind.num_fields)}
        if "bytes" in names and (_is_binary(kind.field("bytes").type) or pa.types.is_null(kind.field("bytes").type)):
            first = _first(parquet, field.name, most)
            if first and all(one is None or one["bytes"] is None for one in first):
                raise _paths_only(field.name)
            return True
        if names == {"path"}:
            raise _paths_only(field.name)
        return False
    if not _is_binary(kind):
        return False
    return any(one is not None and picture_format.name_of(one) is not None for one in _first(parquet, field.name, most))


def _may_be_label(kind: pa.DataType) -> bool:
    return is_cell(kind) and not (_is_binary(kind) or pa.types.is_fixed_size_binary(kind))


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def _first(parquet: pyarrow.parquet.ParquetFile, name: str, most: Mapping[str, int]) -> list[Any]:
    batch = next(parquet.iter_batches(batch_size=min(_LOOKED_AT, most.get(name, _LOOKED_AT)), columns=[name]), None)
    return [] if batch is None else batch.column(0).to_pylist()


def _paths_only(name: str) -> UnreadableError:
    return UnreadableError(Fault(f"column {name}", "it holds paths of pictures, and not the pictures", _EMBED))


def _ignored(names: Sequence[str], options: Options) -> set[str]:
    """Give the columns that are to be left out; one that is not there is told by whoever reads them."""
    said = {names[one] if isinstance(one, int) and one < len(names) else str(one) for one in options.ignore}
    alike = {one.strip().lower() for one in said - set(names)}
    return {name for name in names if name in said or name.strip().lower() in alike}


def _label(source: Columns, options: Options) -> tuple[int, str]:
    if options.label is not None:
        return named.place_of(options.label, source.names, "label"), "so it was said"
    places = range(len(source.names))
    if (found := label.by_name(source.names, places)) is not None:
        return found
    classes = [place for place in places if source.names[place] in source.classified]
    if len(classes) == 1:
        return classes[0], "the file names its classes"
    if len(places) == 1:
        return places[0], "it is the only column beside the pictures"
    called = ", ".join(source.names[place] for place in (classes or places)[:10])
    raise UnreadableError(
        Fault("columns", f"{called} may hold the classes", f"say which one: label={source.names[places[0]]}")
    )


def _place(batch: Batch) -> int:
    """Tell how many rows of the file stand before a batch."""
    return int(batch.where(0).removeprefix("row ")) - 1


def _files(file: Path, column: str, wanted: NDArray[np.int64]) -> Iterator[tuple[str, bytes]]:
    """Give the bytes of the pictures in some rows of the file, in order, a few megabytes at a time."""
    try:
        with pyarrow.parquet.ParquetFile(file, buffer_size=2**20) as parquet:
            row = 0
            others = set(parquet.schema_arrow.names) - {column}
            most = pages.check(file, parquet.metadata, others).get(column, _MOST_ROWS)
            for group in range(parquet.num_row_groups):
                end = row + parquet.metadata.row_group(group).num_rows
                its = frozenset(wanted[np.searchsorted(wanted, row) : np.searchsorted(wanted, end)].tolist())
                if not its:
                    row = end
                    continue
                for batch in parquet.iter_batches(min(most, _rows(parquet, group, column)), [group], [column]):
                    pictures = batch.column(0)
                    if pa.types.is_struct(pictures.type):
                        pictures = pc.struct_field(pictures, "bytes")
                    for picture in pictures:
                        if row in its:
                            yield f"row {row + 1}, column {column}", picture.as_py() or b""
                        row += 1
    except (pa.ArrowException, OSError) as error:
        raise damaged(error) from error


def _rows(parquet: pyarrow.parquet.ParquetFile, group: int, column: str) -> int:
    """Tell how many rows of a group are some megabytes."""
    about = parquet.metadata.row_group(group)
    of_column = (about.column(place) for place in range(about.num_columns))
    its: int = sum(one.total_uncompressed_size for one in of_column if one.path_in_schema.partition(".")[0] == column)
    rows: int = about.num_rows
    return max(1, min(_MOST_ROWS, _AT_ONCE * rows // max(1, its)))


def _tell_dropped(labels: Labels, there: NDArray[np.bool_], batches: Sequence[Batch], place: int, told: Told) -> None:
    """Tell of the rows in which no label stands."""
    if not (count := labels.dropped.total()):
        return
    shown, start = list[tuple[str, str]](), 0
    for batch in batches:
        texts = batch.texts[place]
        for row in np.flatnonzero(~there[start : start + len(texts)])[: _SHOWN - len(shown)].tolist():
            shown.append((batch.where(row), texts[row].as_py()))
        start += len(texts)
    told.drop(f"no label stands in column {labels.column!r}", count, shown)
    unlabelled.tell_dropped(labels.dropped, len(there), labels.column, told)
