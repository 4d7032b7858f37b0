from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.worker.plots.pictures import BLUE, INK, VERMILION, count, pixels, places
from worker.plots import job as job_plots

PALE_BLUE = (166, 206, 227)

LOSSES = np.linspace(2.3, 0.4, 36, dtype=np.float32)
NOISY = np.linspace(2, 1, 4000) + 0.3 * np.tile([1, -1], 2000)


def draw_loss(title: str) -> bytes:
    return job_plots.loss(LOSSES, [12, 24, 36], [1.9, 1.3, 0.7], title)


def draw_accuracy(title: str) -> bytes:
    return job_plots.accuracy([12, 24, 36], [0.7, 0.8, 0.9], [0.65, 0.78, 0.76], title)


def draw_notice(title: str) -> bytes:
    return job_plots.loss(LOSSES[:0], [], [], title)


def inside(png: bytes) -> NDArray[np.uint8]:
    """Cut out what lies within the axes of a loss or an accuracy, without title and legend."""
    return pixels(png)[136:778, 145:1445]


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
