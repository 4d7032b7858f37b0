"""Files of arrays, each in the form that its publisher gives it, made from scikit-learn's digits."""

import io
import struct
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits


def npy(array: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def zipped(members: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def idx(array: NDArray[Any]) -> bytes:
    codes = {"u1": 8, "i1": 9, "i2": 0xB, "i4": 0xC, "f4": 0xD, "f8": 0xE}
    head = bytes([0, 0, codes[array.dtype.str[1:]], array.ndim])
    return head + struct.pack(f">{array.ndim}I", *array.shape) + array.astype(array.dtype.newbyteorder(">")).tobytes()


def usps(start: int, count: int) -> bytes:
    loaded = load_digits()
    some = slice(start, start + count)
    values = np.kron(loaded.images[some], np.ones((2, 2))).reshape(count, 256) / 8 - 1
    lines = [
        b"%d " % (label + 1) + b" ".join(b"%d:%g" % pair for pair in enumerate(row, 1) if pair[1]) + b" \n"
        for label, row in zip(loaded.target[some].tolist(), values.tolist(), strict=True)
    ]
    return b"".join(lines)


def header(text: str, data: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    """Give a .npy file whose header says this."""
    said = text.encode("latin-1") + b"\n"
    return b"\x93NUMPY" + version + len(said).to_bytes(2 if version[0] == 1 else 4, "little") + said + data
