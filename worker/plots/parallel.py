"""Draws what was chosen for each trial of a sweep, and what came of it, in parallel coordinates.

Parallel coordinates: Inselberg, "The plane with parallel coordinates", The Visual Computer, 1985.
"""

import math
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from worker.plots import accuracy_scale
from worker.plots.lettering import drawable
from worker.plots.style import (
    FAINT,
    GREY,
    INK,
    MARGIN,
    NORMAL,
    SMALL,
    VERMILION,
    notice,
    percent,
    png,
    titled,
)

Ticks = list[tuple[float, str]]  # places from 0 to 1, and what is written there

WIDTH = 10.6  # inches
FEW_VALUES = 8  # of so many, each has a tick
GAP = 0.04  # between two ticks
SHADES = LinearSegmentedColormap.from_list("accuracy", ["#bcd4e4", "#6aaed6", "#08519c", "#062a5c"])


@dataclass(frozen=True)
class Axis:
    """What a field was in each trial: numbers are measured, strings are told apart."""

    name: str
    values: Sequence[float | str]
    log: bool


def parallel(axes: Sequence[Axis], values: Sequence[float], title: str) -> bytes:
    """Draw one line a trial through what was chosen for it, coloured by `values`, its validation accuracy.

    axes: one value of each for every trial; values: [trials]. Trials with a value that is not a finite number are
    left out and counted. The best is drawn last, in a colour of its own.
    """
    scores = np.array(values, dtype=np.float64)
    whole = np.isfinite(scores)
    for axis in axes:
        whole &= np.array([isinstance(value, str) or math.isfinite(value) for value in axis.values], dtype=bool)
    if not whole.any():
        return notice("No job has ended yet.", title)
    if not axes:
        return notice("The trials differ in nothing.", title)
    order = np.flatnonzero(whole)[np.argsort(scores[whole], kind="stable")]
    scores = scores[order]
    columns = [_column([axis.values[i] for i in order], log=axis.log) for axis in axes]
    heights, marks = _outcome(scores)

    figure = titled(title, width=WIDTH, height=6)
    lost = len(whole) - len(order)
    trials = f"{len(order):,} trial{'s' * (len(order) != 1)}"
    summary = f"{trials}; {lost:,} without finite values left out" if lost else trials
    figure.text(MARGIN / WIDTH, 0.885, summary, fontsize=NORMAL, color=GREY, va="center")
    best = f"best: {percent(scores[-1], 2)}"
    figure.text(
        1 - MARGIN / WIDTH, 0.885, best, fontsize=NORMAL, color=VERMILION, weight="bold", ha="right", va="center"
    )
    panel = figure.add_axes((0.105, 0.07, 0.8, 0.7))
    panel.set_axis_off()
    last = len(axes)
    edge = 1.03 * last
    panel.set_xlim(0, edge)
    panel.set_ylim(-0.03, 1.03)
    panel.vlines(range(last), 0, 1, color=FAINT, linewidth=1, zorder=1, clip_on=False)
    _lines(panel, np.column_stack([*(places for places, _ in columns), heights]))
    gradient = np.linspace(0, 1, 256)[:, None]
    panel.imshow(gradient, cmap=SHADES, extent=(last, edge, 0, 1), origin="lower", aspect="auto", zorder=3)
    for x, (axis, (_, written)) in enumerate(zip(axes, columns, strict=True)):
        _name(panel, x, textwrap.fill(drawable(axis.name, length=40), max(8, 96 // (last + 1))) or "□")
        _label(panel, x - 0.012 * last, written, ha="right", size=SMALL if last < 8 else 7)
    _name(panel, (last + edge) / 2, "validation\naccuracy")
    _label(panel, edge + 0.012 * last, marks, ha="left", size=SMALL)
    return png(figure)


def _lines(panel: Axes, places: NDArray[np.float64]) -> None:
    """Draw places [trials, axes], the best trial last, each in the shade of its place on the last axis."""
    count, width = places.shape
    x = np.arange(width)
    panel.add_collection(
        LineCollection(
            [np.column_stack([x, line]) for line in places[:-1]],
            array=places[:-1, -1],
            cmap=SHADES,
            norm=Normalize(0, 1),
            linewidths=0.6 if count > 300 else 1.3,
            alpha=min(0.85, max(0.12, 60 / count)),
            zorder=2,
        )
    )
    panel.plot(x, places[-1], color=VERMILION, linewidth=2.6, marker="o", markersize=5, zorder=4, clip_on=False)


def _outcome(scores: NDArray[np.float64]) -> tuple[NDArray[np.float64], Ticks]:
    """Place accuracies, in rising order, between 0 and 1, and give their axis ticks."""
    low, high = accuracy_scale.place(scores[[0, -1]])
    if low == high:
        return np.full(len(scores), 0.5), [(0.5, percent(scores[0], 2))]
    marks = accuracy_scale.ticks(scores[0], scores[-1])
    places = (accuracy_scale.place(marks) - low) / (high - low)
    written = [f"{100 * mark:.4g} %" for mark in marks]
    return (accuracy_scale.place(scores) - low) / (high - low), list(zip(places.tolist(), written, strict=True))


def _column(values: Sequence[float | str], *, log: bool) -> tuple[NDArray[np.float64], Ticks]:
    """Place values between 0 and 1, and give their axis ticks."""
    if any(isinstance(value, str) for value in values):
        kinds = sorted(set(values), key=_natural)
        spots = dict(zip(kinds, np.linspace(0, 1, len(kinds)) if len(kinds) > 1 else [0.5], strict=True))
        written = [(float(spots[kind]), kind if isinstance(kind, str) else _number(kind)) for kind in kinds]
        return np.array([spots[value] for value in values]), _apart(written)

    numbers = np.array(values, dtype=np.float64)
    distinct = np.unique(numbers)
    if len(distinct) == 1:
        return np.full(len(numbers), 0.5), [(0.5, _number(distinct[0]))]
    log = log and distinct[0] >= 0
    # Zero has no logarithm: it stands a power of ten below all others.
    floor = distinct[distinct > 0][0] / 10 if log else 0.0

    def measure(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.log10(np.maximum(x, floor)) if log else x

    low, high = measure(distinct[[0, -1]])
    marks, written_marks = distinct, [_number(mark) for mark in distinct]
    if len(distinct) > FEW_VALUES:
        start, end = float(distinct[0]), float(distinct[-1])
        powers = log and end > 100 * max(start, floor)
        locator = ticker.LogLocator() if powers else ticker.MaxNLocator(7, steps=[1, 2, 5, 10])
        inner = [mark for mark in locator.tick_values(max(start, floor), end) if start < mark < end]
        marks = np.array([start, *inner, end])
        # On a linear axis an end needs no digit that nobody could see there.
        digits = None if log else 3 - math.ceil(math.log10(end - start))
        written_marks = [_number(mark if digits is None else round(mark, digits)) for mark in marks.tolist()]
    places = (measure(marks) - low) / (high - low)
    return (measure(numbers) - low) / (high - low), _apart(list(zip(places.tolist(), written_marks, strict=True)))


def _apart(marks: Ticks) -> Ticks:
    """Leave out what would be written over another: the ends come first."""
    chosen: Ticks = []
    for mark in [marks[-1], *marks[:-1]]:
        if all(abs(mark[0] - other[0]) >= GAP for other in chosen):
            chosen.append(mark)
    return chosen


def _number(value: float) -> str:
    return f"{value:g}" if float(value).is_integer() else f"{value:.3g}"


def _natural(value: float | str) -> tuple[bool, float, str]:
    """Sort numbers before strings, and strings by the numbers in them: 30-5 before 100-50."""
    if isinstance(value, str):
        return True, 0.0, re.sub(r"\d+", lambda digits: digits[0].zfill(12), value)
    return False, value, ""


def _name(panel: Axes, x: float, name: str) -> None:
    panel.text(x, 1.06, name, ha="center", va="bottom", fontsize=SMALL, color=INK, weight="bold", parse_math=False)


def _label(panel: Axes, x: float, marks: Ticks, *, ha: str, size: float) -> None:
    """Write what stands at each tick beside an axis, readable above the lines."""
    outline = [withStroke(linewidth=2.5, foreground="white")]
    style: dict[str, Any] = {
        "ha": ha,
        "va": "center",
        "fontsize": size,
        "color": INK,
        "path_effects": outline,
        "zorder": 5,
    }
    for place, written in marks:
        panel.text(x, place, drawable(written, length=14), parse_math=False, **style)
