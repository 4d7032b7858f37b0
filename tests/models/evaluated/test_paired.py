"""Two networks on the same examples: the figures are exact, and the intervals hold what they promise."""

from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray

from models.calibration import summarise
from models.evaluated.judged import Judged
from models.evaluated.paired import compare, interval_of_proportions, mcnemar
from models.metric import Metric

CLASSES = ("a", "b", "c")


def _judged(labels: NDArray[np.int64], predicted: NDArray[np.int64], chances: NDArray[np.float64]) -> Judged:
    right = labels == predicted
    found = summarise(np.log(chances), np.square(1 - chances), np.where(right, chances, 1 - chances), right)
    return Judged(CLASSES, labels, predicted, np.log(chances), 1.0, found)


def _drawn(count: int, seed: int, *, accuracy: float) -> tuple[Judged, Judged]:
    """Two networks that are right as often, and often on the same examples."""
    random = np.random.default_rng(seed)
    labels = random.choice(3, count, p=[0.5, 0.3, 0.2])
    hard = random.random(count)

    def one() -> Judged:
        is_right = (hard + random.random(count)) / 2 < accuracy
        predicted = np.where(is_right, labels, (labels + random.integers(1, 3, count)) % 3)
        return _judged(labels, predicted, np.clip(random.normal(0.6, 0.1, count), 0.05, 0.95))

    return one(), one()


@pytest.mark.parametrize(
    ("ours", "theirs"), [(0, 0), (0, 1), (0, 2), (5, 9), (3, 3), (17, 44), (260, 200), (20_000, 20_400), (9, 5000)]
)
def test_mcnemars_p_is_exact(ours: int, theirs: int) -> None:
    tosses, term, tail = ours + theirs, 1, 0
    for heads in range(min(ours, theirs) + 1):
        tail, term = tail + term, term * (tosses - heads) // (heads + 1)
    assert mcnemar(ours, theirs) == pytest.approx(min(1.0, 2 * tail / 2**tosses), rel=1e-12)
    assert mcnemar(ours, theirs) == mcnemar(theirs, ours)


def test_mcnemars_p_keeps_its_digits_where_there_are_few_examples() -> None:
    assert mcnemar(5, 9) == pytest.approx(0.4239501953125, rel=1e-13)
    assert mcnemar(0, 20) == 2 * 0.5**20
    assert mcnemar(0, 10**7) == 0.0


def test_four_counts_come_to_all_examples() -> None:
    ours, theirs = _drawn(500, 1, accuracy=0.6)
    paired = compare(ours, theirs)
    assert paired.both_right + paired.only_ours == ours.right.sum()
    assert paired.both_right + paired.only_theirs == theirs.right.sum()
    assert paired.both_right + paired.only_ours + paired.only_theirs + paired.both_wrong == 500
    assert paired.accuracy.difference == pytest.approx(ours.value("accuracy") - theirs.value("accuracy"))
    assert paired.metric == paired.accuracy
    assert paired.p == mcnemar(paired.only_ours, paired.only_theirs)


@pytest.mark.parametrize("metric", get_args(Metric))
def test_the_interval_holds_the_true_difference_as_often_as_it_promises(metric: Metric) -> None:
    held = 0
    for seed in range(200):
        found = compare(*_drawn(300, seed, accuracy=0.6), metric).metric
        assert found.interval is not None
        held += found.interval[0] <= 0 <= found.interval[1]
    assert 0.9 <= held / 200 <= 0.99


def test_the_interval_stays_within_what_is_possible_and_is_no_point() -> None:
    low, high = interval_of_proportions(0, 0, 50)
    assert low < 0 < high
    assert interval_of_proportions(3, 0, 3)[1] == 1.0
    assert interval_of_proportions(0, 3, 3)[0] == -1.0


def test_of_a_log_loss_less_is_better_and_what_is_infinite_has_no_difference() -> None:
    labels = np.array([0, 1, 2])
    sure, unsure = _judged(labels, labels, np.full(3, 0.9)), _judged(labels, labels, np.full(3, 0.5))
    found = compare(sure, unsure, "log_loss").metric
    assert found.is_better
    assert found.difference is not None
    assert found.difference < 0
    with np.errstate(divide="ignore"):
        silent = _judged(labels, labels, np.array([0.9, 0.0, 0.9]))
    assert compare(sure, silent, "log_loss").metric.difference is None
    assert compare(sure, silent, "log_loss").metric.is_better


def test_what_was_measured_on_other_examples_is_not_compared() -> None:
    ours, theirs = _drawn(20, 1, accuracy=0.5)[0], _drawn(20, 2, accuracy=0.5)[0]
    with pytest.raises(ValueError, match="same examples"):
        compare(ours, theirs)
