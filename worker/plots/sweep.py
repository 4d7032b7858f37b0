"""Draws the trials of a sweep beside each other: accuracies and chosen values in, PNG bytes out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from worker.plots import accuracy_scale
from worker.plots.lettering import folded
from worker.plots.parallel import Axis, parallel
from worker.plots.style import (
    BLUE,
    FAINT,
    GREY,
    INK,
    MARGIN,
    SMALL,
    STYLES,
    VERMILION,
    gridded,
    legend,
    notice,
    percent,
    png,
    titled,
)

__all__ = ["Axis", "Bar", "Curve", "comparison", "curves", "parallel"]

Floats = NDArray[np.float64]

WIDTH = 10.6  # inches
MAX_BARS = 40
LEVEL_LABELS = 12  # of more bars, each would have too little room
FEW = 6  # of more trials than there are styles, so many stand out


@dataclass(frozen=True)
class Curve:
    """The accuracies of a trial: one list of epochs for each seed, of any length."""

    label: str
    train: Sequence[Sequence[float]]
    val: Sequence[Sequence[float]]


@dataclass(frozen=True)
class Bar:
    """The final accuracies of a trial, one for each seed, and the study's (training, validation) if it tells them."""

    label: str
    train: Sequence[float]
    val: Sequence[float]
    reported: tuple[float, float] | None


