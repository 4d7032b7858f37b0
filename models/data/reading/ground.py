"""How the ink of pictures lies on their ground: whether as MNIST's digits do, and what looks wrong about it."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from models import grounds
from models.data.reading.found import Fault, UnreadableError
from models.data.reading.told import Told
from models.data.schema import Ground, Images

SIDE, BOX = 28, 20
_SOME, _PIXELS = 2000, 16_000_000
_FAINT = 1 / 16  # of the scale
_MOSTLY = 0.95
_OFF = 1.5  # pixels by which the centre of mass may be off
_MORE = 1.1
_DARK_FROM = 0.6
_LEAST_SIDE = 3
_AGREE = 0.99
_GROUNDS: tuple[Ground, ...] = ("dark", "light")


def preparation(
    values: NDArray[Any],
    scale: tuple[float, float],
    steps: int | None,
    said: Literal["digits", "plain"] | None,
    told: Told,
) -> Literal["digits", "plain"]:
    """Tell how pictures that are sent must be brought to the form of these, and why; raises UnreadableError."""
    if said == "digits" and values.shape[1:] != (SIDE, SIDE):
        raise UnreadableError(
            Fault(
                "preparation",
                f"`digits` frames pictures as MNIST's, {SIDE} x {SIDE} grey pixels, and these have "
                f"{' x '.join(map(str, values.shape[1:]))}",
                "say preparation=plain, or leave it out",
            )
        )
    if said is not None:
        told.note("preparation", f"{said}: so it was said")
        return said
    why = _unlike_digits(_share(values, scale, steps))
    if why is None:
        told.note("preparation", "digits: light ink in a box of 20 x 20, its centre of mass in the middle, as MNIST's")
        return "digits"
    other = "; preparation=digits says otherwise" if values.shape[1:] == (SIDE, SIDE) else ""
    told.note("preparation", f"plain: {why}{other}")
    return "plain"


def common(values: NDArray[Any], scale: tuple[float, float], steps: int | None) -> Ground | None:
    """Tell on which ground all pictures [N, height, width(, 3)] are; None for colours, and where they do not agree.

    Of grounds that are neither dark nor light nothing is said.
    """
    if values.ndim != 3 or not len(values) or min(values.shape[1:]) < _LEAST_SIDE:
        return None
    shares = _share(values, scale, steps)
    on = {ground: float(grounds.are(shares, ground).mean()) for ground in _GROUNDS}
    return next((ground for ground in _GROUNDS if on[ground] >= _AGREE), None)


def doubts(values: NDArray[Any], schema: Images, told: Told, name: str | None) -> None:
    """Warn of pictures that are dark on light; and where they are no files of their own, of what order may be wrong."""
    has_own_order = "pictures" in told.taken_for
    if schema.channels != 1:
        if has_own_order:
            return
        told.warn(
            "order of colours", "red, green and blue of a pixel are taken to stand side by side; look at some pictures"
        )
        return
    shares = _share(values, schema.scale, schema.steps)
    mean = shares.mean(axis=0)
    edge = np.ones(mean.shape, bool)
    edge[1:-1, 1:-1] = False
    if min(mean.shape) > 2 and mean[edge].mean() > _DARK_FROM and mean[edge].mean() > mean[~edge].mean():
        told.warn(
            "dark on light", "the ground of the pictures is light and what is on it dark; send pictures like them"
        )
    if has_own_order or told.taken_for["order"] == "columns" or mean.shape[0] != mean.shape[1]:
        return
    # Letters and digits are higher than they are wide.
    down, across = (_extent(shares, axis) for axis in (1, 2))
    is_called_so = name is not None and "emnist" in name.lower()
    has_dark_edge = float(mean[edge].mean()) < _FAINT
    if is_called_so or (has_dark_edge and schema.preparation == "digits" and across > _MORE * down):
        why = (
            "the file is called as EMNIST's are" if is_called_so else "what the pictures show is wider than it is high"
        )
        told.warn(
            "order of pixels",
            f"{why}: its pixels may stand column by column; look at some pictures, and say transpose=true if they lie "
            "on their side",
        )


def _share(values: NDArray[Any], scale: tuple[float, float], steps: int | None) -> NDArray[np.float32]:
    """Give some of the pictures, from all over the file, with numbers from 0 to 1."""
    count = min(_SOME, len(values), max(1, _PIXELS // values[0].size))
    rows = np.unique(np.linspace(0, len(values) - 1, count).astype(np.intp))
    some = values[rows].astype(np.float32)
    low, high = (0.0, float(steps)) if steps is not None else scale
    return np.asarray((some - low) / (high - low), np.float32)


def _extent(shares: NDArray[np.float32], axis: int) -> float:
    """Give how many rows (`axis` 1) or columns (2) hold ink, in the mean of all pictures."""
    return float(np.mean((shares >= _FAINT).any(axis=3 - axis).sum(axis=1)))


def _unlike_digits(shares: NDArray[np.float32]) -> str | None:
    """Tell in which way pictures are not as MNIST's; None if they are."""
    if shares.shape[1:] != (SIDE, SIDE):
        return "the pictures are not 28 x 28 and grey"
    ink = shares >= _FAINT
    ink_is_there = np.asarray(ink.any(axis=(1, 2)))
    if not ink_is_there.any():
        return "the pictures are blank"
    shares, ink = shares[ink_is_there], ink[ink_is_there]
    rows, columns = np.asarray(ink.any(axis=2)), np.asarray(ink.any(axis=1))
    tall = SIDE - rows.argmax(axis=1) - rows[:, ::-1].argmax(axis=1)
    wide = SIDE - columns.argmax(axis=1) - columns[:, ::-1].argmax(axis=1)
    if np.mean(np.maximum(tall, wide) <= BOX) < _MOSTLY:
        return "what they show is larger than the 20 x 20 of MNIST's digits"
    mass = shares.sum(axis=(1, 2))
    places = np.arange(SIDE) + 0.5
    off_down = (shares.sum(axis=2) @ places) / mass - SIDE / 2
    off_across = (shares.sum(axis=1) @ places) / mass - SIDE / 2
    if np.mean(np.maximum(np.abs(off_down), np.abs(off_across)) <= _OFF) < _MOSTLY:
        return "their centre of mass does not lie in the middle as MNIST's digits' does"
    return None
