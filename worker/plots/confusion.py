"""Draws what was read as what: all classes in a square, or of many those that were confused most."""

from collections.abc import Sequence

import numpy as np
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from models.evaluated.counts import Counts
from worker.plots.lettering import names, widest, width
from worker.plots.style import (
    FAINT,
    GREY,
    INK,
    MARGIN,
    NORMAL,
    SMALL,
    TINT,
    VERMILION,
    notice,
    percent,
    percent_tick,
    plain,
    png,
    titled,
)

MOST_WHOLE = 30
PAIRS = 25

_LONGEST_NAME = 1.7  # inches
_MOST_ZEROS = 15  # of more classes, zeros would be all that is seen
_WIDEST, _SQUARE, _LEAST = 9.0, 7.29, 0.36  # of the picture, of a square that fits it, and of one of its cells
_HEAD, _RIGHT = 1.035, 0.9  # inches above and beside the square


def confusion(counts: Counts, classes: Sequence[str], title: str) -> bytes:
    """Draw how often each class was read as each other; of more than 30, the pairs that were confused most."""
    matrix = counts.matrix()
    if len(classes) > MOST_WHOLE or matrix is None:
        return _pairs(counts, classes, title)
    return _square(counts, matrix, classes, title)


def summary(counts: Counts) -> str:
    """Say in a line what share was read rightly."""
    if counts.accuracy is None:
        return "no examples"
    right = counts.examples - counts.mistakes
    return f"accuracy {percent(counts.accuracy, 2)}: {right:,} of {counts.examples:,}"


def _square(counts: Counts, matrix: NDArray[np.int64], classes: Sequence[str], title: str) -> bytes:
    """Draw rows true, columns predicted, and beside each row the share that was read rightly.

    The shade of an error is its share of its row, on a scale that ends at the worst; the diagonal has a tint of its
    own, or it would wash the errors out. A class without examples is said to be one.
    """
    n, totals = len(matrix), counts.belong
    shares = matrix / np.maximum(totals, 1)[:, None]
    errors = np.ma.masked_array(shares, np.eye(n, dtype=bool))
    worst = float(errors.max()) or 1.0

    called = names(classes, _LONGEST_NAME, NORMAL)
    longest, right = widest(called, NORMAL), _RIGHT if totals.all() else 1.1
    high = max(min(_SQUARE / n, 1.3), _LEAST)
    left = 0.7 + longest
    wide = max(high, (_WIDEST - left - right) / n) if n < 6 else high
    turned = longest > wide - 0.08
    foot = 0.55 + (longest if turned else 0.14)
    full, height = max(left + n * wide + right, 7.6), _HEAD + n * high + foot
    figure = titled(title, width=full, height=height)
    figure.text(MARGIN / full, 1 - 0.675 / height, summary(counts), fontsize=NORMAL, color=GREY, va="center")
    axes = figure.add_axes((left / full, foot / height, n * wide / full, n * high / height))
    plain(axes, "predicted class", "true class")
    axes.spines[:].set_visible(False)
    shades = LinearSegmentedColormap.from_list("errors", ["#ffffff", "#fdd0a2", "#e6772e", "#8c2d04"], bad=TINT)
    mesh = axes.pcolormesh(errors, cmap=shades, vmin=0, vmax=worst, edgecolors="white", linewidth=2 if n <= 15 else 1)
    widest_count = widest([f"{matrix.max():,}"], NORMAL) * 1.1
    size = min(NORMAL, NORMAL * (wide - 0.06) / widest_count)
    for row, column in np.ndindex(n, n):
        count, dark = int(matrix[row, column]), shares[row, column] > 0.6 * worst
        if not count and row != column and n > _MOST_ZEROS:
            continue
        axes.text(
            column + 0.5,
            row + 0.5,
            f"{count:,}",
            ha="center",
            va="center",
            fontsize=size,
            weight="bold" if row == column else "normal",
            color=INK if row == column else "white" if dark else INK if count else FAINT,
        )
    beside = 0.08 / wide
    for row, total in enumerate(totals):
        recall = percent(shares[row, row], 1) if total else "no examples"
        axes.text(n + beside, row + 0.5, recall, va="center", fontsize=SMALL, color=GREY if total else FAINT)
    axes.text(n + beside, -0.12 / high, "right", va="center", fontsize=SMALL, color=GREY)
    axes.invert_yaxis()
    ticks = np.arange(n) + 0.5
    axes.set_xticks(ticks, called, rotation=90 if turned else 0, parse_math=False)
    axes.set_yticks(ticks, called, parse_math=False)
    axes.tick_params(labelsize=NORMAL)
    _scale(figure, mesh, full, height)
    return png(figure)


