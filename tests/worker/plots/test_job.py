import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.worker.plots.pictures import BLUE, INK, VERMILION, count, pixels, places
from worker.plots import job as job_plots

PALE_BLUE = (166, 206, 227)
WORST, RIGHT = (140, 45, 4), (220, 235, 245)

LOSSES = np.linspace(2.3, 0.4, 36, dtype=np.float32)
COUNTS = np.diag(np.arange(90, 100)) + np.eye(10, k=3, dtype=np.int64)
IMAGES = np.random.default_rng(0).integers(0, 256, (70, 28, 28), dtype=np.uint8)
NOISY = np.linspace(2, 1, 4000) + 0.3 * np.tile([1, -1], 2000)
LABELS = np.arange(70) % 10
SURETIES = np.linspace(0.99, 0.3, 70)


def draw_loss(title: str) -> bytes:
    return job_plots.loss(LOSSES, [12, 24, 36], [1.9, 1.3, 0.7], title)


def draw_accuracy(title: str) -> bytes:
    return job_plots.accuracy([12, 24, 36], [0.7, 0.8, 0.9], [0.65, 0.78, 0.76], title)


def draw_confusion(title: str) -> bytes:
    return job_plots.confusion(COUNTS, title)


def draw_mistakes(title: str) -> bytes:
    return job_plots.mistakes(IMAGES[:25], LABELS[:25], LABELS[1:26], SURETIES[:25], title)


def draw_samples(title: str) -> bytes:
    return job_plots.samples(IMAGES[:64], LABELS[:64], title)


def draw_notice(title: str) -> bytes:
    return job_plots.loss(LOSSES[:0], [], [], title)


PAINTERS = [draw_loss, draw_accuracy, draw_confusion, draw_mistakes, draw_samples, draw_notice]
each_picture = pytest.mark.parametrize("draw", PAINTERS, ids=lambda draw: draw.__name__.removeprefix("draw_"))


def inside(png: bytes) -> NDArray[np.uint8]:
    """Cut out what lies within the axes of a loss or an accuracy, without title and legend."""
    return pixels(png)[136:778, 145:1445]


@each_picture
def test_a_picture_is_a_png_of_useful_size(draw: Callable[[str], bytes]) -> None:
    png = draw("A title")
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    height, width, _ = pixels(png).shape
    assert 1000 <= width <= 1600
    assert 800 <= height <= 1600
    assert len(png) < 300_000


@each_picture
def test_the_same_input_gives_the_same_bytes(draw: Callable[[str], bytes]) -> None:
    png = draw("A title")
    assert draw("A title") == png
    assert b"tEXt" not in png
    assert b"tIME" not in png


@each_picture
def test_another_title_gives_another_picture(draw: Callable[[str], bytes]) -> None:
    assert draw("A title") != draw("Another title")


def test_another_loss_gives_another_picture() -> None:
    changed = LOSSES.copy()
    changed[20] = 1.5
    means = [1.9, 1.3, 0.7]
    assert job_plots.loss(changed, [12, 24, 36], means, "") != job_plots.loss(LOSSES, [12, 24, 36], means, "")


def test_losses_moving_average_and_means_are_all_drawn() -> None:
    picture = inside(draw_loss("Run"))
    assert all(count(picture, color) > 100 for color in (PALE_BLUE, BLUE, VERMILION))


@pytest.mark.parametrize(
    ("losses", "ends", "means"),
    [
        pytest.param([2.3], [1], [2.3], id="one batch"),
        pytest.param([2.3, 2.0, 1.8], [3], [2.1], id="one epoch"),
        pytest.param([2.3] * 40, [20, 40], [2.3, 2.3], id="constant"),
        pytest.param([0.0] * 40, [20, 40], [0.0, 0.0], id="zero"),
        pytest.param([2.3] * 40 + [0.0] * 40, [40, 80], [2.3, 0.0], id="down to zero"),
        pytest.param([3e38] * 40, [20, 40], [3e38, 3e38], id="enormous"),
        pytest.param([1.0] * 30 + [np.inf] + [np.nan] * 9, [20, 40], [1.0, np.nan], id="diverged"),
        pytest.param(NOISY, range(4, 4001, 4), np.linspace(2, 1, 1000), id="1,000 epochs"),
    ],
)
def test_an_unusual_run_still_shows_its_losses_and_means(losses: Any, ends: Any, means: Any) -> None:
    picture = inside(job_plots.loss(np.array(losses, dtype=np.float32), list(ends), list(means), "Run"))
    assert count(picture, VERMILION) > 10
    assert len(losses) == 1 or count(picture, PALE_BLUE) + count(picture, BLUE) > 10


