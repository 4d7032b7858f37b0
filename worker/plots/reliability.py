"""Draws how far the probabilities of a network can be believed: how often it was right when it was so sure."""

from collections.abc import Mapping, Sequence
from typing import Any

from worker.plots.style import (
    BLUE,
    FAINT,
    GREY,
    MARGIN,
    SMALL,
    VERMILION,
    gridded,
    legend,
    percent_tick,
    png,
    titled,
)

_WIDE, _HIGH = 8.4, 10.4


def reliability(assessment: Mapping[str, Any], title: str) -> bytes:
    """Draw a reliability diagram of an assessment as a card has it, and below it how many examples are so sure.

    Two lines: the probabilities as they are, and after the division by the temperature.
    """
    before, after = assessment["before"], assessment["after"]
    figure = titled(title, width=_WIDE, height=_HIGH)
    told = (
        f"{assessment['examples']:,} validation examples; temperature {assessment['temperature']:.3f}; expected "
        f"calibration error {100 * before['expected_calibration_error']:.2f} % before, "
        f"{100 * after['expected_calibration_error']:.2f} % after"
    )
    figure.text(MARGIN / _WIDE, 1 - 0.675 / _HIGH, told, fontsize=SMALL, color=GREY, va="center")
    axes = figure.add_axes((0.95 / _WIDE, 2.2 / _HIGH, 7.0 / _WIDE, 7.0 / _HIGH))
    gridded(axes, "", "share that was read rightly")
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1.2, linestyle="--")
    axes.text(0.03, 0.06, "as sure as right", fontsize=SMALL, color=GREY, rotation=45, ha="left", va="bottom")
    below = figure.add_axes((0.95 / _WIDE, 0.75 / _HIGH, 7.0 / _WIDE, 1.15 / _HIGH))
    gridded(below, "how sure it was: probability of the class read", "examples")
    for name, bins, colour, marker in (
        ("as they are", before["bins"], VERMILION, "s"),
        ("after the temperature", after["bins"], BLUE, "o"),
    ):
        sure, right = [its["confidence"] for its in bins], [its["accuracy"] for its in bins]
        style = {"marker": marker, "markersize": 7, "markeredgecolor": "white", "linewidth": 1.6, "clip_on": False}
        axes.plot(sure, right, label=name, color=colour, zorder=3, **style)  # type: ignore[arg-type]
        edges = sorted({its["lower"] for its in bins} | {its["upper"] for its in bins})
        below.stairs([_count(bins, edge) for edge in edges[:-1]], edges, color=colour, linewidth=1.6)
    for each in (axes, below):
        each.set_xlim(0, 1)
        each.xaxis.set_major_formatter(percent_tick)
    axes.set_ylim(0, 1)
    axes.set_xticklabels([])
    axes.yaxis.set_major_formatter(percent_tick)
    for each in (axes, below):
        each.yaxis.set_label_coords(-0.095, 0.5)
    legend(axes)
    return png(figure)


def _count(bins: Sequence[Mapping[str, Any]], lower: float) -> int:
    """Count the examples in the bin that begins here; bins without any are not listed."""
    return next((its["count"] for its in bins if its["lower"] == lower), 0)
