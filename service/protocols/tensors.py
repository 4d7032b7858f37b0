"""The one tensor that goes in, as pixels: what the Open Inference Protocol's datatypes and shapes make of it."""

import math
import struct
from itertools import chain
from reprlib import repr as shown
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.spec import PIXELS
from service.edge.document import require_no_nul
from service.errors import Invalid
from service.predict.schemas import MAX_IMAGES

DATATYPES = {
    **{f"UINT{bits}": np.dtype(f"<u{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"INT{bits}": np.dtype(f"<i{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": np.dtype(f"<f{bits // 8}") for bits in (16, 32, 64)},
}
"""Datatypes that pixels may have; numbers are little-endian."""

Pixels = NDArray[Any]  # uint8, or float32


MAX_LISTS = 30 * MAX_IMAGES
"""Lists and objects of one document: an image has 28 rows, and is a list itself. Each takes a hundred bytes."""

MAX_NESTING = 4
"""Lists within each other that hold numbers: images, channels, rows and columns."""

MAX_QUOTES = 400_000
"""Of which each string has two."""


def require_bounded(body: bytes) -> None:
    """Refuse a document, before it is read, that would fill the memory and cannot be a request; raises Invalid."""
    if body.count(b"[") + body.count(b"{") > MAX_LISTS:
        raise Invalid(f"the body has more than {MAX_LISTS:,} lists; send flat images, or fewer at once")
    if body.count(b'"') > MAX_QUOTES:
        raise Invalid(f"the body has more than {MAX_QUOTES // 2:,} strings; send images as lists of numbers")
    require_no_nul(body)


def count_of(shape: Any) -> int:
    """Give how many images a tensor of this shape holds; raises Invalid."""
    if not isinstance(shape, list) or any(type(size) is not int or size < 0 for size in shape):
        raise Invalid("inputs[0].shape is to be a list of whole numbers, none of them negative")
    if shape[1:] not in ([28, 28], [PIXELS], [1, 28, 28]):
        raise Invalid(f"inputs[0].shape is {shown(shape)}; send [n,28,28], [n,784] or [n,1,28,28]")
    if not 1 <= shape[0] <= MAX_IMAGES:
        raise Invalid(f"inputs[0].shape is for {shape[0]:,} images; send 1 to {MAX_IMAGES:,}")
    return int(shape[0])


def from_bytes(data: bytes, datatype: str, count: int) -> Pixels:
    """Read pixels [count, 784] from as many little-endian numbers; raises Invalid."""
    kind = DATATYPES[datatype]
    if len(data) != count * PIXELS * kind.itemsize:
        raise Invalid(
            f"the input is {len(data):,} bytes, but {count} x 784 x {datatype} are {count * PIXELS * kind.itemsize:,}"
        )
    return _bounded(np.frombuffer(data, kind).reshape(count, PIXELS))


def from_numbers(data: Any, datatype: str | None, count: int, *, called: str = "inputs[0].data") -> Pixels:
    """Read pixels [count, 784] from a list of numbers, flat or nested; raises Invalid, which says what it is called."""
    if not isinstance(data, list):
        raise Invalid(f"{called} is to be a list of numbers, flat or nested")
    data = _flat(data, count * PIXELS, called)
    if len(data) != count * PIXELS:
        raise Invalid(f"{called} has {len(data):,} numbers; its shape needs {count * PIXELS:,}")
    if bool in set(map(type, data)):
        raise Invalid(f"{called} holds something that is no number")
    try:
        return np.frombuffer(bytes(data), np.uint8).reshape(count, PIXELS)
    except (TypeError, ValueError):
        pass
    try:
        numbers = np.frombuffer(struct.pack(f"<{len(data)}d", *data)).reshape(count, PIXELS)
    except (struct.error, OverflowError):
        raise Invalid(f"{called} holds something that is no number") from None
    if datatype is not None and not datatype.startswith("FP") and (numbers != np.floor(numbers)).any():
        raise Invalid(f"{called} holds fractions, but its datatype is {datatype}")
    return _bounded(numbers)


def _flat(data: list[Any], most: int, called: str) -> list[Any]:
    """Take apart lists of lists, of which each step looks at all there is; raises Invalid before there is too much."""
    for _ in range(MAX_NESTING):
        if not data or not isinstance(data[0], list):
            return data
        # What is no list would be taken apart too: a string into its letters.
        if set(map(type, data)) != {list} or len(set(map(len, data))) > 1:
            raise Invalid(f"{called} is nested unevenly")
        if len(data) * len(data[0]) > most:
            raise Invalid(f"{called} has more than the {most:,} numbers that its shape needs")
        data = list(chain.from_iterable(data))
    raise Invalid(f"{called} is nested more than {MAX_NESTING} deep")


def _bounded(pixels: Pixels) -> Pixels:
    if pixels.dtype == np.uint8:
        return pixels
    least, most = float(pixels.min()), float(pixels.max())
    if not 0 <= least <= most <= 255 or math.isnan(least):
        raise Invalid("pixels are numbers from 0 (paper) to 255 (ink); the input has others")
    return pixels.astype(np.float32)
