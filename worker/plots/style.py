"""What every picture shares: palette, sizes of type, title, frame, legend, and the way into a PNG.

Nothing here goes through pyplot, and rcParams are set once to Matplotlib's own, so no picture depends on one drawn
before, nor on a matplotlibrc that lies about: the same input gives the same bytes.
"""

import io

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from worker.plots.lettering import drawable

matplotlib.rcdefaults()

MARGIN = 0.35  # inches beside a title and beside what stands under it

# Blue and vermilion stay apart for every kind of colour vision: Okabe and Ito, "Color Universal Design", 2008.
BLUE, PALE_BLUE, VERMILION = "#0072b2", "#a6cee3", "#d55e00"
INK, GREY, FAINT, GRID, TINT = "#1f2933", "#616e7c", "#b8c0c8", "#e4e7eb", "#dcebf5"
SMALL, NORMAL, LARGE = 9, 11, 15

# Okabe and Ito's without the yellow, which is lost on white, and three more; the shapes tell the nearest apart.
STYLES = [
    (BLUE, "o"),
    (VERMILION, "s"),
    ("#009e73", "^"),
    ("#cc79a7", "D"),
    ("#e69f00", "v"),
    ("#56b4e9", "P"),
    (INK, "X"),
    ("#882255", "<"),
    ("#999933", ">"),
    ("#8c6d46", "h"),
]


def titled(title: str, width: float, height: float, dpi: int = 150, size: float = LARGE) -> Figure:
    """Open a figure of `width` x `height` inches under its title, which shrinks until it fits."""
    figure = Figure((width, height), dpi=dpi, facecolor="white")
    FigureCanvasAgg(figure)
    font = FontProperties(weight="bold", size=size)
    heading = figure.text(
        MARGIN / width,
        1 - MARGIN * size / LARGE / height,
        drawable(title, font),
        fontproperties=font,
        color=INK,
        va="center",
        parse_math=False,
    )
    room = figure.bbox.width - 2 * MARGIN * dpi
    while heading.get_window_extent().width > room:
        size *= 0.95
        heading.set_fontsize(size)
    return figure


def notice(sentence: str, title: str) -> bytes:
    """Draw a picture that says why there is nothing to draw."""
    figure = titled(title, width=10, height=5.8)
    figure.text(0.5, 0.5, sentence, ha="center", va="center", fontsize=LARGE, color=GREY)
    return png(figure)


def plain(axes: Axes, xlabel: str, ylabel: str) -> None:
    """Label the axes, and leave nothing of their frame but what measures something."""
    axes.set_xlabel(xlabel, fontsize=NORMAL, color=INK, labelpad=6)
    axes.set_ylabel(ylabel, fontsize=NORMAL, color=INK, labelpad=8)
    axes.tick_params(which="both", length=0, labelsize=SMALL, labelcolor=GREY, pad=6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)


def gridded(axes: Axes, xlabel: str, ylabel: str) -> None:
    """Label the axes and rule them."""
    plain(axes, xlabel, ylabel)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.grid(color=GRID, linewidth=0.8)


def legend(axes: Axes) -> None:
    """Set the legend in one row between title and axes, where it covers no data."""
    high = axes.bbox.height / axes.figure.dpi
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1 + 0.085 / high),
        ncols=4,
        frameon=False,
        fontsize=SMALL,
        labelcolor=INK,
        borderaxespad=0,
        handlelength=1.6,
        columnspacing=1.8,
    )


def percent(share: float, decimals: int) -> str:
    """Write a share of 1 as a percentage."""
    return f"{100 * share:.{decimals}f} %"


def percent_tick(share: float, _position: float) -> str:
    """Write a share at a tick, with no more digits than it has."""
    return f"{100 * share:g} %"


def png(figure: Figure) -> bytes:
    """Encode the figure; without the name of its software and a date, equal pictures are equal bytes."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=figure.dpi, metadata={"Software": None})
    return stream.getvalue()
