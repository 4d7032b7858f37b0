"""The ground that a grey picture lies on: dark or light beyond doubt, by the median of its border."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data.schema import Ground

_CLEAR = 1 / 3  # of the scale: darker, or as light, a ground is dark, or light, beyond doubt


def are(pictures: NDArray[Any], ground: Ground) -> NDArray[np.bool_]:
    """Tell of grey pictures [N, height, width], numbers from 0 to 1, whether each is clearly on such a ground."""
    edges = pictures[:, 0], pictures[:, -1], pictures[:, 1:-1, 0], pictures[:, 1:-1, -1]
    levels = np.median(np.concatenate(edges, axis=1), axis=1)
    return np.asarray(levels <= _CLEAR if ground == "dark" else levels >= 1 - _CLEAR)


def other(ground: Ground) -> Ground:
    """Give the one that is not meant."""
    return "light" if ground == "dark" else "dark"
