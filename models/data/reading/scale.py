"""The scale of pixels: from which number to which they go, over the whole file; and whether steps hold them exactly."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data.reading import npy
from models.data.reading.found import Fault, UnreadableError
from models.data.reading.told import Told

_NUMBERS = 4_000_000  # pixels that are looked at together
_CLOSE = 0.02  # of a step; numbers with four decimals are that near to a step of 255
_LARGEST_IN_DOUBT = 16  # the rest of a file may still go up to 255
EXACT = 1e-4
"""Of a step: what is off by less was exact before it was written in decimals."""


def settle(
    path: Path, said: tuple[float, float] | None, told: Told, *, decoded: bool = False
) -> tuple[tuple[float, float], int | None]:
    """Find the scale of the pixels in a .npy file, and bring them to steps where that is exact.

    What was `decoded` from files of pictures is on theirs, however few levels are there. Gives the scale, and the steps
    or None; raises UnreadableError where the numbers are on no scale that is known.
    """
    values = np.load(path, mmap_mode="r", allow_pickle=False)
    low, high, whole = bounds(values)
    in_doubt = False
    if decoded and low < high:
        scale, why = (0.0, 255.0), "pictures in files are"
    elif said is not None:
        # Pixels are float32: what is said to be 0.1 is as near to it as they can be.
        if np.float32(low) < np.float32(said[0]) or np.float32(high) > np.float32(said[1]):
            raise UnreadableError(
                Fault("scale", f"pixels go from {low:g} to {high:g}, beyond what was said, {said[0]:g} to {said[1]:g}",
                      f"say a scale that holds them all, as [{written(low)}, {written(high)}]")
            )  # fmt: skip
        scale, why = said, "so it was said"
    else:
        try:
            scale, why = known(low, high, whole=whole)
        except UnreadableError as error:
            if not told.has_more or low < 0 or high > _LARGEST_IN_DOUBT:
                raise
            in_doubt, scale, why = True, (0.0, 255.0), "what was looked at does not tell, and most pictures are"
            told.warn("scale", f"{error.faults[0].detail}; the rest of the file may tell on which scale they are")
    steps = next((count for count in _candidates(scale) if fits(values, scale, count)), None)
    if steps is not None and (values.dtype != np.uint8 or scale != (0, steps)):
        off = store(path, values, scale, steps)
        if off > EXACT:
            told.note(
                "scale", f"pixels are kept in steps of 1/{steps} of the scale, rounded by at most {off:.2g} of a step"
            )
    elif steps is None and values.dtype == np.uint8:
        store(path, values, scale, None)
    kept = f"kept as whole steps, 0 to {steps}" if steps else "kept as they are, in float32"
    told.taken_for["scale"] = list(scale)
    told.note("scale", f"pixels are on the scale from {scale[0]:g} to {scale[1]:g}: {why}; {kept}")
    if said is None and not decoded and not in_doubt and scale[1] > 1 and high < scale[1] / 2:
        told.warn(
            "scale",
            f"the greatest pixel is {high:g}, on a scale up to {scale[1]:g}; scale=0,{written(high)} says otherwise",
        )
    return scale, steps


def known(low: float, high: float, *, whole: bool) -> tuple[tuple[float, float], str]:
    """Give the usual scale of pixels that go from `low` to `high`, and why; raises UnreadableError for none."""
    went = f"they go from {low:g} to {high:g} over the whole file"
    if low == high:
        raise UnreadableError(
            Fault("columns", f"all pixels are {low:g}", "send pictures that are not all of one colour")
        )
    if low >= 0 and high <= 1:
        return (0.0, 1.0), went
    if -1 <= low < 0 and high <= 1:
        return (-1.0, 1.0), went
    if whole and low >= 0 and 12 <= high <= 16:
        return (0.0, 16.0), went
    if low >= 0 and 16 < high <= 255:
        return (0.0, 255.0), went
    if whole and low >= 0 and 255 < high <= 65535:
        return (0.0, 65535.0), went
    raise UnreadableError(
        Fault(
            "columns",
            f"pixels go from {low:g} to {high:g}, on none of the usual scales (0 to 1, -1 to 1, 0 to 16, 0 to 255)",
            f"say the least and the greatest number that a pixel can be, as scale={written(low)},{written(high)}",
        )
    )


def written(number: float) -> str:
    """Give a number of float32 so that it is the same when it is read."""
    return f"{number:.0f}" if number.is_integer() and abs(number) < 1e9 else str(np.float32(number))


def _candidates(scale: tuple[float, float]) -> list[int]:
    width = scale[1] - scale[0]
    if scale in {(0.0, 1.0), (-1.0, 1.0)}:
        return [1, 2, 16, 255]
    return [int(width)] if width.is_integer() and width <= 255 else [255]


def _chunks(values: NDArray[Any]) -> Iterator[NDArray[Any]]:
    at_once = max(1, _NUMBERS // max(1, values[:1].size))
    for start in range(0, len(values), at_once):
        yield values[start : start + at_once]


def bounds(values: NDArray[Any]) -> tuple[float, float, bool]:
    """Give the least and the greatest pixel, and whether all are whole numbers."""
    low, high, whole = math.inf, -math.inf, True
    for chunk in _chunks(values):
        low, high = min(low, float(chunk.min())), max(high, float(chunk.max()))
        whole = whole and (chunk.dtype == np.uint8 or bool((chunk == np.rint(chunk)).all()))
    return low, high, whole


def _steps(chunk: NDArray[Any], scale: tuple[float, float], steps: int) -> NDArray[np.float64]:
    return (chunk.astype(np.float64) - scale[0]) * (steps / (scale[1] - scale[0]))


def fits(values: NDArray[Any], scale: tuple[float, float], steps: int) -> bool:
    """Whether all pixels of a scale lie on so many even steps of it."""
    if values.dtype == np.uint8 and scale == (0, steps):
        return True
    return all(
        bool((np.abs(exact - np.rint(exact)) <= _CLOSE).all())
        for exact in (_steps(chunk, scale, steps) for chunk in _chunks(values))
    )


def store(path: Path, values: NDArray[Any], scale: tuple[float, float], steps: int | None) -> float:
    """Write the pixels anew, in steps or in float32; gives by how much of a step any was rounded."""
    other = path.with_suffix(".new")
    off = 0.0
    with npy.Writer(other, np.dtype(np.float32 if steps is None else np.uint8), values.shape[1:]) as writer:
        for chunk in _chunks(values):
            if steps is None:
                writer.append(chunk.astype(np.float32))
                continue
            exact = _steps(chunk, scale, steps)
            near = np.rint(exact)
            off = max(off, float(np.abs(exact - near).max()))
            writer.append(near.astype(np.uint8))
    other.replace(path)
    return off
