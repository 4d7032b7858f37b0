"""Pictures as text and as PNG: how they are kept among what is stored, and shown."""

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.framing import SIDE


def to_base64(values: NDArray[np.generic]) -> str:
    """Write the numbers of images as text, little-endian, which is much faster than a list of numbers."""
    return base64.b64encode(np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()).decode()


def from_base64(text: str, shape: Sequence[int] = (SIDE, SIDE), dtype: str = "uint8") -> NDArray[Any]:
    """Read images [N, *shape] that were written as text."""
    return np.frombuffer(base64.b64decode(text), np.dtype(dtype).newbyteorder("<")).reshape(-1, *shape)


def to_png(pixels: NDArray[np.uint8]) -> bytes:
    """Write a picture uint8 [H, W], grey, or [H, W, 3], red, green and blue, as PNG, at its own size."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()
