"""Arrays in a ZIP: an NPZ, or files of arrays that belong together; and those that came as parts of one form."""

import gzip
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

from numpy.typing import NDArray

from models.data.reading import npy
from models.data.reading.archives.members import Archive, Member
from models.data.reading.archives.zipped import open_zip
from models.data.reading.arrays import array_examples, idx_header, mapping, numpy_header, sparse_examples, svmlight
from models.data.reading.arrays.array import Array, Form, unpacked, unreadable
from models.data.reading.arrays.unpacking import gunzipped
from models.data.reading.found import Found, UnreadableError
from models.data.reading.options import Options
from models.data.reading.source import Progress
from models.data.reading.told import Told

_MOST = 64  # members; where there are more, they are examples and no arrays
_HEAD = 64 * 2**10
_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif")
_ENDINGS = (".gz", ".npy", ".npz", ".idx", ".bin", ".txt", ".svm")
Kind = Literal["npy", "idx", "npz", "svmlight", "mapping", "other"]


@dataclass(frozen=True)
class File:
    """A member of an archive: what it is, whether compressed, and what it is called without folder and ending."""

    member: Member
    kind: Kind
    compressed: bool
    name: str


def files(archive: Archive) -> list[File] | None:
    """Tell what the members of an archive are, by their first bytes; None where they are no arrays."""
    members = archive.members
    pictures = sum(member.name.lower().endswith(_PICTURES) for member in members)
    if not 0 < len(members) <= _MOST or pictures:
        return None
    wrapping = _wrapping([member.name for member in members])
    found = [File(member, *_kind(archive, member), _name(member.name[wrapping:])) for member in members]
    return found if any(file.kind not in {"other", "mapping"} for file in found) else None


def read(
    archive: Archive, found: Sequence[File], folder: Path, options: Options, told: Told, progress: Progress, *,
    size: int, name: str | None,
) -> Found:  # fmt: skip
    """Read the arrays of an archive as one data set; raises UnreadableError.

    `size` is that of the archive in bytes, `name` what its sender called it.
    """
    kinds = {file.kind for file in found} - {"other", "mapping"}
    sparse = [file for file in found if file.kind == "svmlight"]
    is_sparse = kinds == {"svmlight"}
    for file in found:
        if file.kind == "other" or (file.kind == "svmlight" and not is_sparse):
            told.leave_out(file.member.name, "it is no array")
    # EMNIST's pixels stand column by column, and its files say whose they are.
    called = next((file.member.name for file in found if "emnist" in file.member.name.lower()), name)
    if is_sparse:
        told.taken_for["compression"] = "zip"
        its = [(file.member.name, file.member.where, partial(_opened, archive, file)) for file in sparse]
        return sparse_examples.of(its, folder, options, told, progress, size=size, name=called)
    is_npz = all(file.member.name.endswith(".npy") for file in found if file.kind == "npy") and kinds == {"npy"}
    told.taken_for |= {
        "format": "npz" if is_npz else "+".join(sorted(kinds)), "why": "its members are arrays, by their first bytes",
        "compression": "zip",
    }  # fmt: skip
    with ExitStack() as stack:
        arrays = [array for file in found for array in _arrays(archive, file, folder, told, stack)]
        given = _class_names(archive, found, told)
        return array_examples.of(
            arrays, folder, options, told, progress, size=size, name=called, given=given, is_idx="idx" in kinds
        )


def _kind(archive: Archive, member: Member) -> tuple[Kind, bool]:
    with archive.open(member) as stream:
        head, compressed = stream.read(_HEAD), False
    if head.startswith(b"\x1f\x8b"):
        compressed = True
        try:
            with archive.open(member) as stream, gunzipped(stream, member.where) as inner:
                head = inner.read(_HEAD)
        except UnreadableError:
            return "other", True
    if head.startswith(numpy_header.MAGIC):
        return "npy", compressed
    if idx_header.begins(head):
        return "idx", compressed
    if head.startswith(b"PK\x03\x04") and not compressed and member.name.lower().endswith(".npz"):
        return "npz", False
    text = head.decode("latin-1")
    if svmlight.is_like(text):
        return "svmlight", compressed
    is_mapping = "mapping" in member.name.lower() and len(head) < _HEAD and mapping.is_like(text)
    # What is called an array and is none is a fault of that array, should it be needed.
    named = member.name.lower().endswith(".npy")
    return "mapping" if is_mapping else "npy" if named else "other", compressed


def _arrays(archive: Archive, file: File, folder: Path, told: Told, stack: ExitStack) -> Iterator[Array]:
    if file.kind in {"npy", "idx"}:
        read_header = numpy_header.read if file.kind == "npy" else idx_header.read
        yield _array(archive, file, folder, read_header)
    elif file.kind == "npz":
        inner = stack.enter_context(_unpacked(archive, file.member, folder))
        within = stack.enter_context(open_zip(inner, told, most_member=npy.MOST_BYTES))
        its = [one for one in within.members if one.name.endswith(".npy")]
        for one in its:
            name = file.name if len(its) == 1 else f"{file.name}/{_name(one.name)}"
            yield _array(within, File(one, "npy", False, name), folder, numpy_header.read, f" in {file.member.where}")


def _array(
    archive: Archive, file: File, folder: Path, read_header: Callable[[BinaryIO, str], Form], within: str = ""
) -> Array:
    where = f"{file.member.where}{within}"
    try:
        with _opened(archive, file) as stream:
            form = read_header(stream, where)
    except UnreadableError as error:
        return unreadable(file.name, where, error.faults[0])

    def load() -> NDArray[Any]:
        with archive.open(file.member) as packed:
            if not file.compressed:
                return unpacked(packed, read_header(packed, where), folder, where)
            with gunzipped(packed, where) as stream:
                return unpacked(stream, read_header(stream, where), folder, where)

    return Array(file.name, where, form, load)


def _opened(archive: Archive, file: File) -> BinaryIO:
    stream = archive.open(file.member)
    return cast(BinaryIO, gzip.GzipFile(fileobj=stream)) if file.compressed else stream


@contextmanager
def _unpacked(archive: Archive, member: Member, folder: Path) -> Iterator[Path]:
    """Write an NPZ within a ZIP into a file of its own, which lies there until the context ends."""
    with tempfile.NamedTemporaryFile(dir=folder) as file, archive.open(member) as stream:
        while piece := stream.read(2**20):
            file.write(piece)
        file.flush()
        yield Path(file.name)


def _class_names(archive: Archive, found: Sequence[File], told: Told) -> list[str] | None:
    maps = [file for file in found if file.kind == "mapping"]
    if len(maps) != 1:
        for file in maps:
            told.leave_out(file.member.name, "there are several that say what labels stand for")
        return None
    with archive.open(maps[0].member) as stream:
        return mapping.names(stream.read().decode("latin-1"), maps[0].member.name, told)


def _wrapping(names: Sequence[str]) -> int:
    """Give the length of the folders that all names begin with."""
    first = names[0].split("/")[:-1]
    depth = 0
    while depth < len(first) and all(name.split("/")[: depth + 1] == first[: depth + 1] for name in names):
        depth += 1
    return sum(len(folder) + 1 for folder in first[:depth])


def _name(name: str) -> str:
    while name.lower().endswith(_ENDINGS):
        name = name[: name.rindex(".")]
    return name
