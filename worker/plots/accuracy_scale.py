"""A scale for accuracies by the logarithm of their errors, on which 0.55 stands beside 0.95 and 0.97 apart."""

import math

import numpy as np
from matplotlib import ticker
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from worker.plots.style import percent_tick

SOFTENING = 0.002  # an accuracy of 1 is as far from 0.998 as that is from 0.994, and not at infinity
ENOUGH_TICKS = 6
ROUNDEST = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0, 0.97, 0.85, 0.93, 0.7, 0.995, 0.3)  # the first preferred


def place(accuracies: ArrayLike) -> NDArray[np.float64]:
    """Give the place of each accuracy on the scale."""
    return -np.log10(np.maximum(1 + SOFTENING - np.asarray(accuracies, dtype=np.float64), SOFTENING / 10))


def accuracy_at(places: ArrayLike) -> NDArray[np.float64]:
    """Give the accuracy at each place: the inverse of `place`."""
    return 1 + SOFTENING - 10 ** -np.asarray(places, dtype=np.float64)


def ticks(low: float, high: float) -> list[float]:
    """Choose accuracies from `low` to `high` for ticks: as round as may be, none close to another on the scale."""
    gap = 0.08 * (place(high) - place(low))
    chosen: list[float] = []
    for parts in (0, 20, 100, 1000, 10_000):
        span = range(math.ceil(low * parts), math.floor(high * parts) + 1)
        for one in [n / parts for n in span] if parts else ROUNDEST:
            if low <= one <= high and all(abs(place(one) - place(other)) > gap for other in chosen):
                chosen.append(one)
        if len(chosen) >= ENOUGH_TICKS:
            break
    return chosen or [low]


def measure(axes: Axes, accuracies: NDArray[np.float64]) -> None:
    """Give the vertical axis this scale, over all of `accuracies` that are finite, of which there is one at least."""
    known = accuracies[np.isfinite(accuracies)]
    lowest, highest = place([known.min(), known.max()])
    pad = max(0.05 * (highest - lowest), 0.01)
    low, high = accuracy_at([lowest - pad, highest + pad])
    axes.set_yscale("function", functions=(place, accuracy_at))
    axes.set_ylim(low, high)
    axes.yaxis.set_major_locator(ticker.FixedLocator(ticks(max(low, 0.0), min(high, 1.0))))
    axes.yaxis.set_minor_locator(ticker.NullLocator())
    axes.yaxis.set_major_formatter(percent_tick)
