"""Precision and recall by class, the curves of two classes, and how far probabilities can be believed."""

import numpy as np
import pytest

from models.evaluated.counts import Counts
from models.evaluated.curve import Curve
from tests.worker.plots.pictures import BLUE, INK, VERMILION, count, is_notice, pixels, places
from worker.plots import scores as plot
from worker.plots.curves import precision_recall, roc
from worker.plots.scores import scores

FAINT = (184, 192, 200)
PERFECT = Curve.of(np.array([0.9, 0.8, 0.2, 0.1]), np.array([1, 1, 0, 0]))


def test_each_class_has_a_mark_for_precision_and_one_for_recall() -> None:
    counts = np.array([[8, 2, 0], [0, 10, 0], [0, 0, 10]])
    picture = pixels(scores(Counts.of(counts), ("a", "b", "c"), ""))
    (_, precision), (_, recall) = (places(picture[170:], colour) for colour in (BLUE, VERMILION))
    assert np.ptp(precision) == pytest.approx(np.ptp(recall) * (1 - 10 / 12) / (1 - 8 / 10), abs=15)


def test_a_class_without_examples_and_one_never_read_are_said_to_be_so() -> None:
    counts = np.diag([9, 9, 9])
    counts[1, 1] = 0
    said = pixels(scores(Counts.of(counts), ("a", "b", "c"), ""))
    known = pixels(scores(Counts.of(np.diag([9, 9, 9])), ("a", "b", "c"), ""))
    assert count(said[:, 1000:], FAINT) > count(known[:, 1000:], FAINT)


def test_of_many_classes_the_worst_are_drawn_and_the_others_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plot, "MOST", 2)
    names = [f"class {place}" for place in range(5)]
    counts = Counts.of(np.diag([9, 9, 0, 9, 9]) + np.eye(5, k=-2, dtype=np.int64))
    picture = scores(counts, names, "")
    assert pixels(picture).shape[0] == pytest.approx(150 * (1.75 + 2 * 0.27), abs=2)
    assert picture != scores(counts, [*names[:2], "the worst", *names[3:]], "")
    assert picture == scores(counts, [*names[:4], "one of the best"], "")


@pytest.mark.parametrize("draw", [roc, precision_recall])
def test_the_usual_threshold_and_the_best_one_are_marked(draw: object) -> None:
    assert callable(draw)
    picture = pixels(draw(PERFECT, ("no", "yes"), ""))
    assert all(count(picture[100:], colour) > 50 for colour in (BLUE, VERMILION, INK))
    assert draw(PERFECT, ("no", "yes"), "") != draw(PERFECT, ("no", "数"), "")
    for edge in (picture[-15:], picture[:, :15], picture[:, -10:]):
        assert (edge == 255).all()


@pytest.mark.parametrize("label", [0, 1])
def test_of_one_class_alone_there_is_no_curve_and_it_says_which_is_missing(label: int) -> None:
    curve = Curve.of(np.array([0.2, 0.7]), np.array([label, label]))
    assert is_notice(roc(curve, ("no", "yes"), ""))
    assert is_notice(precision_recall(curve, ("no", "yes"), ""))
    assert roc(curve, ("no", "yes"), "") != roc(curve, ("not", "yess"), "")
