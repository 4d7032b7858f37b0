"""From the levels of a drawn digit to an image as MNIST's are: its ink light on dark, in a box, by its centre of mass.

The framing follows LeCun, Cortes and Burges, "The MNIST database of handwritten digits",
http://yann.lecun.com/exdb/mnist/.
"""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 28
BOX = 20  # the longer side of a framed digit
FAINTEST = 16  # grey levels; ink that stands out less from its ground is taken for none

Pixel = TypeVar("Pixel", np.uint8, np.float32)

_LEAST_BOX = 18
_OFF = 0.6  # pixels that the centre of mass may be off, where rounding leaves half a one
_OFF_IN_BOX = 2.4  # of one that fills the box
_CONTRAST = 48  # grey levels by which a line around the picture stands out from its ground
_WHOLE = 0.9  # of a side, that a line must cover
_RIM = 2  # pixels around a small digit
_THICK = 40  # of a side, the part that a line around may take; but a few pixels in any case
_FEW = 3
_SET_IN = 8  # of a side, the part that a line may be set in from the edge


def frame(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture's levels [height, width] as a training image, uint8 [28, 28], its ink light (255) on dark (0).

    A 28 x 28 picture whose ink lies as MNIST's does is returned bit for bit. Any other is freed from a line around it,
    turned light on dark, freed from the shading and noise of its paper, and framed as MNIST's digits are.

    Raises:
        ValueError: the picture shows no ink.
    """
    return grey if is_framed(grey) else _frame(_ink(_without_line(grey)))


def is_framed(grey: NDArray[np.uint8]) -> bool:
    """Whether the ink of a picture lies as that of MNIST's digits: light on dark, as large, and in the middle."""
    if grey.shape != (SIDE, SIDE) or np.ptp(grey) < FAINTEST or _median(_border(grey)) >= FAINTEST:
        return False
    ink = grey >= FAINTEST
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    first, last = min(rows[0], columns[0]), max(rows[-1], columns[-1])
    longest = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
    # In the very box, though not by its mass, lie scikit-learn's.
    is_boxed = first == (SIDE - BOX) // 2 and last == first + BOX - 1 == first + longest - 1
    mass, places = grey.sum(dtype=np.float64), np.arange(SIDE)
    centre = (float(grey.sum(axis=axis, dtype=np.float64) @ places / mass) for axis in (0, 1))
    most = _OFF_IN_BOX if is_boxed else _OFF
    return _LEAST_BOX <= longest <= BOX and all(abs(each - SIDE / 2) <= most for each in centre)


BLANK = "the picture is blank; draw in an ink that stands out from its background"


def _without_line(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Cut off a line around the picture, as around a canvas or a card, and what lies outside of it.

    Three sides are enough, as of a screenshot that is cut, and it may be set in from the edge; but then it is a line
    only if nothing touches it and something is within: strokes of a digit may run along the sides as well.
    """
    if min(grey.shape) < SIDE:  # in a picture of few pixels the strokes of a digit are as thick as a line
        return grey
    ground = _median(grey.ravel())
    away = grey.astype(np.int16) - ground
    sides = [_behind_line(each) for each in (away, away[::-1], away.T, away.T[::-1])]
    if sum(side > 0 for side in sides) < 3:
        return grey
    top, bottom, left, right = sides
    within = (slice(top, len(grey) - bottom), slice(left, grey.shape[1] - right))
    are_outer = all(0 < side <= _thickest(length) + 1 for side, length in zip(sides, _lengths(grey), strict=True))
    return grey[within] if are_outer or _is_apart(away[within], sides) else grey


def _lengths(grey: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    height, width = grey.shape
    return height, height, width, width


def _thickest(length: int) -> int:
    """Tell how thick a line may be along a side that is so far from the one across."""
    return max(_FEW, length // _THICK)


def _is_apart(within: NDArray[np.int16], sides: list[int]) -> bool:
    """Whether what lies within a line touches it nowhere, and is there at all."""
    ink = abs(within) >= _CONTRAST
    edges = (ink[:1], ink[-1:], ink[:, :1], ink[:, -1:])
    return (
        ink.size > 0
        and bool(ink.any())
        and not any(edge.any() for edge, side in zip(edges, sides, strict=True) if side)
    )


def _behind_line(away: NDArray[np.int16]) -> int:
    """Tell with which row the picture begins behind a line along its top; 0 where there is none, or a thick one.

    It may be set in by an eighth of the picture, if it is by as much from the sides, and nothing lies outside of it.
    """
    most = _thickest(len(away))
    for first in range(len(away) // _SET_IN):
        # Its ends do not count: corners may be round, and lines of other sides cross it.
        middle = away[first : first + most + 2, first + _FEW : away.shape[1] - first - _FEW]
        if not middle.shape[1]:
            return 0
        for sign in (1, -1):
            stands_out = (middle * sign >= _CONTRAST).mean(axis=1) >= _WHOLE
            if not stands_out[0]:
                continue
            last = int(np.flatnonzero(stands_out)[-1])
            if last >= most:
                return 0  # not a line, but an area
            # What is left of a line that was smoothed is cut off as well.
            smoothed = (middle[last + 1] * sign >= FAINTEST / 2).mean() >= _WHOLE
            return first + last + 1 + int(smoothed)
        if first >= _FEW and (abs(away[first]) >= _CONTRAST).any():
            return 0  # something is drawn here
    return 0


def _border(image: NDArray[Pixel]) -> NDArray[Pixel]:
    return np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])


def _median(levels: NDArray[np.uint8]) -> int:
    """Return the upper median, which unlike the mean of the two middle ones is always a level that occurs."""
    return int(np.partition(levels, len(levels) // 2)[len(levels) // 2])


def _ink(grey: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return how far each pixel stands out from the paper, float32 [height, width], 0 where there is no ink.

    The paper is a plane fitted to the border, so even shading is removed; what the border's noise can
    explain (three standard deviations) is removed as well. A clean drawing has neither and is kept whole.
    """
    height, width = grey.shape
    x, y = np.linspace(0, 1, width, dtype=np.float32), np.linspace(0, 1, height, dtype=np.float32)[:, None]
    border = _border(grey).astype(float)
    xs, ys = (_border(np.broadcast_to(axis, grey.shape)) for axis in (x, y))
    design = np.stack([np.ones_like(border), xs, ys], axis=1)
    away = abs(border - _median(_border(grey)))
    # Leaves out ink that runs over the edge, and where half of the border is clean, the pale rim of that ink too.
    paper = away <= 1 if np.mean(away <= 1) >= 0.5 else away < 64
    plane = np.linalg.lstsq(design[paper], border[paper])[0]
    noise = 3 * float(np.std(border[paper] - design[paper] @ plane))
    level, across, down = plane.astype(np.float32)
    contrast = grey - (level + across * x + down * y)
    if -contrast.min() > contrast.max():
        contrast = -contrast
    ink: NDArray[np.float32] = np.maximum(contrast - noise, 0)
    if ink.max() < max(FAINTEST, noise):
        raise ValueError(BLANK)
    return ink


def _frame(ink: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Scale the ink to fit a 20x20 box, aspect kept, and put its centre of mass at the centre of 28x28."""
    strong = ink > ink.max() / 4
    rows, columns = np.flatnonzero(strong.any(axis=1)), np.flatnonzero(strong.any(axis=0))
    longest = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
    if longest < _LEAST_BOX:
        # The pale rim of a small one is a good part of it, and would be cut off: it is framed once it is enlarged.
        times = -(-2 * BOX // longest)
        rim = np.pad(ink, _RIM)[rows[0] : rows[-1] + 1 + 2 * _RIM, columns[0] : columns[-1] + 1 + 2 * _RIM]
        size = rim.shape[1] * times, rim.shape[0] * times
        # Beside sharp strokes it swings below the ground.
        return _frame(np.maximum(np.asarray(Image.fromarray(rim).resize(size, Image.Resampling.BICUBIC)), 0))
    digit = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = (max(1, round(side * BOX / max(digit.shape))) for side in digit.shape)
    scaled = np.asarray(Image.fromarray(digit).resize((width, height), Image.Resampling.BILINEAR))
    # Scaling thins a fine line to a pale one: its typical ink, not its darkest crossing, becomes full ink.
    typical = np.median(scaled[scaled > scaled.max() / 2])
    scaled = np.minimum(scaled * (255 / typical), 255)

    framed = np.zeros((SIDE, SIDE), np.uint8)
    top, left = (_offset(scaled.sum(axis=axis)) for axis in (1, 0))
    framed[top : top + height, left : left + width] = np.rint(scaled)
    return framed


def _offset(profile: NDArray[np.float32]) -> int:
    """Return where a profile of ink must begin for its centre of mass to fall on pixel 14, if it fits there."""
    centre = np.average(np.arange(len(profile)), weights=profile)
    return min(max(round(SIDE / 2 - centre), 0), SIDE - len(profile))
