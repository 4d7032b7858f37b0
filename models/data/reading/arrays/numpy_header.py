"""The header of a .npy file: read and bounded before anything of the array is, and never run.

The format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

import ast
import re
from typing import Any, BinaryIO

import numpy as np

from models.data.reading.arrays.array import Form, check
from models.data.reading.found import Fault, UnreadableError

MAGIC = b"\x93NUMPY"
_LONGEST = 10_000  # bytes; numpy's own bound
_MOST_AXES = 32
_LONGEST_TEXT = 40_000  # bytes of one element
_KNOWN = re.compile(r"[<>=|]?(b1|[iu][1248]|f(2|4|8|12|16)|[SU]\d{1,9}|\?)")
_LONG = re.compile(r"(?<=\d)L\b")
_OBJECTS = (
    "it holds Python objects, which can run anything when they are opened",
    "write numbers as numbers, and words as texts: numpy.save(FILE, numpy.array(values.tolist())), labels.astype(str)",
)


def read(stream: BinaryIO, where: str) -> Form:
    """Read the header at the beginning of a stream, and leave it at the first number; raises UnreadableError."""
    start = _exactly(stream, len(MAGIC) + 2, where)
    if not start.startswith(MAGIC):
        pickled = start[:1] == b"\x80"
        what = "it is a Python pickle, which can run anything when it is opened" if pickled else "it is no NumPy array"
        raise UnreadableError(Fault(where, what, _OBJECTS[1] if pickled else "write it with numpy.save or numpy.savez"))
    major, minor = start[len(MAGIC) :]
    if (major, minor) not in {(1, 0), (2, 0), (3, 0)}:
        what = f"it is of version {major}.{minor} of NumPy's format, which is not known"
        raise UnreadableError(Fault(where, what, "write it with numpy.save"))
    room = 2 if major == 1 else 4
    length = int.from_bytes(_exactly(stream, room, where), "little")
    if length > _LONGEST:
        what = f"its header has {length:,} bytes; at most {_LONGEST:,}"
        raise UnreadableError(Fault(where, what, "write it anew, as an array of numbers"))
    text = _exactly(stream, length, where).decode("utf-8" if major == 3 else "latin-1", errors="replace")
    form = _form(text, len(start) + room + length, where)
    check(form, where)
    return form


def _form(text: str, start: int, where: str) -> Form:
    try:
        # Literals alone: names, calls and operators are refused. Python 2 wrote an L after numbers.
        said = ast.literal_eval(_LONG.sub("", text).strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        said = None
    if not isinstance(said, dict) or said.keys() != {"descr", "fortran_order", "shape"}:
        raise UnreadableError(Fault(where, f"its header is damaged ({text[:60]!r})", "write it with numpy.save"))
    shape, order = said["shape"], said["fortran_order"]
    # A boolean is a whole number to Python.
    if not isinstance(shape, tuple) or any(type(side) is not int for side in shape) or len(shape) > _MOST_AXES:
        raise UnreadableError(Fault(where, f"its header says the shape {shape!r:.60}", "write it with numpy.save"))
    if not isinstance(order, bool):
        raise UnreadableError(Fault(where, f"its header says the order {order!r:.60}", "write it with numpy.save"))
    return Form(_type(said["descr"], where), shape, start, order)


def _type(said: object, where: str) -> np.dtype[Any]:
    if isinstance(said, list | tuple):
        raise UnreadableError(
            Fault(
                where,
                "each of its elements is a record of several fields",
                "send a table as CSV or Parquet, or each field as an array of its own in one NPZ",
            )
        )
    text = said if isinstance(said, str) else ""
    if "O" in text:
        raise UnreadableError(Fault(where, *_OBJECTS))
    if not _KNOWN.fullmatch(text):
        what = f"its elements are of the type {said!r:.40}, which are no numbers, booleans or texts"
        raise UnreadableError(Fault(where, what, "write it as another: values.astype(numpy.float32)"))
    try:
        found = np.dtype(text)
    except (TypeError, ValueError) as error:
        raise UnreadableError(
            Fault(where, f"numbers of the type {text!r} are not known here", "write it as float64")
        ) from error
    if found.kind in "SU" and not 0 < found.itemsize <= _LONGEST_TEXT:
        what = f"its texts have room for {found.itemsize:,} bytes; 1 to {_LONGEST_TEXT:,} are"
        raise UnreadableError(Fault(where, what, "write shorter texts"))
    return found


def _exactly(stream: BinaryIO, count: int, where: str) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise UnreadableError(
            Fault(where, "it is cut off within its header", "write it anew, and send the whole of it")
        )
    return data
