"""One file of data in an archive, read as if it had been sent by itself; or two that are the parts of one."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from models.data.reading import signature, text
from models.data.reading.archives import foreign
from models.data.reading.archives.beside import without_copies, without_mapping
from models.data.reading.archives.layout import part_of
from models.data.reading.archives.lists import ABOUT, SUBMISSION
from models.data.reading.archives.members import Archive, Member, shown, tell_left_out
from models.data.reading.found import Fault, Found, UnreadableError
from models.data.reading.options import Options
from models.data.reading.source import Batch, Progress, Source
from models.data.reading.told import Told

_DATA = re.compile(r"(?i).*\.(csv|tsv|tab|txt|dat|data|parquet|pq)(\.gz)?")
_PARTS = ("train", "validation", "test")
_CHUNK = 2**20
_SHOWN, _MOST_NAMED = 3, 10


@dataclass(frozen=True)
class Reader:
    """How what is in an archive is read: one file alone; or several, each opened as rows, and their rows as one.

    The list holds the names of the classes by number, where another file in the archive says them.
    """

    alone: Callable[[Path, Progress, list[str] | None], Found]
    open: Callable[[Path, Progress], Source]
    read: Callable[[Source, list[str] | None], Found]


def data_files(members: Sequence[Member]) -> list[Member]:
    """Give the members that are called as files of data are."""
    return [
        member for member in members
        if _DATA.fullmatch(member.name) and not ABOUT.fullmatch(member.name) and not SUBMISSION.fullmatch(member.name)
    ]  # fmt: skip


def read(
    archive: Archive, folder: Path, options: Options, told: Told, progress: Progress, reader: Reader, size: int
) -> Found:
    """Read the one file of data in an archive, `size` bytes large; raises UnreadableError where there are others."""
    chosen, names = _chosen(archive, told)
    paths = [folder / f"member{number}" for number in range(len(chosen))]
    whole = sum(member.size for member in chosen)
    try:
        for member, path in zip(chosen, paths, strict=True):
            with archive.open(member) as source, path.open("wb") as target:
                _unpack(source, target, told)
            try:
                foreign.check_nested(member, path)
            except UnreadableError as error:
                raise foreign.of([member], error) from error

        def advance(read: int, rows: int) -> None:
            progress(min(size, read * size // max(1, whole)), rows)

        try:
            if len(paths) == 1:
                return reader.alone(paths[0], advance, names)
            opened = [reader.open(path, advance) for path in paths]
        except UnreadableError as error:
            raise foreign.of(chosen, error) from error
        return reader.read(_joined(chosen, opened, options, told), names)
    finally:
        for path in paths:
            path.unlink(missing_ok=True)


def _chosen(archive: Archive, told: Told) -> tuple[list[Member], list[str] | None]:
    """Choose the files that are read, and give the names of classes that another one says."""
    members = archive.members
    if not members:
        raise UnreadableError(Fault("file", "the archive holds no files", "send one with pictures, or a CSV, in it"))
    data = data_files(members)
    chosen, class_names = without_mapping(archive, data, told)
    chosen = without_copies(archive, chosen, told)
    if not chosen and len(members) == 1 and not foreign.is_called_archive(members[0]):
        chosen = list(members)
    if not chosen:
        foreign.refuse(archive, members)
        names = ", ".join(shown(member.name) for member in members[:_MOST_NAMED])
        what = f"the archive holds neither pictures nor a CSV or Parquet file: {names}"
        raise UnreadableError(Fault("file", what, "send pictures in folders of their classes, or one file of rows"))
    others = [member for member in members if member not in chosen and member not in data]
    if others:
        some = [shown(member.name) for member in others[:_SHOWN]]
        tell_left_out(told, "files beside the data", len(others), some)
    if len(chosen) == 1:
        told.note("archive", f"{shown(chosen[0].name)} in the archive is read as if it had been sent by itself")
        return chosen, class_names
    known = {member: part_of(member.name.rpartition("/")[2].partition(".")[0]) for member in chosen}
    parts = [part[0] for part in known.values() if part is not None]
    rests = {part[1] for part in known.values() if part is not None}
    if len(parts) < len(chosen) or len(set(parts)) < len(parts) or len(rests) > 1 or 0 not in parts:
        names = ", ".join(shown(member.name) for member in chosen[:_MOST_NAMED])
        more = f", and {len(chosen) - _MOST_NAMED:,} more" if len(chosen) > _MOST_NAMED else ""
        raise UnreadableError(
            Fault("file", f"the archive holds several files of data: {names}{more}",
                  "send one of them by itself, and the others after it with append=true; or call them train.csv and "
                  "test.csv")
        )  # fmt: skip
    return sorted(chosen, key=lambda member: (known[member] or (0, ()))[0]), class_names


def _unpack(source: BinaryIO, target: BinaryIO, told: Told) -> None:
    """Write a member into a file, or as much of it as is looked at where that is a part, and the member a text."""
    piece, left = source.read(_CHUNK), None
    if told.excerpt is not None and signature.is_text(piece):
        left = told.excerpt.extent.bytes + text.LONGEST
    while piece and (left is None or left > 0):
        target.write(piece)
        left = None if left is None else left - len(piece)
        piece = source.read(_CHUNK)


def _joined(members: Sequence[Member], sources: Sequence[Source], options: Options, told: Told) -> Source:
    """Give the rows of all files with a column that says which they are of; or of the first, if no other has labels."""
    known = [part_of(member.name.rpartition("/")[2].partition(".")[0]) or (0, ()) for member in members]
    kept, first = [0], [name.strip() for name in sources[0].names]
    for place, source in enumerate(sources[1:], 1):
        names = [name.strip() for name in source.names]
        name = shown(members[place].name)
        if names == first and source.decimal == sources[0].decimal:
            kept.append(place)
        elif (lacking := [one for one in first if one not in names]) and len(lacking) == 1 and len(first) > 1 and (
            [one for one in first if one != lacking[0]] == names
        ) and options.label in (None, lacking[0]):  # fmt: skip
            told.warn("a file without labels", f"{name} lacks the column {lacking[0]!r}, and is left out")
        else:
            raise UnreadableError(
                Fault(f"member {name}", f"its columns are not those of {shown(members[0].name)}",
                      "give both the same columns in the same order, or send one of them by itself")
            )  # fmt: skip
    if len(kept) == 1:
        return sources[0]
    if options.split is not None or "split" in first:
        raise UnreadableError(
            Fault("split", "a column and the names of the files both say which part a row is of",
                  "send one file, or leave the column out of both")
        )  # fmt: skip
    told.note("archive", f"{' and '.join(shown(members[place].name) for place in kept)} are the parts of one data set")
    return _Joined([sources[at] for at in kept], [_PARTS[known[at][0]] for at in kept],
                   [shown(members[at].name) for at in kept])  # fmt: skip


class _Joined:
    """The rows of several files; see Source. The last column says which part each is of."""

    def __init__(self, sources: Sequence[Source], parts: Sequence[str], files: Sequence[str]) -> None:
        self._sources, self._parts, self._files = sources, parts, files
        first = sources[0]
        self.names: Sequence[str] = [*first.names, "split"]
        self.named, self.decimal = first.named, first.decimal
        self.sample: Sequence[Sequence[str]] = [(*row, parts[0]) for row in first.sample]

    def batches(self, texts: Sequence[int], numbers: Sequence[int] = (), *, whole: bool = True) -> Iterator[Batch]:
        """Give all rows anew, of one file after the other; see Source."""
        last = len(self.names) - 1
        asked = [place for place in texts if place != last] or [0]
        for source, part, file in zip(self._sources, self._parts, self._files, strict=True):
            for batch in _of_file(file, source.batches(asked, numbers, whole=whole)):
                count = len(batch.texts[asked[0]])
                its = {**batch.texts, last: pa.array([part] * count, pa.string())}
                where = batch.where
                yield Batch(its, batch.numbers, lambda row, where=where, file=file: f"{file}, {where(row)}")  # type: ignore[misc]


def _of_file(file: str, batches: Iterator[Batch]) -> Iterator[Batch]:
    """Give batches; the faults of one say which file they are of."""
    try:
        yield from batches
    except UnreadableError as error:
        faults = (Fault(f"{file}, {fault.where}", fault.detail, fault.remedy) for fault in error.faults)
        raise UnreadableError(*faults) from error
