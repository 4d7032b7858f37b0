"""A ZIP archive: its members by their directory, and their bytes as they are inflated, no more of them than it said."""

import io
import stat
import zlib
from array import array
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self

import numpy as np

from models.data.reading.archives import directory, limits
from models.data.reading.archives.members import Archive, Member, Names, refused
from models.data.reading.archives.stream import Stream
from models.data.reading.found import MOST_FAULTS, Fault, UnreadableError
from models.data.reading.told import Told

_STORED, _DEFLATED = 0, 8
_METHODS = {
    1: "Shrink", 6: "Implode", 9: "Deflate64", 12: "bzip2", 14: "LZMA", 20: "Zstandard", 93: "Zstandard", 95: "xz",
    96: "JPEG", 98: "PPMd", 99: "AES",
}  # fmt: skip
_HEADER = 30
_CHUNK = 2**16
_ANEW = "make the archive anew, and send the whole of it"


def open_zip(file: Path, told: Told, *, most_member: int = limits.MOST_MEMBER) -> Archive:
    """Open a ZIP archive; `most_member` bounds what `contents` gives of one. Raises UnreadableError."""
    try:
        return _Zip(file, told, most_member, "utf-8")
    except UnicodeDecodeError:
        # Names that do not say their encoding have one of a time before UTF-8, all of them.
        return _Zip(file, told, most_member, "cp437")


class _Place(NamedTuple):
    offset: int
    packed: int
    method: int
    crc: int