def curves(trials: Sequence[Curve], title: str) -> bytes:
    """Draw the accuracies of every trial over its epochs: the mean of the seeds that got so far, and their band.

    Of more than ten trials the `FEW` with the best mean validation accuracy stand out, and the rest are grey.
    """
    drawn = [(trial, *_seeds(trial.val)) for trial in trials if any(np.isfinite(seed).any() for seed in trial.val)]
    if not drawn:
        return notice("No epoch has ended yet.", title)
    drawn.sort(key=lambda one: -np.nanmax(one[1]))
    told = len(drawn) if len(drawn) <= len(STYLES) else FEW
    epochs = max(len(mean) for _, mean, *_ in drawn)

    figure = titled(title, width=WIDTH, height=6)
    axes = figure.add_axes((0.085, 0.105, 0.635, 0.785))
    gridded(axes, "epoch", "accuracy (logarithmic in the error)")
    aside = max(0.3, 0.02 * epochs)
    axes.set_xlim(1 - aside, epochs + aside)
    axes.xaxis.set_major_locator(ticker.MaxNLocator(nbins=10, steps=[1, 2, 5, 10], integer=True))
    seen = []
    for _, mean, *_ in drawn[told:]:
        seen.append(mean)
        dot: dict[str, Any] = {"marker": ".", "markersize": 4} if len(mean) == 1 else {}
        axes.plot(np.arange(1, len(mean) + 1), mean, color=FAINT, linewidth=0.8, alpha=0.7, zorder=1.5, **dot)
    lines = []
    for (trial, *validation), (color, marker) in reversed(list(zip(drawn[:told], STYLES, strict=False))):
        seen += validation
        if any(np.isfinite(seed).any() for seed in trial.train):
            training, _, _ = _seeds(trial.train)
            seen.append(training)
            dash: dict[str, Any] = {"marker": "_", "markersize": 10} if len(training) == 1 else {}
            x = np.arange(1, len(training) + 1)
            axes.plot(x, training, "--", color=color, linewidth=0.9, alpha=0.75, **dash)
        line = _banded(axes, *validation, color=color, marker=marker, spacing=1 if epochs <= 40 else epochs // 12)
        lines.append((line, f"{percent(float(np.nanmax(validation[0])), 2)}  {folded(trial.label, 24, 2)}"))
    lines.reverse()
    if len(drawn) > told:
        lines.append((Line2D([], [], color=FAINT), f"{len(drawn) - told:,} others"))
    accuracy_scale.measure(axes, np.concatenate(seen))
    _key(figure, axes, lines)
    return png(figure)


def comparison(bars: Sequence[Bar], title: str) -> bytes:
    """Draw the final accuracies of each trial: every seed, their mean and range, and what the study reported.

    Of more than `MAX_BARS` trials the best by mean validation accuracy are drawn, in the order in which they came.
    """
    known = [bar for bar in bars if np.isfinite(bar.val).any()]
    if not known:
        return notice("No job has ended yet.", title)
    best = sorted(range(len(known)), key=lambda i: -_finite(known[i].val).mean())[:MAX_BARS]
    shown = [known[i] for i in sorted(best)]
    count = len(shown)

    figure = titled(title, width=WIDTH, height=6.4)
    if count < len(known):
        cut = f"the best {count} of {len(known):,} trials"
        figure.text(1 - MARGIN / WIDTH, 0.875, cut, ha="right", va="bottom", fontsize=SMALL, color=GREY)
    labels, room, style = _tick_labels([bar.label for bar in shown])
    axes = figure.add_axes((0.085, room, 0.89, 0.855 - room))
    gridded(axes, "", "final accuracy (logarithmic in the error)")
    axes.grid(visible=False, axis="x")
    dot = 3.5 if count <= LEVEL_LABELS else 2.2
    for i, bar in enumerate(shown):
        _spread(axes, i - 0.17, _finite(bar.train), BLUE, dot=dot)
        _spread(axes, i + 0.17, _finite(bar.val), VERMILION, dot=dot)
        if bar.reported:
            axes.plot([i - 0.17, i + 0.17], bar.reported, "D", color=INK, markerfacecolor="none", markersize=2 * dot)
    accuracy_scale.measure(
        axes, np.concatenate([_finite([*bar.train, *bar.val, *(bar.reported or ())]) for bar in shown])
    )
    half = max(count, 4) / 2 + 0.1  # a lone trial is no wider than one of four
    axes.set_xlim((count - 1) / 2 - half, (count - 1) / 2 + half)
    axes.set_xticks(range(count), labels, parse_math=False, color=INK, **style)
    mean: dict[str, Any] = {"marker": "_", "markersize": 12, "markeredgewidth": 2.5, "linestyle": ""}
    axes.plot([], [], color=BLUE, label="training, mean", **mean)
    axes.plot([], [], color=VERMILION, label="validation, mean", **mean)
    axes.plot([], [], color=GREY, label="seeds and their range", marker=".", linewidth=1)
    if any(bar.reported for bar in shown):
        axes.plot([], [], color=INK, label="reported by the study", marker="D", linestyle="", markerfacecolor="none")
    legend(axes)
    return png(figure)


def _seeds(seeds: Sequence[Sequence[float]]) -> tuple[Floats, Floats, Floats]:
    """Give mean, lowest and highest of the seeds at each epoch that any of them has reached: [epochs] each."""
    grid = np.full((len(seeds), max(map(len, seeds))), np.nan)
    for row, seed in zip(grid, seeds, strict=True):
        row[: len(seed)] = np.where(np.isfinite(seed), seed, np.nan)
    known = ~np.isnan(grid)
    count = known.sum(axis=0)
    blank = np.where(count, 0.0, np.nan)
    mean = np.where(known, grid, 0).sum(axis=0) / np.maximum(count, 1) + blank
    return mean, np.where(known, grid, np.inf).min(axis=0) + blank, np.where(known, grid, -np.inf).max(axis=0) + blank


def _banded(
    axes: Axes, mean: Floats, lowest: Floats, highest: Floats, *, color: str, marker: str, spacing: int
) -> Line2D:
    """Draw the mean of seeds [epochs] in their band, with a mark at every epoch that is a multiple of `spacing`."""
    x = np.arange(1, len(mean) + 1)
    axes.fill_between(x, lowest, highest, color=color, alpha=0.13, linewidth=0)
    if len(x) == 1:  # a band of one epoch has no width
        axes.vlines(x, lowest, highest, color=color, alpha=0.4, linewidth=3)
    (line,) = axes.plot(
        x,
        mean,
        color=color,
        linewidth=1.8,
        marker=marker,
        markersize=5.5,
        markeredgecolor="white",
        markeredgewidth=0.6,
        markevery=(0 if spacing == 1 or len(x) < spacing else spacing - 1, spacing),
        zorder=2.5,
    )
    return line


def _key(figure: Figure, axes: Axes, lines: Sequence[tuple[Line2D, str]]) -> None:
    """Say beside the axes which line is which trial, and below that what the kinds of line are."""
    box = axes.legend(
        [line for line, _ in lines],
        [label for _, label in lines],
        title="best validation accuracy, trial",
        loc="upper left",
        bbox_to_anchor=(1.03, 1),
        frameon=False,
        fontsize=SMALL,
        labelcolor=INK,
        borderaxespad=0,
        borderpad=0,
        handlelength=1.8,
        labelspacing=0.75,
        title_fontsize=SMALL,
        alignment="left",
    )
    box.get_title().set_color(GREY)
    for text in box.get_texts():
        text.set_parse_math(False)
    note = "solid: validation, mean of the seeds\ndashed: training, mean of the seeds\nband: lowest to highest seed"
    figure.text(0.739, 0.105, note, fontsize=SMALL, color=GREY, va="bottom", linespacing=1.5)


def _spread(axes: Axes, x: float, values: Floats, color: str, *, dot: float) -> None:
    """Draw the final accuracies of seeds: their range, themselves as dots, and their mean."""
    if not len(values):
        return
    axes.plot([x, x], [values.min(), values.max()], color=color, linewidth=1, alpha=0.6)
    axes.plot([x - 0.15, x + 0.15], [values.mean()] * 2, color=color, linewidth=2.5, solid_capstyle="butt")
    aside = (np.arange(len(values)) - (len(values) - 1) / 2) * min(0.04, 0.16 / len(values))
    axes.plot(x + aside, values, "o", color=color, markersize=dot, markeredgecolor="white", markeredgewidth=dot / 7)


def _tick_labels(labels: Sequence[str]) -> tuple[list[str], float, dict[str, Any]]:
    """Give the labels of bars, what they take of a figure's height, and their style.

    They are folded to the width each bar has; where that is too narrow, they are turned by 90 degrees.
    """
    width = 110 // len(labels)
    level = [folded(label, width, 4) for label in labels]
    whole = all(len(word) <= width for label in labels for word in label.split())
    if whole and len(labels) <= LEVEL_LABELS and not any(label.endswith("…") for label in level):
        return level, 0.06 + 0.025 * max(label.count("\n") + 1 for label in level), {}
    lines = 3 if len(labels) <= LEVEL_LABELS else 2 if len(labels) <= 20 else 1
    turned = [folded(label, 28, lines) for label in labels]
    longest = max(len(line) for label in turned for line in label.split("\n"))
    return turned, 0.06 + 0.0105 * longest, {"rotation": 90, "fontsize": 8, "linespacing": 1.1}


def _finite(values: Sequence[float]) -> Floats:
    numbers = np.array(values, dtype=np.float64)
    return numbers[np.isfinite(numbers)]
