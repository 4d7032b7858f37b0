"""Members of an archive that is unpacked from its start alone, written into one file, from which each can be read."""

import io
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Self

from models.data.reading.archives.members import Archive, Member
from models.data.reading.archives.stream import Stream

_CHUNK = 2**20


@contextmanager
def spooled(archive: Archive, wanted: Collection[str], folder: Path) -> Iterator[Archive]:
    """Give an archive whose members are opened in no time; those that are not `wanted` cannot be.

    To open each of n members of a packed TAR would unpack it n times. Raises UnreadableError.
    """
    if not archive.is_sequential:
        yield archive
        return
    starts = dict[str, int]()
    with tempfile.TemporaryFile(dir=folder) as file:
        for member, stream in archive.streams(wanted):
            starts[member.name] = file.tell()
            shutil.copyfileobj(stream, file, _CHUNK)
        file.flush()
        yield _Spooled(archive, file.fileno(), starts)


class _Spooled:
    is_sequential = False

    def __init__(self, archive: Archive, descriptor: int, starts: Mapping[str, int]) -> None:
        self._archive, self._descriptor, self._starts = archive, descriptor, starts
        self.members: Sequence[Member] = archive.members
        self.folders: Sequence[str] = archive.folders

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """The file is closed by whoever made it."""

    @property
    def position(self) -> int:
        return self._archive.position

    def contents(self, wanted: Collection[str] | None = None) -> Iterator[tuple[Member, bytes]]:
        return self._archive.contents(wanted)

    def streams(self, wanted: Collection[str] | None = None) -> Iterator[tuple[Member, BinaryIO]]:
        return self._archive.streams(wanted)

    def place(self, member: Member) -> tuple[Path, int] | None:  # noqa: ARG002 - the file has no name to open it by
        return None

    def open(self, member: Member) -> BinaryIO:
        return io.BufferedReader(Stream(self._pieces(self._starts[member.name], member.size), io.BytesIO()), _CHUNK)

    def _pieces(self, start: int, size: int) -> Iterator[bytes]:
        # No position is shared by those who read at once.
        while data := os.pread(self._descriptor, min(size, _CHUNK), start):
            yield data
            start, size = start + len(data), size - len(data)
