"""IDX, the format of MNIST's files: http://yann.lecun.com/exdb/mnist/.

torchvision reads them too, and downloads them; but importing it takes as long as training a small network.
"""

import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TYPES: dict[int, np.dtype[Any]] = {8: np.dtype(np.uint8), 12: np.dtype(">i4")}


def read(path: Path) -> NDArray[Any]:
    """Read an array of unsigned bytes or of whole numbers; raises ValueError as `parse` does."""
    return parse(path.read_bytes(), path)


def parse(content: bytes, path: Path) -> NDArray[Any]:
    """Give the array in the content of the file at `path`.

    Raises ValueError, which names it, for a file that is damaged or of another kind.
    """
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _TYPES:
        raise ValueError(f"{path} is no IDX file of unsigned bytes or of whole numbers")
    kind, start = _TYPES[content[2]], 4 + 4 * content[3]
    shape = struct.unpack(f">{content[3]}I", content[4:start]) if len(content) >= start else (-1,)
    if len(content) - start != math.prod(shape) * kind.itemsize:
        raise ValueError(f"{path} is cut off, or holds more than it says")
    return np.frombuffer(content, kind, offset=start).reshape(shape)
