import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from service.sweeps.presets import REPORT
from tests.worker.plots.pictures import AXES, BLUE, INK, SCORES, VERMILION, has, is_notice, pixels, places
from worker.plots.sweep import Axis, Bar, Curve, comparison, curves, parallel

FAINT = (184, 192, 200)
SKY, BROWN = (86, 180, 233), (140, 109, 70)
NAN = math.nan

SIZES = {"curves": (900, 1590), "comparison": (960, 1590), "parallel": (900, 1590)}
NASTY = {
    "mathematics": r"$\frac{",
    "wide": "W" * 200,
    "control": "a\nb\u202e\x00 \ud800",
    "blank": " ",
    "other script": "数" * 90,
}

# Cut out to the left of the keys, below title and legend.
CURVES, COMPARISON = np.s_[100:800, 140:1140], np.s_[140:870, 140:1545]


def curve(label: str, *seeds: list[float]) -> Curve:
    return Curve(label, seeds, seeds)


def bar(label: str, *val: float) -> Bar:
    return Bar(label, [one - 0.01 for one in val], val, None)


TRIALS = [curve(f"trial {n}", [0.4 + n / 20, 0.5 + n / 50], [0.42 + n / 20, 0.51 + n / 50]) for n in range(11)]
BARS = [
    Bar(f"trial {n}", [one.train_accuracy, 0.9], [one.val_accuracy, 0.88], (one.train_accuracy, one.val_accuracy))
    for n, one in enumerate(REPORT, start=1)
]


def draw_curves(title: str) -> bytes:
    return curves(TRIALS, title)


def draw_comparison(title: str) -> bytes:
    return comparison(BARS, title)


def draw_parallel(title: str) -> bytes:
    return parallel(AXES, SCORES, title)


PAINTERS = [draw_curves, draw_comparison, draw_parallel]
each_picture = pytest.mark.parametrize("draw", PAINTERS, ids=SIZES)


@each_picture
def test_the_same_input_gives_the_same_bytes_of_a_png(draw: Callable[[str], bytes]) -> None:
    png = draw("A title")
    assert draw("A title") == png
    assert draw("Another title") != png
    assert b"tEXt" not in png
    assert pixels(png).shape[:2] == SIZES[draw.__name__.removeprefix("draw_")]


@pytest.mark.parametrize("name", NASTY.values(), ids=NASTY)
def test_names_that_anybody_may_have_written_are_drawn_as_they_are(name: str) -> None:
    for png in (
        curves([curve(name, [0.5, 0.6])], name),
        comparison([bar(name, 0.6)], name),
        parallel([Axis(name, [name, "b"], log=False)], [0.5, 0.6], name),
    ):
        assert not is_notice(png)


def test_a_dollar_sign_in_a_name_is_no_mathematics() -> None:
    for plain, spaced in (
        (curves([curve("$x$", [0.5])], ""), curves([curve("$ x $", [0.5])], "")),
        (comparison([bar("$x$", 0.5)], ""), comparison([bar("$ x $", 0.5)], "")),
        (parallel([Axis("$x$", ["a"], log=False)], [0.5], ""), parallel([Axis("$ x $", ["a"], log=False)], [0.5], "")),
    ):
        assert plain != spaced


@pytest.mark.parametrize(
    "png",
    [
        pytest.param(curves([], "t"), id="no trials"),
        pytest.param(curves([curve("none"), curve("empty", []), curve("lost", [NAN])], "t"), id="no epochs"),
        pytest.param(comparison([], "t"), id="no bars"),
        pytest.param(comparison([bar("none"), bar("lost", NAN)], "t"), id="no results"),
        pytest.param(parallel(AXES, [NAN] * 3, "t"), id="no values"),
        pytest.param(parallel([Axis("a", [], log=True)], [], "t"), id="no lines"),
        pytest.param(parallel([], [0.9, 0.8], "t"), id="no axes"),
    ],
)
def test_where_there_is_nothing_to_draw_the_picture_says_so(png: bytes) -> None:
    assert is_notice(png)


def test_ten_trials_have_a_colour_each_and_of_eleven_the_best_six() -> None:
    ten, eleven = pixels(curves(TRIALS[:10], "")), pixels(curves(TRIALS, ""))
    assert has(ten, SKY)
    assert has(ten, BROWN)
    assert not has(ten[CURVES], FAINT)
    assert has(eleven, SKY)
    assert not has(eleven[CURVES], INK), "ink is the seventh colour"
    assert has(eleven, FAINT)


def test_the_best_trial_has_the_first_colour_wherever_it_comes() -> None:
    picture = curves(TRIALS[:3], "")
    assert curves(TRIALS[2::-1], "") == picture
    rows, _ = places(pixels(picture)[CURVES], BLUE)
    others, _ = places(pixels(picture)[CURVES], VERMILION)
    assert rows.min() < others.min()


