"""Fewer points of a long history that draw the same line."""

import numpy as np
from numpy.typing import NDArray


def downsample(values: NDArray[np.floating], max_points: int) -> NDArray[np.intp]:
    """Choose the indices of at most `max_points` values that draw the same line as all of them.

    values: [n]. The range is cut into at most `max_points // 4` buckets of equal width; each keeps its first,
    last, smallest and largest value, so that no peak is lost. The indices are sorted and unique, and are all of
    them when n <= max_points. A NaN counts as its bucket's smallest and largest. Raises ValueError when
    max_points < 4.

    Source: Jugel, Jerzak, Hackenbroich and Markl, "M4: A Visualization-Oriented Time Series Data
    Aggregation", PVLDB 7(10), 2014, https://doi.org/10.14778/2732951.2732953.
    """
    if max_points < 4:
        raise ValueError(f"max_points is {max_points}; a bucket alone needs 4.")
    count = len(values)
    if count <= max_points:
        return np.arange(count)
    return extremes(values, bucket_width(count, max_points))


def bucket_width(count: int, max_points: int) -> int:
    """Return how many of `count` values a bucket holds where `max_points` are to be kept."""
    return -(-count // (max_points // 4))


def extremes(values: NDArray[np.floating], width: int) -> NDArray[np.intp]:
    """Choose the indices of the first, last, smallest and largest value of each bucket of `width` values.

    values: [n]. What buckets one after the other choose is what they choose together.
    """
    count = len(values)
    starts = np.arange(0, count, width)
    # argmin and argmax name the first of equals, so a copy of the last value is never chosen in its stead.
    buckets = np.pad(values, (0, len(starts) * width - count), mode="edge").reshape(len(starts), width)
    return np.unique(
        np.concatenate(
            [
                starts,
                starts + buckets.argmin(axis=1),
                starts + buckets.argmax(axis=1),
                np.minimum(starts + width, count) - 1,
            ]
        )
    )
