"""Draws the trials of a sweep side by side: arrays in, PNG bytes out.

As in `worker.plots`, nothing depends on a picture drawn before: the same input gives the same bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np
from matplotlib import colormaps, ticker
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from numpy.typing import NDArray

from worker.figure import (
    BLUE,
    FAINT,
    GREY,
    INK,
    MARGIN,
    SMALL,
    VERMILION,
    drawable,
    gridded,
    legend,
    notice,
    percent,
    percent_tick,
    plain,
    png,
    titled,
)

HIGHLIGHTED = 7
"""So many curves can be told apart; the other trials are grey."""
MAX_BARS = 40
LABEL = 22  # characters of a trial's name beside its curve or below its bars
# Okabe and Ito, "Color Universal Design", 2008: told apart by every kind of colour vision.
PALETTE = (BLUE, VERMILION, "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#1f2933")


@dataclass(frozen=True)
class Curve:
    """A trial's accuracies after each epoch, one list for each seed; lists may differ in length."""

    label: str
    train: Sequence[Sequence[float]]
    val: Sequence[Sequence[float]]


@dataclass(frozen=True)
class Bar:
    """A trial's final accuracies, one for each seed; `reported` are the (training, validation) figures of the study."""

    label: str
    train: Sequence[float]
    val: Sequence[float]
    reported: tuple[float, float] | None


@dataclass(frozen=True)
class Axis:
    """A hyper-parameter and its value in each trial; numbers are drawn to scale, anything else as categories."""

    name: str
    values: Sequence[float | str]
    log: bool


def curves(trials: Sequence[Curve], title: str) -> bytes:
    """Draw all trials' accuracies over the epochs: the mean of the seeds, and the band from lowest to highest.

    Trials come the best first; beyond the first seven they are drawn in grey, without a name.
    """
    shown = [trial for trial in trials if any(trial.val)]
    if not shown:
        return notice("No epoch has ended yet.", title)
    figure = titled(title, width=10, height=6.4)
    axes = figure.add_axes((0.08, 0.13, 0.9, 0.66))
    gridded(axes, "epoch", "accuracy")
    lowest = []
    for rank, trial in reversed(list(enumerate(shown))):
        named = rank < HIGHLIGHTED
        color = PALETTE[rank] if named else FAINT
        width = 1.8 if named else 0.8
        epochs, low, mean, high = _band(trial.val)
        lowest.append(min(mean))
        axes.fill_between(epochs, low, high, color=color, alpha=0.15 if named else 0.08, linewidth=0)
        label = drawable(trial.label, length=LABEL) if named else "_"
        axes.plot(epochs, mean, color=color, linewidth=width, label=label, marker="." if len(epochs) < 30 else "")
        epochs, _, mean, _ = _band(trial.train)
        axes.plot(epochs, mean, color=color, linewidth=width / 2, linestyle=(0, (4, 2)))
    # One trial that learns nothing must not press the others together at the top.
    axes.set_ylim(bottom=max(0.0, float(np.quantile(lowest, 0.1)) - 0.02), top=None)
    axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=True, min_n_ticks=1))
    axes.yaxis.set_major_formatter(ticker.FuncFormatter(percent_tick))
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], labels[::-1], **_LEGEND)
    grey = f"; {len(shown) - HIGHLIGHTED:,} more trials in grey" if len(shown) > HIGHLIGHTED else ""
    told = f"solid: validation, dashed: training; mean of the seeds, band from the lowest to the highest{grey}"
    figure.text(1 - MARGIN / 10, 0.02, told, ha="right", fontsize=SMALL, color=GREY)
    return png(figure)


