"""Tensors of the Open Inference Protocol: what their datatypes, shapes, lists and bytes say, in bounded memory."""

import struct
from itertools import chain
from reprlib import repr as shown
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.data.schema import MAX_COLUMNS
from service.edge.document import require_no_nul
from service.errors import Invalid
from service.predict.schemas import MAX_IMAGES

DATATYPES = {
    **{f"UINT{bits}": np.dtype(f"<u{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"INT{bits}": np.dtype(f"<i{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": np.dtype(f"<f{bits // 8}") for bits in (16, 32, 64)},
}
"""Datatypes of numbers, which are little-endian. Beside them there are BOOL, of a byte each, and BYTES."""

MAX_LISTS = 30 * MAX_IMAGES
"""Lists and objects of one document: an image has 28 rows, and is a list itself. Each takes a hundred bytes."""

MAX_NESTING = 4
"""Lists within each other that hold numbers: images, channels, rows and columns."""

MAX_QUOTES = 400_000
"""Of which each string has two."""

MAX_TENSORS = 2 * MAX_COLUMNS
"""Of one request: columns, and others that a table has and a network does not use."""

MAX_TEXTS = 500_000
"""Elements of all BYTES tensors of one request that are columns: each takes some fifty bytes more than it has."""

_LENGTH = struct.Struct("<I")


class Tensor(NamedTuple):
    """A tensor as it came: `data` is bytes, or what JSON has there.

    `place` is where it stands among the inputs, -1 of the one that a body of raw bytes is, whose `shape` is not said.
    `is_unit` says that its numbers from 0 to 1 stand for the scale of the data set.
    """

    name: str
    datatype: str
    shape: list[int]
    data: Any
    place: int = 0
    is_unit: bool = False

    @property
    def called(self) -> str:
        """Give what it is called in a refusal."""
        return f"inputs[{self.place}]"


def require_bounded(body: bytes) -> None:
    """Refuse a document, before it is read, that would fill the memory and cannot be a request; raises Invalid."""
    if body.count(b"[") + body.count(b"{") > MAX_LISTS:
        raise Invalid(f"the body has more than {MAX_LISTS:,} lists; send flat images, or fewer at once")
    if body.count(b'"') > MAX_QUOTES:
        raise Invalid(f"the body has more than {MAX_QUOTES // 2:,} strings; send less at once, or raw tensors or CSV")
    require_no_nul(body)


def raw_numbers(tensor: Tensor, count: int) -> NDArray[Any]:
    """Give so many numbers from little-endian bytes; raises Invalid."""
    kind = DATATYPES[tensor.datatype]
    if len(tensor.data) != count * kind.itemsize:
        of = " x ".join(map(str, tensor.shape))
        raise Invalid(
            f"{tensor.called} is {len(tensor.data):,} bytes, but {of} x {tensor.datatype} are {count * kind.itemsize:,}"
        )
    return np.frombuffer(tensor.data, kind)


def raw_pieces(tensor: Tensor, count: int) -> list[bytes]:
    """Give the elements of a BYTES tensor, each of which comes behind its length; raises Invalid."""
    data, pieces, at = tensor.data, list[bytes](), 0
    for number in range(count):
        start = at + _LENGTH.size
        if start > len(data) or (at := start + _LENGTH.unpack_from(data, start - _LENGTH.size)[0]) > len(data):
            raise Invalid(f"{tensor.called} is cut short: its bytes end in element {number:,} of {count:,}")
        pieces.append(data[start:at])
    if at != len(data):
        raise Invalid(f"{tensor.called} has {len(data) - at:,} bytes behind the {count:,} elements of its shape")
    return pieces


def flat(data: Any, most: int, called: str) -> tuple[list[Any], list[int]]:
    """Take apart lists of lists, and give their shape too; raises Invalid before there is more than so much."""
    if not isinstance(data, list):
        raise Invalid(f"{called} is to be a list of numbers, flat or nested")
    shape = [len(data)]
    for _ in range(MAX_NESTING):
        if not data or not isinstance(data[0], list):
            return data, shape
        # What is no list would be taken apart too: a string into its letters.
        if set(map(type, data)) != {list} or len(set(map(len, data))) > 1:
            raise Invalid(f"{called} is nested unevenly")
        if len(data) * len(data[0]) > most:
            raise Invalid(f"{called} has more than the {most:,} numbers that its shape needs")
        shape.append(len(data[0]))
        data = list(chain.from_iterable(data))
    raise Invalid(f"{called} is nested more than {MAX_NESTING} deep")


def listed_numbers(data: list[Any], datatype: str | None, called: str) -> NDArray[Any]:
    """Give the numbers of a flat list, uint8 where they are bytes, else float64; raises Invalid."""
    if bool in set(map(type, data)):
        raise Invalid(f"{called} holds something that is no number")
    try:
        return np.frombuffer(bytes(data), np.uint8)
    except (TypeError, ValueError):
        pass
    try:
        numbers = np.frombuffer(struct.pack(f"<{len(data)}d", *data))
    except (struct.error, OverflowError):
        raise Invalid(f"{called} holds something that is no number") from None
    if datatype is not None and not datatype.startswith("FP") and (numbers != np.floor(numbers)).any():
        raise Invalid(f"{called} holds fractions, but its datatype is {datatype}")
    return numbers


def wrong_shape(tensor: Tensor, remedy: str) -> Invalid:
    """Say which shapes there may be instead of the one that is there."""
    return Invalid(f"{tensor.called}.shape is {shown(tensor.shape)}; {remedy}")
