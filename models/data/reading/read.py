"""Reads a file: finds out what it is, and writes its examples into files."""

from pathlib import Path

from models.data.reading import dialect, inapplicable, signature, source_examples, text
from models.data.reading.adding.base import Base
from models.data.reading.archives import known, packed, single
from models.data.reading.archives.tarred import open_tar
from models.data.reading.archives.zipped import open_zip
from models.data.reading.arrays import alone, archived, sparse_examples, svmlight
from models.data.reading.delimited import Rows
from models.data.reading.excerpt import Excerpt
from models.data.reading.found import Fault, Found, UnreadableError
from models.data.reading.options import Options
from models.data.reading.parquet import Columns
from models.data.reading.pictures import in_parquet
from models.data.reading.source import Progress, Source
from models.data.reading.told import Told

_TAKEN_AWAY = frozenset(b"\n\r\0")
_ENOUGH = 2048  # among so many bytes that are no text

__all__ = ["Progress", "read"]


def read(
    file: Path,
    folder: Path,
    options: Options,
    *,
    name: str | None = None,
    base: Base | None = None,
    progress: Progress,
    excerpt: Excerpt | None = None,
) -> Found:
    """Read the file, and write the arrays of its examples into the folder; raises UnreadableError.

    `name` is what its sender called it, if that is known; it is told, and never trusted. With an `excerpt`, no more
    than that is read, and what it was stands there; such a reading is looked at, and never learned from. To `base` its
    examples are appended: of that nothing is written again.
    """
    its = options if base is None else base.options(options)
    try:
        try:
            return _read(file, folder, its, Told(excerpt, base), progress, name, None)
        except text.OtherEncodingError:
            # The whole of it has one encoding, so it is read anew as what it must be.
            return _read(file, folder, its, Told(excerpt, base), progress, name, "cp1252")
    except UnreadableError as error:
        raise error if base is None else base.in_its_words(error, options) from None


def _read(
    file: Path, folder: Path, options: Options, told: Told, progress: Progress, name: str | None, guess: str | None
) -> Found:
    kind = _look(file)
    compressed = kind == "gzip" and signature.is_tar(text.first_bytes(file, signature.TAR, compressed=True))
    if kind in {"zip", "tar"} or compressed:
        return _archive(file, kind, folder, options, told, progress, name, guess)
    return _alone(file, kind, folder, options, told, progress, name, guess)


def _alone(
    file: Path, kind: signature.Format, folder: Path, options: Options, told: Told, progress: Progress,
    name: str | None, guess: str | None, names: list[str] | None = None,
) -> Found:  # fmt: skip
    """Read a file that is no archive; `names` are those of its classes by number, where another file says them."""
    if kind == "parquet" and (column := in_parquet.find(file, options)) is not None:
        return in_parquet.read(file, column, folder, options, told, progress, name)
    if (array := _array(file, kind, folder, options, told, progress, name)) is not None:
        return array
    source, given = _open(file, kind, options, told, progress, guess)
    if told.base is not None and (header := _as_before(told.base, options, told)) is not None:
        # Few lines tell little of whether the first is a header: it is one as before where it names the same label.
        again = Told(told.excerpt, told.base)
        other, its = _open(file, kind, options.model_copy(update={"header": header}), again, progress, guess)
        if not header or told.base.label in other.names:
            source, given, told = other, its, again
    if name is not None:
        told.note("name", f"its sender called it {name!r}")
    return source_examples.of(source, folder, options, told, name=name, given=names if given is None else given)


def _archive(
    file: Path, kind: signature.Format, folder: Path, options: Options, told: Told, progress: Progress,
    name: str | None, guess: str | None,
) -> Found:  # fmt: skip
    size = file.stat().st_size
    archive = open_zip(file, told) if kind == "zip" else open_tar(file, told, compressed=kind == "gzip")
    told.taken_for |= {
        "format": "zip" if kind == "zip" else "tar",
        "why": "its first bytes are those of an archive",
        "compression": "gzip" if kind == "gzip" else None,
    }
    known.check([member.name for member in archive.members])
    if (arrays := archived.files(archive)) is not None:
        if name is not None:
            told.note("name", f"its sender called it {name!r}")
        return archived.read(archive, arrays, folder, options, told, progress, size=size, name=name)

    def alone_in_it(path: Path, advance: Progress, names: list[str] | None) -> Found:
        return _alone(path, _look(path), folder, options, told, advance, name, guess, names)

    def opened(path: Path, advance: Progress) -> Source:
        return _open(path, _look(path), options, told, advance, guess)[0]

    def read_rows(source: Source, names: list[str] | None) -> Found:
        if name is not None:
            told.note("name", f"its sender called it {name!r}")
        return source_examples.of(source, folder, options, told, name=name, given=names)

    reader = single.Reader(alone_in_it, opened, read_rows)
    return packed.read(archive, folder, options, told, progress, name, size, reader)


def _look(file: Path) -> signature.Format:
    head = text.first_bytes(file, signature.HEAD)
    kind = signature.look(head)
    if kind != "text" and len(head) >= _ENOUGH and not _TAKEN_AWAY & set(head):
        raise UnreadableError(
            Fault("file", "no byte of it is zero or a line break, and there should be many: they were taken away",
                  "send it with curl --data-binary @FILE (-d takes them away)")
        )  # fmt: skip
    return kind


def _array(
    file: Path, kind: signature.Format, folder: Path, options: Options, told: Told, progress: Progress, name: str | None
) -> Found | None:
    """Read a file of one array, packed or not, or of svmlight's form; None where it is neither."""
    compressed = kind == "gzip"
    head = text.first_bytes(file, text.SAMPLE, compressed=compressed) if kind in {"gzip", "text"} else b""
    inner = signature.look(head) if compressed else kind
    if inner == "numpy":
        return alone.read(file, folder, options, told, progress, compressed=compressed, name=name)
    if inner == "idx":
        raise alone.lone_idx()
    if inner == "text" and svmlight.is_like(head.decode("latin-1")):
        return sparse_examples.read(file, folder, options, told, progress, compressed=compressed, name=name)
    return None


def _open(
    file: Path, kind: signature.Format, options: Options, told: Told, progress: Progress, guess: str | None
) -> tuple[Source, list[str] | None]:
    """Give the rows of a file, and the names of its classes, where the file tells them itself."""
    if kind == "parquet":
        inapplicable.refuse(options, inapplicable.OF_TEXTS, "the file is Parquet, which has none")
        source = Columns(file, progress, told)
        return source, source.class_names(options)
    found, head = text.find(
        file, compressed=kind == "gzip", encoding=options.encoding, guess=guess, one_line=told.base is not None
    )
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


def _as_before(base: Base, options: Options, told: Told) -> bool | None:
    """Tell whether the file of the base had a header, where that is not said and was found to be otherwise here."""
    before, now = base.taken("header"), told.taken_for.get("header")
    return None if options.header is not None or None in (before, now) or before == now else bool(before)
