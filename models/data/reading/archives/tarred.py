"""A TAR archive, as it is or compressed with gzip: where its members lie is found in one pass, and read in others."""

import gzip
import io
import tarfile
import zlib
from array import array
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Self, cast

from models.data.reading.archives import limits
from models.data.reading.archives.headers import damaged, headers
from models.data.reading.archives.members import Archive, Member, Names
from models.data.reading.archives.stream import Stream
from models.data.reading.text import damaged_gzip
from models.data.reading.told import Told

_CHUNK = 2**20
_LEFT_OUT = {
    tarfile.SYMTYPE: "links",
    tarfile.LNKTYPE: "links",
    tarfile.CHRTYPE: "devices",
    tarfile.BLKTYPE: "devices",
    tarfile.FIFOTYPE: "pipes",
}


def open_tar(file: Path, told: Told, *, compressed: bool, most_member: int = limits.MOST_MEMBER) -> Archive:
    """Open a TAR archive; `most_member` bounds what `contents` gives of one. Raises UnreadableError."""
    return _Tar(file, told, compressed, most_member)


class _Tar:
    def __init__(self, file: Path, told: Told, compressed: bool, most_member: int) -> None:
        self._file, self._compressed, self._most = file, compressed, most_member
        self._offsets = array("q")
        self.is_sequential = compressed
        self.position = 0
        members, names, guessed = list[Member](), Names(), False
        with _Reader(file, compressed) as reader:
            for header in headers(reader):
                given, is_guess = _decoded(header.name)
                is_folder = header.kind == tarfile.DIRTYPE
                but = (
                    None
                    if is_folder or header.kind == tarfile.REGTYPE
                    else _LEFT_OUT.get(header.kind, "what is no file")
                )
                if (name := names.take(given, is_folder=is_folder, but=but)) is not None:
                    members.append(Member(name, header.size))
                    self._offsets.append(header.offset)
                    guessed = guessed or is_guess
            if not reader.has_ended:
                told.warn("an archive without an end", "the TAR archive does not say where it ends; it may be cut off")
        names.settle(members, told)
        if guessed:
            told.note("encoding", "names of members that are not UTF-8 are read as latin-1, which is a guess")
        self.members: Sequence[Member] = members
        self.folders: Sequence[str] = names.folders

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing stays open between two passes."""

    def contents(self, wanted: Collection[str] | None = None) -> Iterator[tuple[Member, bytes]]:
        chosen = None if wanted is None else frozenset(wanted)
        with _Reader(self._file, self._compressed) as reader:
            for member, offset in zip(self.members, self._offsets, strict=True):
                if chosen is not None and member.name not in chosen:
                    continue
                limits.check_member(member.where, member.size, self._most)
                reader.skip(offset - reader.tell())
                data = reader.read(member.size)
                self.position = reader.position
                yield member, data

    def streams(self, wanted: Collection[str] | None = None) -> Iterator[tuple[Member, BinaryIO]]:
        chosen = None if wanted is None else frozenset(wanted)
        with _Reader(self._file, self._compressed) as reader:
            for member, offset in zip(self.members, self._offsets, strict=True):
                if chosen is None or member.name in chosen:
                    pieces = _pieces(reader, offset - reader.tell(), member.size)
                    with io.BufferedReader(Stream(pieces, io.BytesIO()), _CHUNK) as stream:
                        yield member, stream

    def place(self, member: Member) -> tuple[Path, int] | None:
        offset = self._offset(member)
        is_whole = offset + member.size <= self._file.stat().st_size
        return (self._file, offset) if is_whole and not self._compressed else None

    def open(self, member: Member) -> BinaryIO:
        reader = _Reader(self._file, self._compressed)
        pieces = _pieces(reader, self._offset(member), member.size)
        return io.BufferedReader(Stream(pieces, cast(BinaryIO, reader)), _CHUNK)

    def _offset(self, member: Member) -> int:
        number = next(number for number, known in enumerate(self.members) if known.name == member.name)
        return self._offsets[number]


class _Reader:
    """The bytes of a TAR, unpacked; raises UnreadableError where they end too early, or become too many."""

    def __init__(self, file: Path, compressed: bool) -> None:
        self._raw = file.open("rb")
        self._size = file.stat().st_size
        self._gzip = gzip.GzipFile(fileobj=self._raw) if compressed else None
        self._place = 0
        self.has_ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._raw.close()

    @property
    def position(self) -> int:
        return self._raw.tell()

    def tell(self) -> int:
        return self._place

    def block(self) -> bytes:
        """Give the next block, and nothing at the end of the file."""
        data = self._some(tarfile.BLOCKSIZE)
        if data and len(data) < tarfile.BLOCKSIZE:
            raise damaged("it ends within a header")
        self.has_ended = bool(data) and not any(data)
        return data

    def read(self, count: int) -> bytes:
        """Give so many bytes."""
        data = self._some(count)
        if len(data) < count:
            raise damaged("it ends within a file")
        return data

    def skip(self, count: int) -> None:
        """Pass over so many bytes."""
        if self._gzip is None:
            self._place += count
            if self._place > self._size:
                raise damaged("it ends within a file")
            self._raw.seek(self._place)
            return
        while count > 0:
            count -= len(self.read(min(count, _CHUNK)))

    def _some(self, count: int) -> bytes:
        if self._gzip is None:
            data = self._raw.read(count)
        else:
            try:
                data = self._gzip.read(count)
            except (OSError, EOFError, zlib.error) as error:
                raise damaged_gzip(error) from error
            limits.check_inflated("file", self._place + len(data), self._size)
        self._place += len(data)
        return data


def _pieces(reader: _Reader, before: int, size: int) -> Iterator[bytes]:
    reader.skip(before)
    while size > 0:
        data = reader.read(min(size, _CHUNK))
        size -= len(data)
        yield data


def _decoded(name: str) -> tuple[str, bool]:
    """Give a name that any text can hold, and whether its encoding is a guess."""
    if name.isascii() or not any("\udc80" <= letter <= "\udcff" for letter in name):
        return name, False
    return name.encode("utf-8", "surrogateescape").decode("latin-1"), True
