"""An array of which the header is known, and its numbers only once somebody asks for them."""

import math
import mmap
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from models.data.reading import npy
from models.data.reading.found import Fault, UnreadableError

_PIECE = 2**20


@dataclass(frozen=True)
class Form:
    """What a header says of an array: its type, its shape, in which order its numbers stand, and where they begin."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int = 0  # bytes
    by_columns: bool = False  # the first index varies fastest, as in Fortran

    @property
    def size(self) -> int:
        """Count the bytes of the numbers."""
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True)
class Array:
    """An array: what it is called, how a fault calls it, its form, and how its numbers are come by.

    Where `fault` stands, it cannot be read, and whoever needs it says so. `first` gives so many of its first rows,
    where these alone are to be looked at, as all of them would take long to unpack.
    """

    name: str
    where: str
    form: Form
    load: Callable[[], NDArray[Any]]
    fault: Fault | None = None
    first: Callable[[int], NDArray[Any]] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Give its shape."""
        return self.form.shape

    @property
    def shown(self) -> str:
        """Give its name and shape for a sentence."""
        return f"{self.name!r} ({' x '.join(f'{side:,}' for side in self.shape)})"

    def require(self) -> "Array":
        """Raise UnreadableError where it cannot be read."""
        if self.fault is not None:
            raise UnreadableError(self.fault)
        return self


def unreadable(name: str, where: str, fault: Fault) -> Array:
    """Give an array that is there and cannot be read."""
    return Array(name, where, Form(np.dtype(np.uint8), (0,)), lambda: np.empty(0, np.uint8), fault)


def check(form: Form, where: str) -> None:
    """Raise UnreadableError for an array that is larger than any may be, however few bytes it comes in."""
    if not form.shape:
        raise UnreadableError(
            Fault(where, "it is a single value", "send an array whose first axis counts the examples")
        )
    if any(side < 0 for side in form.shape):
        raise UnreadableError(Fault(where, f"its shape is {_list(form.shape)}, below 0", "write it anew"))
    if form.shape[0] > npy.MOST_ROWS:
        what = f"it has {form.shape[0]:,} rows; at most {npy.MOST_ROWS:,}"
        raise UnreadableError(Fault(where, what, "send fewer examples"))
    if form.size > npy.MOST_BYTES:
        what = f"its shape, {_list(form.shape)}, comes to more than {npy.MOST_BYTES / 2**30:g} GiB"
        raise UnreadableError(Fault(where, what, "send fewer examples, or smaller numbers: pixels as uint8"))


def mapped(file: BinaryIO, form: Form) -> NDArray[Any]:
    """Map the numbers of a file that lies on the disk, and is as long as its header says."""
    if not form.size:
        return np.empty(form.shape, form.dtype)
    # Read only and shared, so that no page of it counts as memory of this process.
    pages = mmap.mmap(file.fileno(), form.start + form.size, access=mmap.ACCESS_READ)
    return np.ndarray(form.shape, form.dtype, buffer=pages, offset=form.start, order="F" if form.by_columns else "C")


def unpacked(stream: BinaryIO, form: Form, folder: Path, where: str) -> NDArray[Any]:
    """Write the numbers of a stream, whose header was read, into a file without a name, and map that.

    Raises UnreadableError where the stream is shorter or longer than its header says.
    """
    with tempfile.TemporaryFile(dir=folder) as file:
        left = form.size
        while left and (piece := stream.read(min(_PIECE, left))):
            file.write(piece)
            left -= len(piece)
        check_length(form, form.size - left + len(stream.read(1)), where)
        file.flush()
        return mapped(file, Form(form.dtype, form.shape, 0, form.by_columns))


def begun(stream: BinaryIO, form: Form, rows: int, where: str) -> NDArray[Any]:
    """Give the first rows of a stream whose header was read; raises UnreadableError where it ends before."""
    its = Form(form.dtype, (rows, *form.shape[1:]))
    data = bytearray()
    while len(data) < its.size and (piece := stream.read(min(_PIECE, its.size - len(data)))):
        data += piece
    if len(data) < its.size:
        check_length(form, len(data), where)
    return np.frombuffer(data, its.dtype).reshape(its.shape)


def check_length(form: Form, there: int, where: str) -> None:
    """Raise UnreadableError where other than the bytes are there that a header promises."""
    if there < form.size:
        what = f"its header promises {form.size:,} bytes, {_list(form.shape)} of {form.dtype.name}; {there:,} are there"
        raise UnreadableError(Fault(where, f"it is cut off: {what}", "write it anew, and send the whole of it"))
    if there > form.size:
        what = f"more follows the {form.size:,} bytes that its header promises, {_list(form.shape)}"
        raise UnreadableError(Fault(where, what, "write one array into each file"))


def _list(shape: tuple[int, ...]) -> str:
    return f"[{', '.join(f'{side:,}' for side in shape)}]"
