"""The header of an IDX file, the format of MNIST's: http://yann.lecun.com/exdb/mnist/, checked before what follows."""

import re
import struct
from typing import BinaryIO

import numpy as np

from models.data.reading.arrays.array import Form, check
from models.data.reading.found import Fault, UnreadableError

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_START = re.compile(rb"\x00\x00[\x08\x09\x0b-\x0e][\x01-\x04]", re.DOTALL)


def begins(head: bytes) -> bool:
    """Whether a file that begins so is of this format."""
    return _START.match(head) is not None


def read(stream: BinaryIO, where: str) -> Form:
    """Read the header at the beginning of a stream, and leave it at the first number; raises UnreadableError."""
    magic = stream.read(4)
    if len(magic) < 4 or not begins(magic):
        raise UnreadableError(Fault(where, "it is no IDX file", "send it as its publisher has it, also as .gz"))
    axes = magic[3]
    sides = stream.read(4 * axes)
    if len(sides) < 4 * axes:
        raise UnreadableError(
            Fault(where, "it is cut off within its header", "fetch it anew, and send the whole of it")
        )
    form = Form(np.dtype(_TYPES[magic[2]]), struct.unpack(f">{axes}I", sides), 4 + 4 * axes)
    check(form, where)
    return form