def test_a_job_without_an_epoch_says_so_in_both_plots() -> None:
    assert job_plots.accuracy([], [], [], "Run") == draw_notice("Run")
    assert (pixels(draw_notice("Run")) < 200).any()


def test_a_job_that_lost_every_loss_says_so() -> None:
    lost = np.full(40, np.nan, dtype=np.float32)
    picture = job_plots.loss(lost, [40], [float("nan")], "Run")
    assert picture != draw_notice("Run")
    assert count(inside(picture), VERMILION) == 0


def test_losses_that_are_not_finite_are_counted() -> None:
    gone = LOSSES.copy()
    gone[5:8] = np.nan
    infinite = LOSSES.copy()
    infinite[5:8] = np.inf
    whole = pixels(job_plots.loss(LOSSES, [36], [1.3], ""))
    legend = slice(80, 130)
    assert (pixels(job_plots.loss(gone, [36], [1.3], ""))[legend] != whole[legend]).any()
    assert job_plots.loss(gone, [36], [1.3], "") == job_plots.loss(infinite, [36], [1.3], "")


def test_a_lone_peak_among_a_million_losses_is_drawn() -> None:
    losses = np.ones(1_000_000, dtype=np.float32)
    losses[500_000] = 9
    rows, columns = places(inside(job_plots.loss(losses, [1_000_000], [1.0], "")), PALE_BLUE)
    peak = rows < 300
    assert peak.any()
    assert np.abs(columns[peak] - 640).max() < 10


def test_losses_over_magnitudes_fall_in_a_straight_line() -> None:
    losses = np.geomspace(2, 2e-6, 1000).astype(np.float32)
    rows, columns = places(inside(job_plots.loss(losses, [1000], [0.14], "")), BLUE)
    first, middle, last = (rows[np.abs(columns - column) < 5].mean() for column in (100, 650, 1200))
    assert middle == pytest.approx((first + last) / 2, abs=3)
    assert last - first > 400


def test_losses_of_one_magnitude_have_an_axis_from_zero() -> None:
    rows, _ = places(inside(job_plots.loss(np.ones(100, dtype=np.float32), [50, 100], [1.0, 1.0], "")), BLUE)
    assert rows.max() < 60


def test_the_callers_lists_and_arrays_stay_as_they_are() -> None:
    means = np.array([1.9, np.inf, 0.7])
    job_plots.loss(LOSSES, [12, 24, 36], means, "")  # type: ignore[arg-type]
    assert means.tolist() == [1.9, np.inf, 0.7]


def test_three_epochs_have_a_moving_average_of_their_training_accuracy() -> None:
    picture = inside(draw_accuracy(""))
    assert all(count(picture, color) > 100 for color in (PALE_BLUE, BLUE, VERMILION))


@pytest.mark.parametrize("best", [0, 1, 2])
def test_the_best_validation_epoch_is_ringed(best: int) -> None:
    validation = [0.7, 0.7, 0.7]
    validation[best] = 0.8
    _, columns = places(inside(job_plots.accuracy([100, 200, 300], [0.7, 0.75, 0.72], validation, "")), INK)
    assert columns.mean() == pytest.approx(-2 + 1305 / 1.015 * (best + 1) / 3, abs=6)


@pytest.mark.parametrize(
    "share", [pytest.param(0.0, id="nothing"), pytest.param(0.5, id="half"), pytest.param(1.0, id="everything")]
)
@pytest.mark.parametrize("epochs", [1, 3, 1000])
def test_an_accuracy_that_never_changes_is_drawn(share: float, epochs: int) -> None:
    picture = pixels(job_plots.accuracy(range(5, 5 * epochs + 1, 5), [share] * epochs, [share] * epochs, ""))
    assert count(picture[125:800], INK) > 20


def test_the_worst_error_is_the_darkest_however_many_were_read_rightly() -> None:
    counts = np.eye(10, dtype=np.int64) * 50_000
    counts[4, 9] = 3
    picture = pixels(job_plots.confusion(counts, ""))
    rows, columns = places(picture[160:], WORST)
    assert len(rows) > 5000
    assert np.ptp(rows) < 120
    assert np.ptp(columns) < 120
    assert count(picture, RIGHT) > 9 * 5000


