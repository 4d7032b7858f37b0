"""Numbers and texts of an array as texts, so that what holds for the cells of other files holds for them as well."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from models.data.reading.found import Fault, UnreadableError


def texts(values: NDArray[Any], where: str) -> pa.Array:
    """Give texts [n] for values [n]; raises UnreadableError for texts that are none."""
    kind = values.dtype.kind
    if kind in "SU":
        try:
            plain = values.tolist()
            return pa.array([text.decode() for text in plain] if kind == "S" else plain, pa.string())
        except (UnicodeError, ValueError) as error:
            raise UnreadableError(
                Fault(where, "a text of it is none in UTF-8", "write it anew, as texts: values.astype(str)")
            ) from error
    return pc.cast(pa.array(native(values)), pa.string())


def native(values: NDArray[Any]) -> NDArray[Any]:
    """Give numbers as Arrow takes them: in the order of bytes of this machine, and of 1 to 8 bytes."""
    if values.dtype.kind == "f" and values.dtype.itemsize not in {4, 8}:
        # Half as many digits tell a number of half the width.
        return np.ascontiguousarray(values, np.float32 if values.dtype.itemsize == 2 else np.float64)
    return np.ascontiguousarray(values, values.dtype.newbyteorder("="))
