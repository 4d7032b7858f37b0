"""Draws precision and recall of each class, with its examples."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.evaluated.counts import Counts
from worker.plots.confusion import summary
from worker.plots.lettering import names, widest, width
from worker.plots.style import (
    BLUE,
    FAINT,
    GREY,
    GRID,
    MARGIN,
    NORMAL,
    SMALL,
    VERMILION,
    legend,
    percent,
    percent_tick,
    plain,
    png,
    titled,
)

MOST = 50
"""Classes that are drawn, at most: the worst by F1."""

_LINE = 0.27  # inches


def scores(counts: Counts, classes: Sequence[str], title: str) -> bytes:
    """Draw the precision and the recall of each class as two marks on a line, the classes in their order.

    Of more than 50 classes the 50 with the least F1 are drawn, the worst first. A class without examples has no
    recall, and one that nothing was read as no precision: both are said.
    """
    places = _worst(counts) if len(classes) > MOST else np.arange(len(classes))
    n = len(places)
    told = summary(counts)
    if n < len(classes):
        told += f"; the {n} worst of {len(classes):,} classes by F1"
    called = names(classes, 2.4, SMALL)
    left = MARGIN + widest([called[place] for place in places], SMALL) + 0.15
    beside = 3.3
    full = max(10.0, left + beside + 4.0, width(told, NORMAL) + 2 * MARGIN)
    height = 1.75 + _LINE * n
    figure = titled(title, width=full, height=height)
    figure.text(MARGIN / full, 1 - 0.675 / height, told, fontsize=NORMAL, color=GREY, va="center")
    axes = figure.add_axes((left / full, 0.55 / height, (full - left - beside) / full, _LINE * n / height))
    plain(axes, "", "")
    axes.spines[:].set_visible(False)
    axes.set(xlim=(0, 1), ylim=(n - 0.5, -0.5))
    axes.hlines(np.arange(n), 0, 1, color=GRID, linewidth=0.8)
    precision, recall = counts.precision[places], counts.recall[places]
    known = np.flatnonzero(~np.isnan(precision) & ~np.isnan(recall))
    axes.hlines(known, precision[known], recall[known], color=FAINT, linewidth=2)
    for values, label, marker, colour in ((precision, "precision", "o", BLUE), (recall, "recall", "s", VERMILION)):
        style = {"marker": marker, "markersize": 6.5, "linestyle": "", "markeredgecolor": "white", "clip_on": False}
        axes.plot(values, np.arange(n), label=label, color=colour, zorder=3, **style)  # type: ignore[arg-type]
    axes.set_yticks(np.arange(n), [called[place] for place in places], parse_math=False)
    axes.xaxis.set_major_formatter(percent_tick)
    axes.xaxis.set_ticks(np.linspace(0, 1, 6))
    legend(axes)
    heads = ("examples", "precision", "recall")
    for place, head in enumerate(heads):
        figure.text(_column(place, full), 1 - 1.08 / height, head, fontsize=SMALL, color=GREY, ha="right", va="center")
    for line, place in enumerate(places.tolist()):
        y = (0.55 + _LINE * (n - line - 0.5)) / height
        cells = (
            f"{counts.belong[place]:,}" if counts.belong[place] else "none",
            _percent(precision[line], "never read"),
            _percent(recall[line], "-"),
        )
        for column, cell in enumerate(cells):
            colour = FAINT if cell in {"none", "never read", "-"} else GREY
            figure.text(_column(column, full), y, cell, fontsize=SMALL, color=colour, ha="right", va="center")
    return png(figure)


def _worst(counts: Counts) -> NDArray[np.intp]:
    """Give the places of the classes with the least F1, the worst first; those of which nothing is known come last."""
    return np.argsort(np.nan_to_num(counts.f1, nan=2.0), kind="stable")[:MOST]


def _column(place: int, full: float) -> float:
    return (full - MARGIN - (2.0, 0.95, 0.0)[place]) / full


def _percent(share: float, otherwise: str) -> str:
    return otherwise if np.isnan(share) else percent(share, 1)
