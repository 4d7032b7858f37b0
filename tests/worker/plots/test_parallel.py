from math import nan

import numpy as np
import pytest

from tests.worker.plots.pictures import AXES, SCORES, VERMILION, pixels, places
from worker.plots.parallel import Axis, parallel

PARALLEL = np.s_[180:840, 160:1400]
"""What lies between the first axis and the last, below the title."""


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
    fields = [Axis(axis.name, [*axis.values, nan if axis.log else "9", axis.values[0]], log=axis.log) for axis in AXES]
    lost = pixels(parallel(fields, [*SCORES, 0.99, nan], ""))
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
