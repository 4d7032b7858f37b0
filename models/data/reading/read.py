"""Reads a file: finds out what it is, and writes its examples into files."""

from pathlib import Path
from typing import Literal

from models.data.reading import dialect, finish, pixels, roles, rows, signature, text, unlabelled
from models.data.reading.delimited import Rows
from models.data.reading.found import Fault, Found, UnreadableError
from models.data.reading.options import Options
from models.data.reading.parquet import Columns
from models.data.reading.source import Progress, Source
from models.data.reading.told import Told
from models.data.schema import Table

__all__ = ["Progress", "read"]

_OF_PICTURES = ("size", "channels", "preparation", "transpose", "scale")
_OF_TABLES = ("types", "missing", "unknown")
_OF_TEXTS = ("separator", "decimal", "header", "encoding")


def read(file: Path, folder: Path, options: Options, *, name: str | None = None, progress: Progress) -> Found:
    """Read the file, and write the arrays of its examples into the folder; raises UnreadableError.

    `name` is what its sender called it, if that is known; it is told, and never trusted.
    """
    try:
        return _read(file, folder, options, Told(), progress, name, None)
    except text.OtherEncodingError:
        # The whole of it has one encoding, so it is read anew as what it must be.
        return _read(file, folder, options, Told(), progress, name, "cp1252")


def _read(
    file: Path, folder: Path, options: Options, told: Told, progress: Progress, name: str | None, guess: str | None
) -> Found:
    source, given = _open(file, options, told, progress, guess)
    if name is not None:
        told.note("name", f"its sender called it {name!r}")
    found = roles.find(source, options, told)
    if found.pixels is None:
        _refuse(options, _OF_PICTURES, "the rows were taken for those of a table; say kind=images if they are pictures")
        return _table(source, found, folder, options, told, given)
    _refuse(options, _OF_TABLES, "the rows were taken for pictures; say kind=table if they are none")
    grid = found.pixels
    transpose = bool(options.transpose)
    labels, parts = pixels.write(source, found, grid, folder, transpose=transpose, spoken=unlabelled.said(options))
    shape = (grid.height, grid.width, grid.channels)
    order: Literal["rows", "columns"] = "columns" if transpose else "rows"
    return finish.pictures(
        labels, parts.settle(told), shape, folder, options, told, order=order, name=name, given=given
    )


def _table(
    source: Source, found: roles.Roles, folder: Path, options: Options, told: Told, given: list[str] | None
) -> Found:
    labels, parts, columns = rows.write(source, found, folder, options, told)
    names, numbers = labels.finish(options, told, given)
    ignored = [entry["column"] for entry in told.left_out if entry["column"]]
    if found.split is not None:
        ignored.append(source.names[found.split])
    schema = Table(
        columns=columns, label=labels.column, ignored=tuple(dict.fromkeys(ignored)),
        missing=options.missing or "impute", unknown=options.unknown or "other", classes=names,
    )  # fmt: skip
    return finish.examples(schema, numbers, labels, parts.settle(told), folder, told)


def _open(
    file: Path, options: Options, told: Told, progress: Progress, guess: str | None
) -> tuple[Source, list[str] | None]:
    """Give the rows of a file, and the names of its classes, where the file tells them itself."""
    kind = signature.look(text.first_bytes(file, signature.HEAD))
    if kind == "parquet":
        _refuse(options, _OF_TEXTS, "the file is Parquet, which has none")
        source = Columns(file, progress, told)
        return source, source.class_names(options)
    found, head = text.find(file, compressed=kind == "gzip", encoding=options.encoding, guess=guess)
    told.taken_for |= {
        "format": "csv",
        "why": "its first bytes are text in rows and columns",
        "compression": "gzip" if kind == "gzip" else None,
        "encoding": found.encoding,
        "byte_order_mark": found.mark,
    }
    if found.guessed:
        told.note("encoding", f"the text is not UTF-8; {found.encoding} is a guess, and `encoding` says otherwise")
    if found.returns:
        told.note("lines", "carriage returns that stand alone end lines, or stand for line breaks within cells")
    return Rows(found, dialect.find(head, options, told), progress, told), None


def _refuse(options: Options, names: tuple[str, ...], why: str) -> None:
    """Refuse options that fit nothing of what was found."""
    said = [name for name in names if getattr(options, name) not in (None, {}, ())]
    if said:
        raise UnreadableError(*(Fault(name, f"`{name}` was said, and {why}", "leave it out") for name in said))
