"""How a drawn picture is looked at: its pixels, where a colour is, and whether it is a sentence or a chart."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from worker.plots.parallel import Axis

BLUE, VERMILION, INK = (0, 114, 178), (213, 94, 0), (31, 41, 51)

AXES = [
    Axis("learning_rate", [0.0001, 0.01, 0.001], log=True),
    Axis("hidden_sizes", ["30-5", "100-50", "100-50"], log=False),
]
SCORES = [0.9, 0.7, 0.95]
"""Three trials, as lines through two axes, and what each of them reached."""


def pixels(png: bytes) -> NDArray[np.uint8]:
    """Decode a picture: [height, width, 3]."""
    with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
        return np.asarray(image.convert("RGB"))


def places(picture: NDArray[np.uint8], color: tuple[int, int, int]) -> NDArray[np.intp]:
    """Find the rows and columns of a colour: [2, pixels]."""
    return np.array(np.nonzero((picture == color).all(axis=2)))


def count(picture: NDArray[np.uint8], color: tuple[int, int, int]) -> int:
    """Count the pixels of a colour."""
    return len(places(picture, color)[0])


def has(picture: NDArray[np.uint8], color: tuple[int, int, int]) -> bool:
    """Whether a picture has a pixel of a colour."""
    return count(picture, color) > 0


def is_notice(png: bytes) -> bool:
    """Whether a picture is a grey sentence in its middle, without a chart."""
    picture = pixels(png)[100:]
    assert (picture < 200).any()
    return picture.shape[:2] == (770, 1500) and not any(has(picture, color) for color in (BLUE, VERMILION))