def comparison(bars: Sequence[Bar], title: str) -> bytes:
    """Draw the final accuracies of each trial: every seed, their mean, from lowest to highest, and the study's figures.

    Trials come the best first; forty are drawn. The axis is that of the logarithm of accuracy to error, on which 97 %
    and 98 % lie apart though a trial at 55 % is there too.
    """
    shown = [bar for bar in bars if bar.val][:MAX_BARS]
    if not shown:
        return notice("No trial has succeeded yet.", title)
    width = max(10.0, 2 + 0.42 * len(shown))
    figure = titled(title, width=width, height=6.4)
    axes = figure.add_axes((0.8 / width, 0.2, 1 - 1.1 / width, 0.6))
    gridded(axes, "", "accuracy")
    axes.set_yscale("logit")
    for offset, part, color in ((-0.15, "train", BLUE), (0.15, "val", VERMILION)):
        places, reached = np.arange(len(shown)) + offset, [_open(getattr(bar, part)) for bar in shown]
        mean = np.array([values.mean() for values in reached])
        spread = [mean - [values.min() for values in reached], np.array([values.max() for values in reached]) - mean]
        name = {"train": "training", "val": "validation"}[part]
        axes.errorbar(
            places, mean, spread, fmt="o", color=color, markersize=5, elinewidth=1.4, capsize=3, label=f"{name}: mean"
        )
        for place, values in zip(places, reached, strict=True):
            axes.plot(np.full(len(values), place + 0.09), values, ".", color=color, alpha=0.45, markersize=4)
        marks = [(place, bar.reported[part == "val"]) for place, bar in zip(places, shown, strict=True) if bar.reported]
        if marks:
            axes.plot(*zip(*marks, strict=True), "D", color=color, mfc="white", markersize=6, label=f"{name}: report")
    axes.set_xticks(range(len(shown)), [drawable(bar.label, length=LABEL) for bar in shown], rotation=45, ha="right")
    for text in axes.get_xticklabels():
        text.set(parse_math=False, rotation_mode="anchor")
    axes.set_xlim(-0.6, len(shown) - 0.4)
    _ticks(axes)
    axes.legend(**_LEGEND)
    if len(bars) > len(shown):
        told = f"the best {len(shown)} of {len(bars):,} trials"
        figure.text(1 - MARGIN / width, 0.02, told, ha="right", fontsize=SMALL, color=GREY)
    return png(figure)


def parallel(axes: Sequence[Axis], values: Sequence[float], title: str) -> bytes:
    """Draw each trial as a line across its hyper-parameters, coloured by `values`, its validation accuracy."""
    accuracy = np.asarray(values, dtype=np.float64)
    known = np.isfinite(accuracy)
    if not axes or not known.any():
        return notice(
            "No trial has succeeded yet." if axes else "No hyper-parameter differs between the trials.", title
        )
    places_AN = np.stack([_places(axis) for axis in axes])[:, known]
    accuracy = accuracy[known]
    order = np.argsort(accuracy, kind="stable")
    lines = [np.column_stack([np.arange(len(axes)), places_AN[:, trial]]) for trial in order]
    if len(axes) == 1:  # a line needs two ends
        lines = [np.array([[-0.1, line[0, 1]], [0.1, line[0, 1]]]) for line in lines]

    figure = titled(title, width=10, height=5.8)
    plot = figure.add_axes((0.08, 0.14, 0.78, 0.68))
    plain(plot, "", "")
    plot.spines[["left", "bottom"]].set_visible(False)
    low = float(accuracy.min())
    high = max(float(accuracy.max()), low + 1e-9)
    scale = Normalize(low, high)
    collection = LineCollection(
        lines,
        array=accuracy[order],
        cmap="cividis",
        norm=scale,
        linewidths=1.0,
        alpha=max(0.1, min(0.9, 80 / len(lines))),
    )
    plot.add_collection(collection)
    plot.plot(
        lines[-1][:, 0], lines[-1][:, 1], color=VERMILION, linewidth=2.4, label=f"best: {percent(accuracy.max(), 2)}"
    )
    plot.set_xlim(-0.3, len(axes) - 0.7)
    plot.set_ylim(-0.05, 1.05)
    plot.set_yticks([])
    plot.set_xticks(range(len(axes)), [drawable(axis.name, length=LABEL) for axis in axes])
    for number, axis in enumerate(axes):
        plot.axvline(number, color=GREY, linewidth=0.8, zorder=0)
        for place, text in _scale(axis):
            plot.text(
                number + 0.02,
                place,
                drawable(text, length=LABEL),
                fontsize=SMALL,
                color=INK,
                va="center",
                parse_math=False,
            )
    legend(plot)
    bar = figure.add_axes((0.9, 0.14, 0.015, 0.68))
    colors = colormaps["cividis"](np.linspace(0, 1, 256))[:, None]
    bar.imshow(colors, origin="lower", aspect="auto", extent=(0.0, 1.0, low, high))
    plain(bar, "", "validation accuracy")
    bar.set_xticks([])
    bar.yaxis.tick_right()
    bar.yaxis.set_label_position("right")
    bar.yaxis.set_major_locator(ticker.MaxNLocator(6))
    bar.yaxis.set_major_formatter(ticker.FuncFormatter(percent_tick))
    left_out = np.count_nonzero(~known)
    told = f"{len(lines):,} trials" + (f"; left out, without a result: {left_out:,}" if left_out else "")
    figure.text(1 - MARGIN / 10, 0.02, told, ha="right", fontsize=SMALL, color=GREY)
    return png(figure)