def _scale(figure: Figure, mesh: object, full: float, height: float) -> None:
    scale = figure.add_axes((1 - 3.1 / full, 1 - 0.72 / height, 1.98 / full, 0.09 / height))
    scale.text(
        -0.06, 0.5, "share of its row", transform=scale.transAxes, ha="right", va="center", fontsize=SMALL, color=GREY
    )
    bar = figure.colorbar(
        mesh,  # type: ignore[arg-type]
        cax=scale,
        orientation="horizontal",
        ticks=ticker.MaxNLocator(3),
        format=ticker.FuncFormatter(percent_tick),
    )
    bar.outline.set_visible(False)
    plain(scale, "", "")


def _pairs(counts: Counts, classes: Sequence[str], title: str) -> bytes:
    """Draw bars of the pairs that were confused most, and say how many are not shown."""
    shown = counts.pairs[:PAIRS]
    if not len(shown):
        return notice(f"None of the {counts.examples:,} validation examples was mistaken.", title)
    all_pairs = len(counts.pairs) + counts.pairs_left_out
    of_shown = int(shown[:, 2].sum())
    told = summary(counts)
    if all_pairs > len(shown):
        told += f"; the {len(shown)} pairs confused most of {all_pairs:,}, "
        told += f"with {of_shown:,} of {counts.mistakes:,} mistakes"

    called = names(classes, _LONGEST_NAME, SMALL)
    left = MARGIN + 2 * widest([called[place] for place in {*shown[:, :2].ravel().tolist()}], SMALL) + 0.5
    full, height = max(10.0, left + 6.0, width(told, NORMAL) + 2 * MARGIN), 1.35 + 0.3 * len(shown)
    figure = titled(title, width=full, height=height)
    figure.text(MARGIN / full, 1 - 0.675 / height, told, fontsize=NORMAL, color=GREY, va="center")
    axes = figure.add_axes((left / full, 0.3 / height, (full - left - 2.2) / full, 0.3 * len(shown) / height))
    plain(axes, "", "")
    axes.spines[:].set_visible(False)
    axes.set_xticks([])
    axes.barh(np.arange(len(shown)), shown[:, 2], height=0.68, color=VERMILION)
    axes.set(xlim=(0, shown[0, 2]), ylim=(len(shown) - 0.5, -0.5))
    _name_pairs(axes, [f"{called[true]} → {called[read]}" for true, read, _ in shown.tolist()])
    for place, (true, _, often) in enumerate(shown.tolist()):
        share = f"{often:,}, {percent(often / counts.belong[true], 1)} of its class"
        axes.annotate(share, (often, place), (5, 0), textcoords="offset points", va="center", fontsize=SMALL, color=INK)
    axes.text(-0.01, -0.75, "true → read", transform=axes.get_yaxis_transform(), ha="right", fontsize=SMALL, color=GREY)
    return png(figure)


def _name_pairs(axes: Axes, lines: Sequence[str]) -> None:
    axes.set_yticks(np.arange(len(lines)), lines, parse_math=False)
    axes.tick_params(labelsize=SMALL, labelcolor=INK)
