"""Arrays in a ZIP: an NPZ, or files of arrays that belong together; and those that came as parts of one form."""

import gzip
import hashlib
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

from numpy.typing import NDArray

from models.data.reading import npy
from models.data.reading.archives.members import Archive, Member, shown
from models.data.reading.archives.spooled import spooled
from models.data.reading.archives.zipped import open_zip
from models.data.reading.arrays import array_examples, idx_header, mapping, numpy_header, sparse_examples, svmlight
from models.data.reading.arrays.array import Array, Form, begun, check_length, mapped, unpacked, unreadable
from models.data.reading.arrays.unpacking import gunzipped
from models.data.reading.found import Fault, Found, UnreadableError
from models.data.reading.options import Options
from models.data.reading.source import Progress
from models.data.reading.told import Told

_MOST_UNPACKED = 64 * 2**20  # bytes, of an array of which a part is looked at; larger ones take too long
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
    # A drawing or two may lie beside arrays.
    arrays = sum(member.name.lower().endswith((".npy", ".npz")) for member in members)
    if not 0 < len(members) <= _MOST or (pictures and pictures >= arrays):
        return None
    wrapping = _wrapping([member.name for member in members])
    found = [
        File(member, *_kind(member, stream.read(_HEAD)), _name(member.name[wrapping:]))
        for member, stream in archive.streams()
    ]
    return found if any(file.kind not in {"other", "mapping"} for file in found) else None


def read(
    archive: Archive, found: Sequence[File], folder: Path, options: Options, told: Told, progress: Progress, *,
    size: int, name: str | None,
) -> Found:  # fmt: skip
    """Read the arrays of an archive as one data set; raises UnreadableError.

    `size` is that of the archive in bytes, `name` what its sender called it.
    """
    with spooled(archive, [file.member.name for file in found if file.kind != "other"], folder) as its:
        return _read(its, found, folder, options, told, progress, size=size, name=name)


def _read(
    archive: Archive, found: Sequence[File], folder: Path, options: Options, told: Told, progress: Progress, *,
    size: int, name: str | None,
) -> Found:  # fmt: skip
    found = _without_copies(archive, found, told)
    kinds = {file.kind for file in found} - {"other", "mapping"}
    sparse = [file for file in found if file.kind == "svmlight"]
    is_sparse = kinds == {"svmlight"}
    for file in found:
        if file.kind == "other" or (file.kind == "svmlight" and not is_sparse):
            told.leave_out(file.member.name, "it is no array")
    # EMNIST's pixels stand column by column, and its files say whose they are.
    called = next((file.member.name for file in found if "emnist" in file.member.name.lower()), name)
    is_zip = told.taken_for["format"] == "zip"
    told.taken_for["compression"] = "zip" if is_zip else told.taken_for["compression"]
    if is_sparse:
        its = [(file.member.name, file.member.where, partial(_opened, archive, file)) for file in sparse]
        return sparse_examples.of(its, folder, options, told, progress, size=size, name=called)
    is_npz = all(file.member.name.endswith(".npy") for file in found if file.kind == "npy") and kinds == {"npy"}
    told.taken_for |= {
        "format": "npz" if is_npz and is_zip else "+".join(sorted(kinds)),
        "why": "its members are arrays, by their first bytes",
    }
    with ExitStack() as stack:
        arrays = [array for file in found for array in _arrays(archive, file, folder, told, stack)]
        given = _class_names(archive, found, told)
        return array_examples.of(
            arrays, folder, options, told, progress, size=size, name=called, given=given, is_idx="idx" in kinds
        )