_LEGEND: dict[str, Any] = {
    "loc": "lower left",
    "bbox_to_anchor": (0, 1.02),
    "ncols": 4,
    "frameon": False,
    "fontsize": SMALL,
    "labelcolor": INK,
    "borderaxespad": 0,
    "handlelength": 1.6,
    "columnspacing": 1.8,
}


def _band(seeds: Sequence[Sequence[float]]) -> tuple[NDArray[np.int64], list[float], list[float], list[float]]:
    """Give the epochs, and the lowest, mean and highest of the seeds that came so far."""
    columns = [[value for value in column if value is not None] for column in zip_longest(*seeds)]
    means = [sum(column) / len(column) for column in columns]
    return (
        np.arange(1, len(columns) + 1),
        [min(column) for column in columns],
        means,
        [max(column) for column in columns],
    )


def _open(accuracies: Sequence[float]) -> NDArray[np.float64]:
    """Keep accuracies off 0 and 1, which no logit has."""
    return np.clip(np.array(accuracies, dtype=np.float64), 1e-4, 1 - 1e-4)


def _ticks(axes: Axes) -> None:
    low, high = axes.get_ylim()
    marks = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999)
    axes.set_yticks([mark for mark in marks if low <= mark <= high] or [(low + high) / 2])
    axes.set_yticks([], minor=True)
    axes.yaxis.set_major_formatter(ticker.FuncFormatter(percent_tick))


def _places(axis: Axis) -> NDArray[np.float64]:
    """Place the values of an axis between 0 and 1."""
    numbers = _numbers(axis)
    low, high = numbers.min(), numbers.max()
    return (numbers - low) / (high - low) if high > low else np.full(len(numbers), 0.5)


def _numbers(axis: Axis) -> NDArray[np.float64]:
    categories = _categories(axis)
    if categories:
        return np.array([categories.index(str(value)) for value in axis.values], dtype=np.float64)
    numbers = np.array(axis.values, dtype=np.float64)
    return np.log10(numbers) if axis.log and (numbers > 0).all() else numbers


def _categories(axis: Axis) -> list[str]:
    """Give the values in order if they are not all numbers."""
    if all(isinstance(value, int | float) for value in axis.values):
        return []
    return sorted({str(value) for value in axis.values})


def _scale(axis: Axis) -> list[tuple[float, str]]:
    """Give a few places along an axis, with what stands there."""
    places, values = _places(axis), axis.values
    chosen = dict(sorted(zip(places.tolist(), values, strict=True), key=lambda pair: pair[0]))
    if len(chosen) > 12:
        chosen = {place: chosen[place] for place in (min(chosen), max(chosen))}
    return [(place, value if isinstance(value, str) else f"{value:.4g}") for place, value in chosen.items()]
