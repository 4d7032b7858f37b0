"""An array written row by row into a .npy file, when nobody knows yet how many rows there will be."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from models.data.reading.found import Fault, UnreadableError

MOST_ROWS, MOST_BYTES = 2_000_000, 4 * 2**30
"""Of one array, however small the file is that it comes from."""


class Writer:
    """Writes rows of one shape and type; the number of rows stands in the header, and is put right at the end.

    numpy leaves room in a header so that its first dimension may grow.
    """

    def __init__(self, path: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
        self.rows = 0
        self._dtype, self._shape = dtype, shape
        self._file = path.open("wb")
        self._write_header()

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.seek(0)
        self._write_header()
        self._file.close()

    def append(self, rows: NDArray[Any]) -> None:
        """Write rows [n, *shape]; raises UnreadableError where they become too many."""
        self.rows += len(rows)
        size = self.rows * math.prod(self._shape) * self._dtype.itemsize
        if self.rows > MOST_ROWS or size > MOST_BYTES:
            raise UnreadableError(
                Fault(
                    "file",
                    f"it holds more than {MOST_ROWS:,} examples"
                    if self.rows > MOST_ROWS
                    else f"its examples take more than {MOST_BYTES // 2**30} GiB",
                    "send fewer of them, or smaller ones",
                )
            )
        self._file.write(np.ascontiguousarray(rows, self._dtype).data)

    def _write_header(self) -> None:
        about = {"descr": npy.dtype_to_descr(self._dtype), "fortran_order": False, "shape": (self.rows, *self._shape)}
        npy.write_array_header_1_0(self._file, about)
