from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.evaluated.counts import Counts
from tests.worker.plots.examples import confused
from tests.worker.plots.pictures import VERMILION, count, is_notice, pixels, places
from worker.plots.confusion import confusion

WORST, RIGHT, FAINT = (140, 45, 4), (220, 235, 245), (184, 192, 200)
DIGITS = tuple("0123456789")


def draw(matrix: NDArray[Any], classes: tuple[str, ...] = DIGITS) -> bytes:
    return confusion(Counts.of(matrix), classes, "")


def many(classes: int) -> tuple[str, ...]:
    return tuple(f"class {place}" for place in range(classes))


def test_the_worst_error_is_the_darkest_however_many_were_read_rightly() -> None:
    counts = np.eye(10, dtype=np.int64) * 50_000
    counts[4, 9] = 3
    picture = pixels(draw(counts))
    rows, columns = places(picture[160:], WORST)
    assert len(rows) > 5000
    assert np.ptp(rows) < 120
    assert np.ptp(columns) < 120
    assert count(picture, RIGHT) > 9 * 5000


def test_an_errors_shade_is_its_share_of_its_row() -> None:
    counts = np.eye(10, dtype=np.int64) * 1000
    counts[0] = [10, 10, *[0] * 8]
    counts[5, 6] = 10
    rows, _ = places(pixels(draw(counts))[160:], WORST)
    assert rows.max() < 120


@pytest.mark.parametrize(
    "counts",
    [
        pytest.param(np.zeros((10, 10), np.int64), id="no images"),
        pytest.param(np.full((10, 10), 123_456_789), id="enormous"),
    ],
)
def test_an_unusual_confusion_is_drawn(counts: NDArray[np.int64]) -> None:
    assert count(pixels(draw(counts)), RIGHT) > 5000


def test_another_count_or_name_gives_another_picture() -> None:
    changed, few = confused(3), ("a", "b", "c")
    changed[2, 0] = 1
    assert draw(changed, few) != draw(confused(3), few) != draw(confused(3), ("a", "b", "d"))


@pytest.mark.parametrize(("classes", "name"), [(2, "a class with a name that is much too long {}"), (26, "数{}")])
def test_nothing_is_cut_off_at_the_edges(classes: int, name: str) -> None:
    picture = pixels(draw(confused(classes), tuple(name.format(place) for place in range(classes))))
    for edge in (picture[:15], picture[-15:], picture[:, :15], picture[:, -15:]):
        assert (edge == 255).all()


def test_a_class_without_examples_is_said_to_be_one() -> None:
    empty = pixels(draw(np.diag([9, 0, 9]), ("a", "b", "c")))[:, -150:]
    assert count(empty, FAINT) > 50
    assert (empty[:, -15:] == 255).all()


def test_of_more_than_30_classes_the_most_confused_pairs_are_bars() -> None:
    picture = pixels(draw(confused(31), many(31)))
    assert count(picture, RIGHT) == 0
    assert count(picture, VERMILION) > 10_000
    assert is_notice(draw(np.eye(31, dtype=np.int64), many(31))), "no pair was confused"


def test_pairs_that_were_left_out_are_counted() -> None:
    counts = Counts.of(confused(200), most=50)
    assert (counts.pairs_left_out, counts.examples_left_out) == (147, 147)
    assert confusion(counts, many(200), "") == confusion(Counts.of(confused(200)), many(200), "")
