import io
import math

import numpy as np
import pytest
from PIL import Image

from service.report import REPORT
from worker.sweep_plots import Axis, Bar, Curve, comparison, curves, parallel


def picture(png: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(png))
    assert image.format == "PNG"
    assert min(image.size) > 800
    return image


def colours(png: bytes) -> set[tuple[int, ...]]:
    return set(map(tuple, np.asarray(picture(png).convert("RGB")).reshape(-1, 3).tolist()))


def curve(label: str, *seeds: list[float]) -> Curve:
    return Curve(label, seeds, seeds)


BARS = [
    Bar(f"report-trial-{number}", [t.train_accuracy, 0.9], [t.val_accuracy, 0.88], (t.train_accuracy, t.val_accuracy))
    for number, t in enumerate(REPORT, start=1)
]
AXES = [Axis("learning_rate", [0.001, 0.01, 0.1], log=True), Axis("optimizer", ["adam", "sgd", "adam"], log=False)]


def test_equal_trials_give_equal_bytes() -> None:
    trials = [curve("one", [0.8, 0.9], [0.7, 0.85]), curve("other", [0.6])]
    assert curves(trials, "Title") == curves(trials, "Title")
    assert comparison(BARS, "Title") == comparison(BARS, "Title")
    assert parallel(AXES, [0.9, 0.8, 0.7], "Title") == parallel(AXES, [0.9, 0.8, 0.7], "Title")


@pytest.mark.parametrize("count", [1, 3, 40, 200])
def test_few_and_many_trials_are_drawn(count: int) -> None:
    random = np.random.default_rng(0)
    accuracies = (0.9 + 0.09 * random.random(count)).tolist()
    picture(
        curves([curve(f"trial {n}", [value - 0.1, value], [value]) for n, value in enumerate(accuracies)], "Curves")
    )
    picture(comparison([Bar(f"trial {n}", [value], [value], None) for n, value in enumerate(accuracies)], "Comparison"))
    picture(parallel([Axis("dropout", random.random(count).tolist(), log=False)], accuracies, "Parallel"))


def test_trials_beyond_the_first_seven_are_grey() -> None:
    seven = colours(curves([curve(str(n), [0.5 + n / 20, 0.6 + n / 20]) for n in range(7)], "Seven"))
    eight = colours(curves([curve(str(n), [0.5 + n / 20, 0.6 + n / 20]) for n in range(8)], "Eight"))
    faint = (0xB8, 0xC0, 0xC8)
    assert faint in eight
    assert faint not in seven


def test_seeds_that_stopped_early_are_averaged_as_far_as_they_came() -> None:
    picture(curves([curve("uneven", [0.5], [0.6, 0.7, 0.8]), curve("empty")], "Uneven"))


def test_what_the_report_says_stands_beside_what_was_reached() -> None:
    without = [Bar(bar.label, bar.train, bar.val, None) for bar in BARS]
    assert comparison(BARS, "Title") != comparison(without, "Title")


def test_accuracies_of_none_and_all_are_drawn_too() -> None:
    picture(comparison([Bar("worst", [0.0], [0.0], None), Bar("best", [1.0], [1.0], (1.0, 1.0))], "Extremes"))


def test_a_trial_without_a_result_is_left_out() -> None:
    picture(parallel(AXES, [0.9, math.nan, 0.8], "Title"))


def test_parameters_that_do_not_differ_and_equal_results_are_drawn() -> None:
    picture(parallel([Axis("epochs", [3, 3], log=True), Axis("dropout", [0.0, 0.1], log=True)], [0.9, 0.9], "Equal"))


def test_where_there_is_nothing_to_draw_the_picture_says_so() -> None:
    empty = [curves([], "t"), curves([curve("none")], "t"), comparison([], "t"), parallel([], [0.9], "t")]
    empty += [parallel(AXES, [math.nan] * 3, "t"), comparison([Bar("failed", [], [], None)], "t")]
    for png in empty:
        picture(png)


def test_names_that_anybody_may_have_written_are_drawn_as_they_are() -> None:
    name = "$x_1$ \N{CJK UNIFIED IDEOGRAPH-6570} " + "long" * 40
    picture(curves([curve(name, [0.5, 0.6])], name))
    picture(comparison([Bar(name, [0.5], [0.6], None)], name))
    picture(parallel([Axis(name, [name, "b"], log=False)], [0.5, 0.6], name))
