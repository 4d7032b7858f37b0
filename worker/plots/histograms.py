"""Draws the columns of a table: how their numbers and levels are spread, and over which classes.

Legend of shapes: N examples, S stacks, B bins or levels.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from models.data.schema import Column, Table
from worker.plots.lettering import fitted, names, widest
from worker.plots.style import FAINT, GREY, INK, MARGIN, SMALL, STYLES, plain, png, titled

COLUMNS = 24
"""Columns of a table that are drawn, at most: the first ones."""

CLASSES = 8
"""Classes that have a colour of their own, at most: the most frequent ones."""

BINS = 24
LEVELS = 8

_MAGNITUDES = 300  # between the least and the greatest of nearly all numbers
_TURNED = 0.6  # inches for the name of a level that is turned
_ACROSS, _WIDE, _HIGH = 4, 2.9, 2.1  # panels beside each other, and inches of each with what is around it


def histograms(values: NDArray[np.float64], labels: NDArray[np.int64], schema: Table, title: str) -> bytes:
    """Draw a panel for each of the first columns, in which the classes are stacked.

    values: [N, columns] as they are stored. What has no room is told: further columns, classes and levels, what is
    missing, and numbers far beside all others.
    """
    stacks, called, colours = _stacks(labels, schema.classes)
    columns = schema.columns[:COLUMNS]
    told = f"{len(labels):,} examples"
    if len(columns) < len(schema.columns):
        told += f"; the first {len(columns)} of {len(schema.columns):,} columns"
    across = min(len(columns), _ACROSS)
    rows = -(-len(columns) // across)
    legend_rows = _legend_rows(called, across * _WIDE)
    head = 0.95 + 0.24 * legend_rows
    full, height = max(across * _WIDE + 0.3, 6.3), head + rows * _HIGH + 0.1
    figure = titled(title, width=full, height=height)
    figure.text(MARGIN / full, 1 - 0.66 / height, told, fontsize=SMALL, color=GREY, va="center")
    _legend(figure, called, colours, full, height, legend_rows)
    for place, column in enumerate(columns):
        row, across_place = divmod(place, across)
        left, top = 0.15 + across_place * _WIDE, head + row * _HIGH
        box = (left + 0.55, height - top - _HIGH + 0.7, _WIDE - 0.75, _HIGH - 1.05)
        axes = figure.add_axes((box[0] / full, box[1] / height, box[2] / full, box[3] / height))
        plain(axes, "", "")
        axes.spines[["left", "bottom"]].set_color(FAINT)
        axes.yaxis.set_major_locator(ticker.MaxNLocator(3, integer=True))
        axes.yaxis.set_major_formatter(ticker.FuncFormatter(_short))
        _panel(axes, values[:, place], column, stacks, colours)
    return png(figure)


def _stacks(labels: NDArray[np.int64], classes: Sequence[str]) -> tuple[list[NDArray[np.bool_]], list[str], list[str]]:
    """Give the examples of each stack, what it is called, and its colour; of many classes the rarest share one."""
    counts = np.bincount(labels, minlength=len(classes))
    own = np.arange(len(classes))
    if len(classes) > CLASSES:
        own = np.sort(np.argsort(-counts, kind="stable")[: CLASSES - 1])
    short = names(classes, 1.5, SMALL)
    stacks = [labels == label for label in own]
    called = [f"{short[label]}: {counts[label]:,}" if counts[label] else f"{short[label]}: none" for label in own]
    colours = [colour for colour, _ in STYLES[: len(own)]]
    if len(own) < len(classes):
        stacks.append(~np.isin(labels, own))
        called.append(f"{len(classes) - len(own)} other classes: {int(stacks[-1].sum()):,}")
        colours.append(FAINT)
    return stacks, called, colours


def _panel(
    axes: Axes, values: NDArray[np.float64], column: Column, stacks: Sequence[NDArray[np.bool_]], colours: Sequence[str]
) -> None:
    known = np.isfinite(values)
    told = [f"{np.count_nonzero(~known):,} missing"] if not known.all() else []
    if not known.any():
        axes.set(xticks=[], yticks=[])
    elif column.levels:
        told += _levels(axes, values, column.levels, stacks, colours)
    else:
        told += _numbers(axes, values, stacks, colours)
    over = axes.get_position().width * axes.figure.get_figure(root=True).get_figwidth() + 0.5
    axes.text(
        -0.45,
        1.2,
        fitted(column.name, over, SMALL + 1),
        transform=axes.transAxes,
        fontsize=SMALL + 1,
        color=INK,
        va="center",
        parse_math=False,
    ).set_x(-0.4 / (over - 0.5))
    axes.text(1, 1.03, ", ".join(told), transform=axes.transAxes, fontsize=7.5, color=GREY, ha="right", va="bottom")


def _numbers(
    axes: Axes, values: NDArray[np.float64], stacks: Sequence[NDArray[np.bool_]], colours: Sequence[str]
) -> list[str]:
    edges, is_log, told = _edges(values[np.isfinite(values)])
    heights_SB = np.array([np.histogram(values[stack & np.isfinite(values)], edges)[0] for stack in stacks])
    if is_log:
        axes.set_xscale("log")
    _stack(axes, edges, heights_SB, colours)
    axes.set_xlim(edges[0], edges[-1])
    whole = edges[0] % 1 == 0.5
    locator = ticker.LogLocator(numticks=4) if is_log else ticker.MaxNLocator(4, integer=whole, min_n_ticks=1)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(_short))
    return told


def _edges(known: NDArray[np.float64]) -> tuple[NDArray[np.float64], bool, list[str]]:
    """Choose bins for numbers: one for each of few whole ones, logarithmic over magnitudes, and else of equal width.

    Gives their edges, whether they are logarithmic, and what is to be told of them.
    """
    low, high = float(known.min()), float(known.max())
    near, far = np.quantile(known, [0.01, 0.99])
    if low > 0 and far > _MAGNITUDES * near:
        return np.geomspace(low, high, BINS + 1), True, ["logarithmic"]
    told = []
    # A few numbers far beside all others would press these into one bin.
    if high - low > 5 * (far - near) > 0:
        low, high = float(near), float(far)
        told = [f"{np.count_nonzero((known < low) | (known > high)):,} outliers not shown"]
    if high - low < 2 * BINS and (known == np.round(known)).all():
        low, high = np.floor(low) - 0.5, np.ceil(high) + 0.5
        return np.linspace(low, high, int(high - low) + 1), False, told
    if low == high:
        low, high = low - max(abs(low), 1.0) / 2, high + max(abs(high), 1.0) / 2
    return np.linspace(low, high, BINS + 1), False, told


def _levels(
    axes: Axes,
    values: NDArray[np.float64],
    levels: Sequence[str],
    stacks: Sequence[NDArray[np.bool_]],
    colours: Sequence[str],
) -> list[str]:
    counts_SB = np.array(
        [np.bincount(values[stack & np.isfinite(values)].astype(np.int64), minlength=len(levels)) for stack in stacks]
    )
    order = np.argsort(-counts_SB.sum(axis=0), kind="stable")
    own = np.sort(order[: LEVELS - 1]) if len(levels) > LEVELS else np.arange(len(levels))
    heights_SB, called = counts_SB[:, own], [levels[level] for level in own]
    told = []
    if len(own) < len(levels):
        others = np.setdiff1d(order, own)
        heights_SB = np.column_stack([heights_SB, counts_SB[:, others].sum(axis=1)])
        called.append("others")
        told = [f"{len(others):,} other levels"]
    edges = (np.arange(len(called))[:, None] + [-0.4, 0.4]).ravel()
    apart_SB = np.zeros((len(stacks), len(edges) - 1), np.int64)
    apart_SB[:, ::2] = heights_SB
    _stack(axes, edges, apart_SB, colours)
    room = (_WIDE - 0.75) / len(called) - 0.06
    turned = widest(names(called, 3, 8), 8) > room and room < _TURNED
    axes.set_xticks(np.arange(len(called)), names(called, _TURNED if turned else room, 8), parse_math=False)
    axes.tick_params(axis="x", labelsize=8, pad=3, rotation=90 if turned else 0)
    axes.set_xlim(-0.6, len(called) - 0.4)
    return told


def _stack(axes: Axes, edges: NDArray[np.float64], heights_SB: NDArray[np.int64], colours: Sequence[str]) -> None:
    bottom_B = np.zeros(heights_SB.shape[1])
    for heights_B, colour in zip(heights_SB, colours, strict=True):
        axes.stairs(bottom_B + heights_B, edges, baseline=bottom_B, fill=True, color=colour)
        bottom_B = bottom_B + heights_B
    axes.set_ylim(0, 1.05 * max(bottom_B.max(), 1))


def _legend_rows(called: Sequence[str], room: float) -> int:
    return -(-len(called) // max(int(room / (widest(called, SMALL) + 0.45)), 1))


def _legend(
    figure: Figure, called: Sequence[str], colours: Sequence[str], full: float, height: float, rows: int
) -> None:
    figure.legend(
        handles=[Patch(color=colour, label=name) for name, colour in zip(called, colours, strict=True)],
        loc="upper left",
        bbox_to_anchor=(MARGIN / full, 1 - 0.82 / height),
        ncols=-(-len(called) // rows),
        frameon=False,
        fontsize=SMALL,
        labelcolor=INK,
        borderaxespad=0,
        borderpad=0,
        handlelength=0.9,
        handleheight=0.9,
        columnspacing=1.4,
    )


def _short(value: float, _position: float | None = None) -> str:
    """Write a number at a tick in as few characters as tell it from its neighbours."""
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if unit <= abs(value) < 1e12:
            return f"{value / (1e3 if letter == 'k' else unit):.3g}{letter}"
    return f"{value:.4g}" if abs(value) < 1e12 else f"{value:.2g}"