def test_an_errors_shade_is_its_share_of_its_row() -> None:
    counts = np.eye(10, dtype=np.int64) * 1000
    counts[0] = [10, 10, *[0] * 8]
    counts[5, 6] = 10
    rows, _ = places(pixels(job_plots.confusion(counts, ""))[160:], WORST)
    assert rows.max() < 120


@pytest.mark.parametrize(
    "counts",
    [
        pytest.param(np.zeros((10, 10), np.int64), id="no images"),
        pytest.param(np.eye(10, dtype=np.int64) * 7, id="no errors"),
        pytest.param(np.eye(10, k=1, dtype=np.int64), id="nothing right"),
        pytest.param(np.full((10, 10), 123_456_789), id="enormous"),
    ],
)
def test_an_unusual_confusion_is_drawn(counts: NDArray[np.int64]) -> None:
    assert count(pixels(job_plots.confusion(counts, "")), RIGHT) > 5000


def test_another_count_gives_another_picture() -> None:
    changed = COUNTS.copy()
    changed[7, 2] = 1
    assert job_plots.confusion(changed, "") != job_plots.confusion(COUNTS, "")


def test_of_many_mistakes_the_25_surest_are_drawn_the_surest_first() -> None:
    order = np.random.default_rng(1).permutation(70)
    shuffled = job_plots.mistakes(IMAGES[order], LABELS[order], LABELS[order] + 1, SURETIES[order], "")
    assert shuffled == job_plots.mistakes(IMAGES[:25], LABELS[:25], LABELS[:25] + 1, SURETIES[:25], "")


@pytest.mark.parametrize(("n", "rows"), [(1, 1), (5, 1), (6, 2), (24, 5)])
def test_a_few_mistakes_take_the_rows_they_need(n: int, rows: int) -> None:
    picture = pixels(job_plots.mistakes(IMAGES[:n], LABELS[:n], LABELS[:n], SURETIES[:n], ""))
    assert picture.shape[0] == pytest.approx(142 + 272 * rows, abs=2)


def test_no_mistakes_at_all_are_worth_a_sentence() -> None:
    none = job_plots.mistakes(IMAGES[:0], LABELS[:0], LABELS[:0], SURETIES[:0], "Run")
    assert (pixels(none) < 200).any()
    assert none != draw_notice("Run")


def test_what_a_mistake_was_taken_for_is_written() -> None:
    once = job_plots.mistakes(IMAGES[:1], LABELS[:1], LABELS[1:2], SURETIES[:1], "")
    assert job_plots.mistakes(IMAGES[:1], LABELS[:1], LABELS[2:3], SURETIES[:1], "") != once
    assert job_plots.mistakes(IMAGES[:1], LABELS[:1], LABELS[1:2], SURETIES[-1:], "") != once


def test_samples_are_five_inches_square_with_every_pixel_as_large_as_every_other() -> None:
    chequered = (np.indices((28, 28)).sum(axis=0) % 2 * 255).astype(np.uint8)
    picture = pixels(job_plots.samples(np.repeat(chequered[None], 64, axis=0), LABELS[:64], ""))
    assert picture.shape == (1000, 1000, 3)
    assert count(picture, (0, 0, 0)) == 64 * 28 * 28 // 2 * 3 * 3


def test_more_than_64_samples_are_cut_and_fewer_are_drawn() -> None:
    assert job_plots.samples(IMAGES, LABELS, "") == job_plots.samples(IMAGES[:64], LABELS[:64], "")
    assert job_plots.samples(IMAGES[:3], LABELS[:3], "") != job_plots.samples(IMAGES[:4], LABELS[:4], "")
    assert job_plots.samples(IMAGES[:0], LABELS[:0], "Set") != draw_notice("Set")


def test_a_samples_label_is_written() -> None:
    assert job_plots.samples(IMAGES[:1], LABELS[:1], "") != job_plots.samples(IMAGES[:1], LABELS[1:2], "")


def test_drawing_leaves_nothing_global_behind_and_needs_neither_pyplot_nor_torch() -> None:
    script = """
import sys, matplotlib, numpy
from worker.plots import job as job_plots
def style():  # the backend is left out: to read it is to import pyplot
    return {name: matplotlib.rcParams[name] for name in matplotlib.rcParams if name != "backend"}
before = style()
job_plots.accuracy([1, 2], [0.5, 0.6], [0.4, 0.5], "Run")
job_plots.samples(numpy.zeros((1, 28, 28), numpy.uint8), numpy.zeros(1, int), "Set")
assert style() == before
print(*{"matplotlib.pyplot", "torch", "sqlalchemy", "fastapi"} & set(sys.modules))
"""
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
