"""Pictures of any size and colour in a grid, each under its caption."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from models.data.shown import smaller
from worker.plots.style import INK, SMALL

PALE = 246
"""The grey level of the ground of a picture of ink."""


def tiles(
    figure: Figure,
    pictures: Sequence[NDArray[np.uint8]],
    captions: Sequence[str],
    *,
    columns: int,
    tile: tuple[int, int],
    gap: tuple[int, int],
    head: float,
    ink: bool,
) -> None:
    """Set pictures [H, W] or [H, W, 3] into a grid of tiles, each in the middle of its own and under its caption.

    tile, gap: height and width of a tile and of what is free above and beside it, in pixels of the figure; head: inches
    above it all. Pictures of ink, which are light on dark, are shown dark on a pale ground; all others as they are.
    Each pixel of a picture is as large as every other: a whole number of those of the figure.
    """
    down, across = tile[0] + gap[0], tile[1] + gap[1]
    page = np.full((-(-len(pictures) // columns) * down, columns * across - gap[1], 3), 255, np.uint8)
    width, height = figure.bbox.size
    left_edge = (width - page.shape[1]) // 2 / width
    bottom = 1 - (round(head * figure.dpi) + page.shape[0]) / height
    axes = figure.add_axes((left_edge, bottom, page.shape[1] / width, page.shape[0] / height))
    axes.set_axis_off()
    for i, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        top, left = i // columns * down + gap[0], i % columns * across
        shown = _fitted(picture, tile)
        high, wide = shown.shape[:2]
        above, before = (tile[0] - high) // 2, (tile[1] - wide) // 2
        colours = shown if shown.ndim == 3 else np.repeat(shown[..., None], 3, axis=2)
        if ink:
            colours = (PALE - colours * (PALE / 255)).astype(np.uint8)
        page[top + above : top + above + high, left + before : left + before + wide] = colours
        axes.text(
            left + tile[1] / 2 - 0.5,
            top + above - 0.0195 * figure.dpi,
            caption,
            ha="center",
            va="bottom",
            fontsize=SMALL,
            color=INK,
            linespacing=1.1,
            parse_math=False,
        )
    axes.imshow(page, interpolation="nearest")


def _fitted(picture: NDArray[np.uint8], tile: tuple[int, int]) -> NDArray[np.uint8]:
    """Enlarge a picture by a whole number, or make it smaller by one, so that it just fits a tile."""
    high, wide = picture.shape[:2]
    scale = min(tile[0] // high, tile[1] // wide)
    if scale >= 1:
        enlarged: NDArray[np.uint8] = picture.repeat(scale, axis=0).repeat(scale, axis=1)
        return enlarged
    small: NDArray[np.uint8] = smaller(picture[None], max(-(-high // tile[0]), -(-wide // tile[1])))[0]
    return small