def _without_copies(archive: Archive, found: Sequence[File], told: Told) -> list[File]:
    """Give files without those that are another one compressed, as PyTorch leaves MNIST's in its folder.

    Raises UnreadableError for two that are called alike and hold other bytes.
    """
    kept = dict[str, File]()
    others = list[File]()
    for file in sorted(found, key=lambda file: file.compressed):
        name = file.member.name.removesuffix(".gz")
        if file.kind in {"other", "mapping"} or name not in kept:
            kept[name if file.kind != "other" else file.member.name] = file
            continue
        if _digest(archive, file) != _digest(archive, kept[name]):
            what = f"it and {shown(kept[name].member.name)} are called alike, and hold other data"
            raise UnreadableError(Fault(file.member.where, what, "leave one of them out"))
        others.append(file)
        told.leave_out(file.member.name, f"it is {shown(kept[name].member.name)}, compressed")
    return [file for file in found if file not in others]


def _digest(archive: Archive, file: File) -> bytes:
    digest = hashlib.sha256()
    with ExitStack() as stack:
        stream = stack.enter_context(archive.open(file.member))
        if file.compressed:
            stream = stack.enter_context(gunzipped(stream, file.member.where))
        while piece := stream.read(2**20):
            digest.update(piece)
    return digest.digest()


def _kind(member: Member, head: bytes) -> tuple[Kind, bool]:
    compressed = head.startswith(b"\x1f\x8b")
    if compressed:
        try:
            head = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(head, _HEAD)
        except zlib.error:
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
    is_mapping = mapping.is_called_so(member.name) and len(head) < _HEAD and mapping.is_like(text)
    # What is called an array and is none is a fault of that array, should it be needed.
    named = member.name.lower().endswith(".npy")
    return "mapping" if is_mapping else "npy" if named else "other", compressed


def _arrays(archive: Archive, file: File, folder: Path, told: Told, stack: ExitStack) -> Iterator[Array]:
    if file.kind in {"npy", "idx"}:
        read_header = numpy_header.read if file.kind == "npy" else idx_header.read
        yield _array(archive, file, folder, read_header, told)
    elif file.kind == "npz":
        inner = stack.enter_context(_unpacked(archive, file.member, folder))
        within = stack.enter_context(open_zip(inner, told, most_member=npy.MOST_BYTES))
        its = [one for one in within.members if one.name.endswith(".npy")]
        for one in its:
            name = file.name if len(its) == 1 else f"{file.name}/{_name(one.name)}"
            its_file, where = File(one, "npy", False, name), f" in {file.member.where}"
            yield _array(within, its_file, folder, numpy_header.read, told, where)


def _array(
    archive: Archive, file: File, folder: Path, read_header: Callable[[BinaryIO, str], Form], told: Told,
    within: str = "",
) -> Array:  # fmt: skip
    where = f"{file.member.where}{within}"
    try:
        with _opened(archive, file) as stream:
            form = read_header(stream, where)
    except UnreadableError as error:
        return unreadable(file.name, where, error.faults[0])

    def load() -> NDArray[Any]:
        # Of what is looked at in part nothing is copied; of what is kept all bytes are compared with their CRC-32.
        place = None if told.excerpt is None or file.compressed else archive.place(file.member)
        if place is not None:
            check_length(form, file.member.size - form.start, where)
            with place[0].open("rb") as raw:
                return mapped(raw, Form(form.dtype, form.shape, place[1] + form.start, form.by_columns))
        with archive.open(file.member) as packed:
            if not file.compressed:
                return unpacked(packed, read_header(packed, where), folder, where)
            with gunzipped(packed, where) as stream:
                return unpacked(stream, read_header(stream, where), folder, where)

    def first(rows: int) -> NDArray[Any]:
        with archive.open(file.member) as packed:
            if not file.compressed:
                return begun(packed, read_header(packed, where), rows, where)
            with gunzipped(packed, where) as stream:
                return begun(stream, read_header(stream, where), rows, where)

    is_long = told.excerpt is not None and form.size > _MOST_UNPACKED and not form.by_columns
    is_packed = is_long and (file.compressed or archive.place(file.member) is None)
    return Array(file.name, where, form, load, first=first if is_packed else None)


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
