import numpy as np
import pytest

from models.moving_average import moving_average


def test_the_moving_average_is_the_mean_of_each_value_and_the_nine_before_it() -> None:
    squares = np.arange(12, dtype=np.float32) ** 2
    average = moving_average(squares)
    assert np.isnan(average[:9]).all()
    assert average[9:].tolist() == [28.5, 38.5, 50.5]


def test_a_moving_average_that_needs_one_value_starts_with_the_first() -> None:
    assert moving_average(np.array([0.5, 0.7, 0.9]), min_periods=1) == pytest.approx([0.5, 0.6, 0.7])


def test_nine_values_have_no_moving_average() -> None:
    assert np.isnan(moving_average(np.ones(9, dtype=np.float32))).all()


@pytest.mark.parametrize("lost", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_is_forgotten_after_ten_batches(lost: float) -> None:
    losses = np.ones(40, dtype=np.float32)
    losses[20] = lost
    assert np.flatnonzero(np.isnan(moving_average(losses))).tolist() == [*range(9), *range(20, 30)]


def test_a_moving_average_recovers_from_an_enormous_loss() -> None:
    losses = np.array([1e8, *[0.1] * 20], dtype=np.float32)
    assert moving_average(losses)[10:] == pytest.approx([0.1] * 11, rel=1e-6)