class _Zip:
    is_sequential = False

    def __init__(self, file: Path, told: Told, most_member: int, encoding: str) -> None:
        self._file, self._most = file, most_member
        self._numbers = array("q")
        self._by_name: dict[str, int] | None = None
        self.position = 0
        members, names, faults = list[Member](), Names(), list[Fault]()
        starts, ends, guessed = array("q"), array("q"), False
        has_backslashes: bool | None = None
        for entry in directory.entries(file):
            given = entry.name if isinstance(entry.name, str) else entry.name.decode(encoding)
            if "\\" in given and has_backslashes is None:
                has_backslashes = _stand_for_slashes(file)
            given = given.replace("\\", "/") if has_backslashes else given
            guessed = guessed or isinstance(entry.name, bytes)
            starts.append(entry.offset)
            ends.append(entry.offset + _HEADER + entry.packed)
            kind = stat.S_IFMT(entry.mode)
            is_folder = given.endswith("/") or kind == stat.S_IFDIR
            but = None if is_folder or kind in (0, stat.S_IFREG) else "links, and what is no file"
            if (name := names.take(given, is_folder=is_folder, but=but)) is None:
                continue
            member = Member(name, entry.size)
            if (fault := _fault(member, entry)) is not None:
                faults.append(fault)
                if len(faults) == MOST_FAULTS:
                    break
            members.append(member)
            self._numbers.extend((entry.offset, entry.packed, entry.method, entry.crc))
        if faults:
            raise UnreadableError(*faults)
        names.settle(members, told)
        _check_overlaps(starts, ends)
        # No member gives more than is said here, so that this bounds all that is ever inflated.
        limits.check_inflated("file", sum(member.size for member in members), file.stat().st_size)
        if has_backslashes:
            told.note("folders", "backslashes in names of members are taken for slashes, as no name has a slash in it")
        if guessed:
            told.note(
                "encoding",
                f"names of members that are not ASCII are read as {encoding}, which is a guess; if they look wrong, "
                "rename them, or make the archive with names in UTF-8",
            )
        self.members: Sequence[Member] = members
        self.folders: Sequence[str] = names.folders

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing stays open between two members."""

    def contents(self, wanted: Collection[str] | None = None) -> Iterator[tuple[Member, bytes]]:
        chosen = None if wanted is None else frozenset(wanted)
        with self._file.open("rb") as raw:
            for number, member in enumerate(self.members):
                if chosen is not None and member.name not in chosen:
                    continue
                limits.check_member(member.where, member.size, self._most)
                data = b"".join(_inflated(raw, member, self._place(number), member.size + 1))
                self.position = raw.tell()
                yield member, data

    def streams(self, wanted: Collection[str] | None = None) -> Iterator[tuple[Member, BinaryIO]]:
        chosen = None if wanted is None else frozenset(wanted)
        for member in self.members:
            if chosen is None or member.name in chosen:
                with self.open(member) as stream:
                    yield member, stream

    def place(self, member: Member) -> tuple[Path, int] | None:
        its = self._its(member)
        if its.method != _STORED:
            return None
        with self._file.open("rb") as raw:
            _go(raw, member, its)
            start = raw.tell()
        if start + its.packed > self._file.stat().st_size:
            raise refused(member, "its data are cut off", _ANEW)
        return self._file, start

    def open(self, member: Member) -> BinaryIO:
        raw = self._file.open("rb")
        return io.BufferedReader(Stream(_inflated(raw, member, self._its(member), _CHUNK), raw), _CHUNK)

    def _its(self, member: Member) -> _Place:
        if self._by_name is None:
            self._by_name = {known.name: number for number, known in enumerate(self.members)}
        return self._place(self._by_name[member.name])

    def _place(self, number: int) -> _Place:
        return _Place(*self._numbers[4 * number : 4 * number + 4])


def _stand_for_slashes(file: Path) -> bool:
    """Whether folders are told by backslashes, as .NET wrote archives before version 4.6.1: no name has a slash.

    In a name whose encoding is not known, a backslash may be half of a letter.
    """
    names = [entry.name for entry in directory.entries(file)]
    return not any("/" in name if isinstance(name, str) else b"/" in name or b"\\" in name for name in names)


def _go(raw: BinaryIO, member: Member, place: _Place) -> None:
    """Go to the first byte of a member; raises UnreadableError where there is none."""
    raw.seek(place.offset)
    head = raw.read(_HEADER)
    if len(head) < _HEADER or not head.startswith(b"PK\x03\x04"):
        raise refused(member, "its data do not lie where they should", _ANEW)
    raw.seek(int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little"), io.SEEK_CUR)


def _inflated(raw: BinaryIO, member: Member, place: _Place, at_once: int) -> Iterator[bytes]:
    """Give the bytes of a member, at most so many at once; raises UnreadableError where they are not as was said."""
    _go(raw, member, place)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS) if place.method == _DEFLATED else None
    left, size, crc, tail, ended = place.packed, 0, 0, b"", False
    while not ended:
        data = tail or raw.read(min(left, _CHUNK))
        left -= 0 if tail else len(data)
        if inflater is None:
            out, ended = data, left == 0
        else:
            try:
                out = inflater.decompress(data, at_once)
            except zlib.error as error:
                raise refused(member, f"its data are damaged ({error})", _ANEW) from error
            tail, ended = inflater.unconsumed_tail, inflater.eof
        if not (data or out or ended):
            raise refused(member, "its data are cut off", _ANEW)
        size += len(out)
        if size > member.size:
            raise refused(member, "it holds more bytes than the archive says", _ANEW)
        limits.check_inflated(member.where, size, place.packed - left)
        crc = zlib.crc32(out, crc)
        yield out
    if size != member.size or crc != place.crc:
        raise refused(member, "its data are not those that were packed (size or CRC-32)", _ANEW)


def _fault(member: Member, entry: directory.Entry) -> Fault | None:
    if entry.is_encrypted:
        return Fault(member.where, "it is encrypted", "make the archive anew, without a password")
    if entry.method not in (_STORED, _DEFLATED):
        what = f"it is compressed with {_METHODS.get(entry.method, f'method {entry.method}')}, which is not read"
        return Fault(member.where, what, "make the archive anew with the usual method, Deflate: zip -r NAME.zip FOLDER")
    if entry.method == _STORED and entry.packed != entry.size:
        return Fault(member.where, "it is not compressed, and has two sizes", _ANEW)
    return None


def _check_overlaps(starts: "array[int]", ends: "array[int]") -> None:
    """Refuse members that share bytes of the file, of which a few could be inflated any number of times."""
    first, last = np.frombuffer(starts, np.int64), np.frombuffer(ends, np.int64)
    order = np.argsort(first, kind="stable")
    if (first[order][1:] < last[order][:-1]).any():
        raise UnreadableError(Fault("file", "members of the archive lie upon each other", _ANEW))
