"""Draws what a network was surest of and got wrong: pictures, or rows of a table."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from models.data.shown import Cell
from models.evaluated.kept import Mistakes
from worker.plots.lettering import fitted, names, widest, width
from worker.plots.style import FAINT, GREY, GRID, INK, MARGIN, SMALL, notice, percent, png, titled
from worker.plots.tiles import tiles

MOST = 25
_TILE = 224  # pixels of the figure: 28 by 28 of which each is 8 by 8
_SHORT = 0.2  # inches of names that find room on one line
_BROADEST_CELL = 1.6
_MOST_COLUMNS = 12


def mistakes(found: Mistakes, classes: Sequence[str], title: str, *, of: int) -> bytes:
    """Draw the 25 examples that were mistaken with the most confidence, the worst first, `of` all that were mistaken.

    There may be none, and then the picture says so.
    """
    order = np.argsort(-np.asarray(found.probabilities), kind="stable")[:MOST].tolist()
    if len(order) < of:
        title += f", {len(order)} of {of:,}"
    if not order:
        return notice("None of the validation examples was mistaken.", title)
    if found.rows is not None:
        return _table(found, order, found.rows, classes, title)
    assert found.pictures is not None
    return _pictures(found, order, found.pictures, classes, title)


def _pictures(
    found: Mistakes, order: Sequence[int], pictures: NDArray[np.uint8], classes: Sequence[str], title: str
) -> bytes:
    called = names(classes, 0.72, SMALL)
    is_short = widest(called, SMALL) < _SHORT
    captions = []
    for i in order:
        true, read = called[found.labels[i]], called[found.predictions[i]]
        sure = percent(found.probabilities[i], 0)
        captions.append(f"true {true}, read {read} ({sure})" if is_short else f"true {true}\nread {read} ({sure})")
    smaller = f", scaled down by {found.scaled_down}" if found.scaled_down > 1 else ""
    down = 48 if is_short else 68
    high = min(_TILE, _high(pictures.shape[1:3]))
    rows = -(-len(order) // 5)
    figure = titled(title + smaller, width=9, height=0.95 + (high + down) / 150 * rows)
    chosen = [pictures[i] for i in order]
    tiles(figure, chosen, captions, columns=5, tile=(high, _TILE), gap=(down, 32), head=0.6, ink=found.ink)
    return png(figure)


def _high(size: Sequence[int]) -> int:
    """Give the height of a tile for pictures of a size: less than its width for broad ones."""
    height, width = size
    scale = min(_TILE // height, _TILE // width)
    return max(height * scale, 16)


def _table(
    found: Mistakes, order: Sequence[int], rows: Sequence[Mapping[str, Cell]], classes: Sequence[str], title: str
) -> bytes:
    """Draw rows under the names of their columns: as many columns as there is room for, and how many are not shown."""
    columns = list(rows[order[0]])
    shown = columns[:_MOST_COLUMNS]
    called = names(classes, _BROADEST_CELL, SMALL)
    head = ["true", "read", "held for", *shown]
    body = [
        [
            called[found.labels[i]],
            called[found.predictions[i]],
            percent(found.probabilities[i], 1),
            *(_written(rows[i][column]) for column in shown),
        ]
        for i in order
    ]
    cells = [[fitted(text, _BROADEST_CELL, SMALL) for text in line] for line in [head, *body]]
    broad = [widest(column, SMALL) + 0.22 for column in zip(*cells, strict=True)]
    note = ["one mistake" if len(order) == 1 else f"{len(order)} mistakes, the surest first"]
    if len(shown) < len(columns):
        note.append(f"{len(shown)} of {len(columns):,} columns are shown")
    full = max(2 * MARGIN + sum(broad), 2 * MARGIN + width(", ".join(note), SMALL), 6.0)
    height = 1.15 + 0.26 * len(cells)
    figure = titled(title, width=full, height=height)
    figure.text(MARGIN / full, 1 - 0.68 / height, "; ".join(note), fontsize=SMALL, color=GREY, va="center")
    _lines(figure, cells, broad, full, height)
    return png(figure)


def _lines(figure: Figure, cells: Sequence[Sequence[str]], broad: Sequence[float], full: float, height: float) -> None:
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set(xlim=(0, full), ylim=(height, 0))
    are_numbers = [all(map(_is_number, column[1:])) for column in zip(*cells, strict=True)]
    for number, line in enumerate(cells):
        y, x = 1.0 + 0.26 * number, MARGIN
        for place, (text, wide) in enumerate(zip(line, broad, strict=True)):
            right = are_numbers[place] and place >= 2
            axes.text(
                x + wide - 0.22 if right else x,
                y,
                text,
                ha="right" if right else "left",
                va="center",
                fontsize=SMALL,
                color=GREY if number == 0 else FAINT if text == _MISSING else INK,
                parse_math=False,
            )
            x += wide
        if number:
            axes.plot([MARGIN, x - 0.22], [y - 0.13] * 2, color=GRID, linewidth=0.8)


_MISSING = "missing"


def _written(value: Cell) -> str:
    if value is None:
        return _MISSING
    return value if isinstance(value, str) else f"{value:.6g}"


def _is_number(text: str) -> bool:
    return text == _MISSING or text.lstrip("-")[:1].isdigit()