def test_seeds_that_stopped_early_are_averaged_as_far_as_they_came() -> None:
    frame = curve("wide", [0.2, 0.9])  # both pictures have the axes that this trial needs
    uneven = pixels(curves([curve("uneven", [0.6], [0.8, 0.95]), frame], ""))[CURVES]
    even = pixels(curves([curve("uneven", [0.7, 0.95]), frame], ""))[CURVES]
    assert (uneven != even).any(), "the band is of the first epoch only"
    there, here = places(uneven, BLUE), places(even, BLUE)
    assert there.min(axis=1) == pytest.approx(here.min(axis=1), abs=1)
    assert there.max(axis=1) == pytest.approx(here.max(axis=1), abs=1)


def test_accuracies_that_are_not_finite_leave_the_others_as_they_were() -> None:
    whole = [curve("a", [0.7, 0.8]), curve("b", [0.6, 0.7])]
    assert curves([curve("a", [0.7, 0.8], [NAN, math.inf]), whole[1]], "") == curves(whole, "")
    assert comparison([bar("a", 0.7, NAN, 0.8), bar("b", NAN)], "") == comparison([bar("a", 0.7, 0.8)], "")


def test_the_training_accuracy_is_drawn_where_there_is_one() -> None:
    trainings: list[list[list[float]]] = [[], [[]], [[0.5, 0.9]], [[0.5, 0.8]]]
    drawn = [curves([Curve("a", train, [[0.5, 0.9]])], "") for train in trainings]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) == 3


@pytest.mark.parametrize(("accuracy", "epochs"), [(0.0, 3), (0.1, 300), (1.0, 1), (1.0, 300)])
def test_an_accuracy_that_never_changes_is_drawn_whole(accuracy: float, epochs: int) -> None:
    assert places(pixels(curves([curve("a", [accuracy] * epochs)], ""))[CURVES], BLUE).shape[1] > 20
    assert places(pixels(comparison([Bar("a", [], [accuracy], None)], ""))[COMPARISON], VERMILION).shape[1] > 100


def test_good_trials_are_told_apart_beside_one_that_learnt_little() -> None:
    bars = [Bar(str(accuracy), [], [accuracy], None) for accuracy in (0.55, 0.95, 0.97)]
    rows, columns = places(pixels(comparison(bars, ""))[COMPARISON], VERMILION)
    low, good, better = (rows[(columns > left) & (columns < left + 330)].mean() for left in (190, 520, 850))
    assert low > good > better
    assert good - better > 60


def test_what_was_reported_stands_beside_what_was_reached() -> None:
    within = pixels(comparison(BARS, ""))[COMPARISON]
    without = pixels(comparison([Bar(one.label, one.train, one.val, None) for one in BARS], ""))[COMPARISON]
    assert places(within, INK).shape[1] > places(without, INK).shape[1] + 100


def test_a_reported_accuracy_far_from_what_was_reached_is_within_the_axis() -> None:
    picture = pixels(comparison([Bar("a", [0.9], [0.9], (0.2, 0.1))], ""))[COMPARISON]
    rows, _ = places(picture, INK)
    assert rows.size
    assert rows.min() > 500


def test_of_more_than_forty_trials_the_best_forty_are_drawn_in_the_order_in_which_they_came() -> None:
    bars = [Bar(str(n), [], [0.5 + n % 7 / 20 + n / 1000], None) for n in range(43)]
    least = sorted(bars, key=lambda one: one.val[0])[:3]
    best = pixels(comparison([one for one in bars if one not in least], ""))
    drawn = pixels(comparison(bars, ""))
    assert (drawn[COMPARISON] == best[COMPARISON]).all()
    assert (drawn[:140] != best[:140]).any(), "it is said that some are left out"


def test_drawing_leaves_nothing_global_behind_and_needs_neither_pyplot_nor_torch() -> None:
    script = """
import sys, matplotlib
from worker.plots import sweep
def style():  # the backend is left out: to read it is to import pyplot
    return {name: matplotlib.rcParams[name] for name in matplotlib.rcParams if name != "backend"}
before = style()
sweep.curves([sweep.Curve("a", [[0.5]], [[0.4]])], "")
sweep.comparison([sweep.Bar("a", [0.5], [0.4], (0.5, 0.4))], "")
sweep.parallel([sweep.Axis("a", [1, 2], log=True)], [0.5, 0.4], "")
assert style() == before
print(*{"matplotlib.pyplot", "torch", "sqlalchemy", "fastapi"} & set(sys.modules))
"""
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
