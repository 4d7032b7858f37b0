"""IDX, the format of MNIST's files: http://yann.lecun.com/exdb/mnist/.

torchvision reads them too, and downloads them; but importing it takes as long as training a small network.
"""

import math
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_UNSIGNED_BYTES = 8


def read(path: Path) -> NDArray[np.uint8]:
    """Read an array of unsigned bytes. Raises ValueError for a file that is damaged or of another kind."""
    content = path.read_bytes()
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != _UNSIGNED_BYTES:
        raise ValueError(f"{path} is no IDX file of unsigned bytes")
    start = 4 + 4 * content[3]
    shape = struct.unpack(f">{content[3]}I", content[4:start]) if len(content) >= start else (-1,)
    if len(content) - start != math.prod(shape):
        raise ValueError(f"{path} is cut off, or holds more than it says")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
