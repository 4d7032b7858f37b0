"""Draws a job's history: arrays in, PNG bytes out."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from models.downsampling import downsample
from models.moving_average import moving_average
from worker.plots.style import (
    BLUE,
    INK,
    PALE_BLUE,
    VERMILION,
    gridded,
    legend,
    notice,
    percent,
    percent_tick,
    png,
    titled,
)

MAX_POINTS = 4 * 1400  # four for each column of pixels: a longer line looks no different
LOG_SPAN = 20  # a linear axis would press all but the first epoch of such a run onto its bottom


def loss(losses: NDArray[np.float32], epoch_ends: Sequence[int], epoch_losses: Sequence[float], title: str) -> bytes:
    """Draw the loss of every batch, its moving average, and the mean of each epoch where that epoch ends.

    losses: [iterations]; epoch_ends: [epochs], the iterations done by then; epoch_losses: [epochs]. The axis
    is logarithmic when the highest moving average is more than `LOG_SPAN` times the lowest. Losses that are not
    finite are left out of the line and counted in the legend.
    """
    if len(losses) == 0:
        return notice("No epoch has ended yet.", title)
    values = np.asarray(losses, dtype=np.float64)
    finite = np.isfinite(values)
    if not finite.any():
        return notice("None of the losses was a finite number.", title)
    lost = len(values) - np.count_nonzero(finite)
    label = f"loss of a batch ({lost:,} not finite)" if lost else "loss of a batch"

    figure, axes = _chart(title, "cross-entropy loss", iterations=len(values))
    _line(axes, values, label, color=PALE_BLUE, linewidth=0.8 if len(values) > 500 else 1.4)
    average = moving_average(values)
    _line(axes, average, "moving average of 10 batches", color=BLUE, linewidth=1.8)
    means = np.array(epoch_losses, dtype=np.float64)
    means[~np.isfinite(means)] = np.nan
    marks = _marks(len(means)) or {"marker": ".", "markersize": 4}
    axes.plot(epoch_ends, means, label="mean of an epoch", color=VERMILION, linestyle="", **marks)
    positive = average[average > 0]
    if positive.size and positive.max() > LOG_SPAN * positive.min():
        # A few lucky batches with next to no loss would otherwise take most of the axis.
        _log_scale(axes, floor=positive.min() / 10)
    else:
        low, high = values.min(where=finite, initial=0.0), values.max(where=finite, initial=0.0)
        span = high - low or 1.0
        axes.set_ylim(low - 0.02 * span, low + 1.05 * span)
    legend(axes)
    return png(figure)


def accuracy(
    epoch_ends: Sequence[int], train_accuracy: Sequence[float], val_accuracy: Sequence[float], title: str
) -> bytes:
    """Draw the training accuracy, its moving average and the validation accuracy, and mark the latter's best.

    epoch_ends: [epochs], the iterations done by then; both accuracies: [epochs], from 0 to 1. The average is
    of the ten epochs up to each, or of as many as there are, so that a run of three shows one too.
    """
    if len(epoch_ends) == 0:
        return notice("No epoch has ended yet.", title)
    training, validation = np.array(train_accuracy), np.array(val_accuracy)
    average = moving_average(training, min_periods=1)
    best = int(validation.argmax())
    figure, axes = _chart(title, "accuracy", iterations=epoch_ends[-1])
    line = _marks(len(epoch_ends)) or {"linewidth": 0.8}
    curves = (
        ("training", training, {"color": BLUE, **line}),
        ("validation", validation, {"color": VERMILION, **line}),
        ("training, moving average of 10 epochs", average, {"color": PALE_BLUE, "linewidth": 3, "zorder": 1.9}),
    )
    # Not clipped: a perfect accuracy lies on the edge of the axes, and its marks are to be seen whole.
    for label, values, style in curves:
        axes.plot(epoch_ends, values, label=label, clip_on=False, **style)
    axes.plot(
        epoch_ends[best],
        validation[best],
        label=f"best validation: {percent(validation[best], 2)} (epoch {best + 1:,})",
        color=INK,
        linestyle="",
        marker="o",
        markersize=12,
        markerfacecolor="none",
        markeredgewidth=1.5,
        clip_on=False,
    )
    low, high = min(training.min(), validation.min()), max(training.max(), validation.max())
    pad = max(0.08 * (high - low), 0.005)
    axes.set_ylim(max(low - pad, 0.0), min(high + pad, 1.0))
    axes.yaxis.set_major_formatter(percent_tick)
    legend(axes)
    return png(figure)


def _chart(title: str, measure: str, iterations: int) -> tuple[Figure, Axes]:
    """Open a figure with axes for `measure` over `iterations`, and room for a legend above them."""
    figure = titled(title, width=10, height=5.8)
    axes = figure.add_axes((0.095, 0.11, 0.87, 0.735))
    gridded(axes, "iteration", measure)
    axes.yaxis.set_label_coords(-0.075, 0.5)
    axes.set_xlim(0, iterations * 1.015)
    axes.xaxis.set_major_locator(ticker.MaxNLocator(nbins=9, steps=[1, 2, 5, 10], integer=True))
    axes.xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,.0f}"))
    return figure, axes


def _line(axes: Axes, values: NDArray[np.float64], label: str, *, color: str, linewidth: float) -> None:
    """Draw values [iterations] as a line through the finite ones, with points where they are few."""
    finite = np.flatnonzero(np.isfinite(values))
    if not finite.size:
        return
    chosen = finite[downsample(values[finite], MAX_POINTS)]
    marker = "o" if len(values) <= 20 else ""
    axes.plot(chosen + 1, values[chosen], label=label, color=color, linewidth=linewidth, marker=marker, markersize=4)


def _marks(points: int) -> dict[str, Any]:
    """Style the markers of a line that has one for each epoch; beyond a hundred they would hide it, and are none."""
    if points > 100:
        return {}
    return {"marker": "o", "markersize": 8 if points <= 40 else 5, "markeredgecolor": "white"}


def _log_scale(axes: Axes, floor: float) -> None:
    """Make the vertical axis logarithmic from `floor` on, with 2 and 5 beside the powers of ten if these are few."""
    axes.set_yscale("log", nonpositive="clip")
    low, high = axes.get_ylim()
    low = max(low, floor)
    axes.set_ylim(low, high)
    axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5) if high < 1000 * low else (1,)))
    axes.yaxis.set_minor_locator(ticker.NullLocator())
    axes.yaxis.set_major_formatter(ticker.StrMethodFormatter("{x:g}"))
