import io
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from service.sweeps.presets import REPORT
from worker.plots import accuracy_scale
from worker.plots.style import folded
from worker.plots.sweep import Axis, Bar, Curve, comparison, curves, parallel

BLUE, VERMILION, INK, FAINT = (0, 114, 178), (213, 94, 0), (31, 41, 51), (184, 192, 200)
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

# Each of them cut out to the left of the keys, below title and legend.
CURVES, COMPARISON, PARALLEL = np.s_[100:800, 140:1140], np.s_[140:870, 140:1545], np.s_[180:840, 160:1400]


def curve(label: str, *seeds: list[float]) -> Curve:
    return Curve(label, seeds, seeds)


def bar(label: str, *val: float) -> Bar:
    return Bar(label, [one - 0.01 for one in val], val, None)


TRIALS = [curve(f"trial {n}", [0.4 + n / 20, 0.5 + n / 50], [0.42 + n / 20, 0.51 + n / 50]) for n in range(11)]
BARS = [
    Bar(f"trial {n}", [one.train_accuracy, 0.9], [one.val_accuracy, 0.88], (one.train_accuracy, one.val_accuracy))
    for n, one in enumerate(REPORT, start=1)
]
AXES = [
    Axis("learning_rate", [0.0001, 0.01, 0.001], log=True),
    Axis("hidden_sizes", ["30-5", "100-50", "100-50"], log=False),
]
SCORES = [0.9, 0.7, 0.95]


def draw_curves(title: str) -> bytes:
    return curves(TRIALS, title)


def draw_comparison(title: str) -> bytes:
    return comparison(BARS, title)


def draw_parallel(title: str) -> bytes:
    return parallel(AXES, SCORES, title)


PAINTERS = [draw_curves, draw_comparison, draw_parallel]
each_picture = pytest.mark.parametrize("draw", PAINTERS, ids=SIZES)


def pixels(png: bytes) -> NDArray[np.uint8]:
    """Decode a picture: [height, width, 3]."""
    with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
        return np.asarray(image.convert("RGB"))


def places(picture: NDArray[np.uint8], color: tuple[int, int, int]) -> NDArray[np.intp]:
    """Find the rows and columns of a colour: [2, pixels]."""
    return np.array(np.nonzero((picture == color).all(axis=2)))


def has(picture: NDArray[np.uint8], color: tuple[int, int, int]) -> bool:
    return places(picture, color).size > 0


def is_notice(png: bytes) -> bool:
    """Whether a picture is a grey sentence in its middle, without a chart."""
    picture = pixels(png)[100:]
    assert (picture < 200).any()
    return picture.shape[:2] == (770, 1500) and not any(has(picture, color) for color in (BLUE, VERMILION))


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


@given(st.text(), st.integers(1, 40), st.integers(1, 4))
def test_a_folded_label_has_no_more_lines_than_it_may(label: str, width: int, lines: int) -> None:
    written = folded(label, width, lines).split("\n")
    assert 1 <= len(written) <= lines
    assert max(map(len, written)) <= max(width, 6)
    assert all(written)


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


def test_the_line_of_the_best_trial_goes_through_what_was_chosen_for_it() -> None:
    rows, columns = places(pixels(parallel(AXES, SCORES, ""))[PARALLEL], VERMILION)
    start, middle, end = (rows[abs(columns - column) < 6].mean() for column in (10, 620, 1220))
    height = 594
    assert middle == pytest.approx(end, abs=5), "30-5 comes before 100-50, so this is the top"
    assert start - end == pytest.approx(height / 2, abs=5), "0.001 is the middle of 0.0001 and 0.01"


def test_an_axis_that_is_not_logarithmic_is_to_scale() -> None:
    axes = [Axis("learning_rate", [0.0, 1.0, 0.25], log=False)]
    rows, columns = places(pixels(parallel(axes, SCORES, ""))[PARALLEL], VERMILION)
    start, end = (rows[abs(columns - column) < 6].mean() for column in (10, 1220))
    assert start - end == pytest.approx(594 * 0.75, abs=8)


def test_trials_without_a_finite_value_are_left_out_and_counted() -> None:
    whole = pixels(parallel(AXES, SCORES, ""))
    fields = [Axis(axis.name, [*axis.values, NAN if axis.log else "9", axis.values[0]], log=axis.log) for axis in AXES]
    lost = pixels(parallel(fields, [*SCORES, 0.99, NAN], ""))
    assert (lost[140:] == whole[140:]).all()
    assert (lost[:140] != whole[:140]).any()


@pytest.mark.parametrize(
    "axis",
    [
        pytest.param(Axis("a", [3, 3, 3], log=True), id="equal"),
        pytest.param(Axis("a", [0, 0, 0], log=True), id="zero"),
        pytest.param(Axis("a", [0, 1e-5, 1e-3], log=True), id="zero beside others"),
        pytest.param(Axis("a", ["x", "x", "x"], log=False), id="one kind"),
        pytest.param(Axis("a", ["none", 0.5, 2.0], log=False), id="mixed"),
        pytest.param(Axis("a", [1e-300, 1.0, 1e300], log=True), id="enormous"),
        pytest.param(Axis("a", [1.0, np.nextafter(1.0, 2.0), 1.0], log=False), id="nearly equal"),
    ],
)
def test_an_unusual_axis_is_drawn(axis: Axis) -> None:
    assert places(pixels(parallel([axis], SCORES, ""))[PARALLEL], VERMILION).shape[1] > 1000


def test_an_axis_with_a_negative_value_is_to_scale_for_it_has_no_logarithm() -> None:
    linear, logarithmic = (parallel([Axis("a", [-1, 0, 1], log=log)], SCORES, "") for log in (False, True))
    assert linear == logarithmic


@pytest.mark.parametrize("scores", [[0.5, 0.5, 0.5], [0.0, 1.0, 1.0], [0.98001, 0.98002, 0.98003]], ids=str)
def test_accuracies_that_are_equal_or_nearly_so_or_extreme_are_drawn(scores: list[float]) -> None:
    assert places(pixels(parallel(AXES, scores, ""))[PARALLEL], VERMILION).shape[1] > 1000


@pytest.mark.parametrize("count", [1, 2_000])
def test_few_and_many_trials_are_drawn(count: int) -> None:
    random = np.random.default_rng(0)
    axis = Axis("learning_rate", (10 ** random.uniform(-5, -1, count)).tolist(), log=True)
    picture = pixels(parallel([axis], random.uniform(0.1, 0.99, count).tolist(), ""))
    assert places(picture[PARALLEL], VERMILION).shape[1] > 1000


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_accuracy_at_the_place_of_an_accuracy_is_that_accuracy(one: float, other: float) -> None:
    assert accuracy_scale.accuracy_at(accuracy_scale.place(one)) == pytest.approx(one, abs=1e-9)
    assert (one < other) <= bool(accuracy_scale.place(one) <= accuracy_scale.place(other))


@given(st.floats(0, 1), st.floats(0, 1))
def test_ticks_are_within_their_ends_and_apart(one: float, other: float) -> None:
    low, high = min(one, other), max(one, other)
    ticks = accuracy_scale.ticks(low, high)
    assert ticks
    assert all(low <= tick <= high for tick in ticks)
    gaps = np.diff(np.sort(accuracy_scale.place(ticks)))
    assert (gaps > 0.08 * (accuracy_scale.place(high) - accuracy_scale.place(low))).all()


def test_ticks_are_round() -> None:
    assert sorted(accuracy_scale.ticks(0.5, 0.98)) == [0.5, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98]


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
