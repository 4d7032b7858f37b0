"""Draws how well two classes are told apart at every threshold on the probability of the second."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from models.evaluated.curve import Curve
from worker.plots.lettering import fitted
from worker.plots.style import (
    BLUE,
    FAINT,
    GREY,
    INK,
    MARGIN,
    NORMAL,
    SMALL,
    VERMILION,
    gridded,
    legend,
    notice,
    percent_tick,
    png,
    titled,
)

Floats = NDArray[np.float64]

_NAME = 2.6  # inches


def roc(curve: Curve, classes: Sequence[str], title: str) -> bytes:
    """Draw the share of the second class that is found by the share of the first that is taken for it."""
    if curve.roc_auc is None:
        return notice(_one_class(curve, classes), title)
    first, second = (fitted(name, _NAME, NORMAL) for name in classes)
    figure, axes = _square(
        title,
        f"area {curve.roc_auc:.4f}; {curve.positives:,} of {second}, {curve.negatives:,} of {first}",
        f"share of {first} taken for {second}",
        f"share of {second} found",
    )
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1.2, linestyle="--")
    axes.text(0.97, 0.93, "guessing", ha="right", va="top", fontsize=SMALL, color=GREY, rotation=45)
    along, rising = np.append(0, curve.false_positive_rate), np.append(0, curve.true_positive_rate)
    axes.plot(along, rising, color=BLUE, linewidth=2, clip_on=False)
    best = int(np.argmax(curve.true_positive_rate - curve.false_positive_rate))
    _mark(axes, curve, curve.false_positive_rate, curve.true_positive_rate, best, "largest gap")
    return png(figure)


def precision_recall(curve: Curve, classes: Sequence[str], title: str) -> bytes:
    """Draw the share of what is taken for the second class that belongs to it by the share of that class found."""
    if curve.average_precision is None:
        return notice(_one_class(curve, classes), title)
    first, second = (fitted(name, _NAME, NORMAL) for name in classes)
    figure, axes = _square(
        title,
        f"average precision {curve.average_precision:.4f}; {curve.positives:,} of {second}, "
        f"{curve.negatives:,} of {first}",
        f"share of {second} found (recall)",
        f"share of {second} among what is taken for it (precision)",
    )
    share = curve.positives / (curve.positives + curve.negatives)
    axes.plot([0, 1], [share, share], color=FAINT, linewidth=1.2, linestyle="--")
    axes.text(0.01, share + 0.01, "guessing", ha="left", va="bottom", fontsize=SMALL, color=GREY)
    recall, precision = curve.true_positive_rate, curve.precision
    axes.plot(np.append(0, recall), np.append(precision[0], precision), color=BLUE, linewidth=2, clip_on=False)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    _mark(axes, curve, recall, precision, int(np.argmax(f1)), "highest F1")
    return png(figure)


def _square(title: str, told: str, xlabel: str, ylabel: str) -> tuple[Figure, Axes]:
    figure = titled(title, width=8.8, height=9.0)
    figure.text(MARGIN / 8.8, 1 - 0.675 / 9.0, told, fontsize=NORMAL, color=GREY, va="center", parse_math=False)
    axes = figure.add_axes((0.95 / 8.8, 0.75 / 9.0, 7.0 / 8.8, 7.0 / 9.0))
    gridded(axes, "", "")
    axes.set_xlabel(xlabel, fontsize=NORMAL, color=INK, labelpad=6, parse_math=False)
    axes.set_ylabel(ylabel, fontsize=NORMAL, color=INK, labelpad=8, parse_math=False)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.xaxis.set_major_formatter(percent_tick)
    axes.yaxis.set_major_formatter(percent_tick)
    return figure, axes


def _mark(axes: Axes, curve: Curve, x_T: Floats, y_T: Floats, best: int, called: str) -> None:
    """Ring the points of the usual threshold and of the best one; tell in a legend what they are."""
    marks = [(best, f"{called} (threshold {curve.thresholds[best]:.3g})", VERMILION, "s", 9.0)]
    if curve.usual is not None:
        marks.insert(0, (curve.usual, "more probable class (threshold 0.5)", INK, "o", 12.0))
    for place, label, colour, marker, size in marks:
        axes.plot(
            x_T[place],
            y_T[place],
            label=f"{label}: {100 * x_T[place]:.1f} %, {100 * y_T[place]:.1f} %",
            color=colour,
            marker=marker,
            markersize=size,
            markerfacecolor="none",
            markeredgewidth=1.8,
            linestyle="",
            clip_on=False,
            zorder=4,
        )
    legend(axes)


def _one_class(curve: Curve, classes: Sequence[str]) -> str:
    lacks = classes[1] if not curve.positives else classes[0]
    return f"No validation example is of the class {fitted(lacks, _NAME, NORMAL)}."
