"""An array written row by row into a .npy file, when nobody knows yet how many rows there will be."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray


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
        """Write rows [n, *shape]."""
        self._file.write(np.ascontiguousarray(rows, self._dtype).data)
        self.rows += len(rows)

    def _write_header(self) -> None:
        about = {"descr": npy.dtype_to_descr(self._dtype), "fortran_order": False, "shape": (self.rows, *self._shape)}
        npy.write_array_header_1_0(self._file, about)
