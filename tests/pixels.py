"""Images as arrays, and what says of a body what it is."""

import numpy as np
from numpy.typing import NDArray

RAW = {"Content-Type": "application/octet-stream"}


JSON = {"Content-Type": "application/json"}


def images(count: int, seed: int = 0) -> NDArray[np.uint8]:
    """Images with a dark border, which a PNG keeps bit for bit."""
    pixels = np.zeros((count, 28, 28), np.uint8)
    pixels[:, 4:24, 4:24] = np.random.default_rng(seed).integers(0, 256, (count, 20, 20))
    return pixels
