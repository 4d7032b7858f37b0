"""What is left of a long history draws the same line."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.downsampling import downsample

finite = st.floats(allow_nan=False, allow_infinity=False, width=32)


histories = st.lists(finite, min_size=1, max_size=400).map(lambda values: np.array(values, dtype=np.float32))


limits = st.integers(min_value=4, max_value=120)


@given(histories, limits)
def test_what_is_kept_is_sorted_unique_and_no_more_than_asked_for(values: np.ndarray, max_points: int) -> None:
    kept = downsample(values, max_points)
    assert len(kept) <= max_points
    assert (np.diff(kept) > 0).all()


@given(histories, limits)
def test_the_first_the_last_the_smallest_and_the_largest_value_are_kept(values: np.ndarray, max_points: int) -> None:
    kept = downsample(values, max_points)
    assert (kept[0], kept[-1]) == (0, len(values) - 1)
    assert (values[kept].min(), values[kept].max()) == (values.min(), values.max())


@given(histories, limits)
def test_every_bucket_keeps_its_own_four(values: np.ndarray, max_points: int) -> None:
    kept = downsample(values, max_points)
    width = 1 if len(values) <= max_points else -(-len(values) // (max_points // 4))
    for start in range(0, len(values), width):
        bucket = values[start : start + width]
        inside = values[kept[(kept >= start) & (kept < start + width)]]
        assert (inside[0], inside[-1]) == (bucket[0], bucket[-1])
        assert (inside.min(), inside.max()) == (bucket.min(), bucket.max())


@given(histories)
def test_a_short_history_is_kept_whole(values: np.ndarray) -> None:
    assert downsample(values, max(4, len(values))).tolist() == list(range(len(values)))


def test_a_lone_peak_among_a_million_losses_is_kept() -> None:
    losses = np.ones(1_000_000, dtype=np.float32)
    losses[654_321] = 2
    losses[123_456] = 0
    kept = downsample(losses, 100)
    assert len(kept) <= 100
    assert {123_456, 654_321} <= set(kept.tolist())


def test_a_history_with_nan_shows_it() -> None:
    losses = np.ones(1000, dtype=np.float32)
    losses[500] = np.nan
    assert 500 in downsample(losses, 8)


def test_an_empty_history_keeps_nothing() -> None:
    assert downsample(np.array([], dtype=np.float32), 4).size == 0


@pytest.mark.parametrize("max_points", [3, 0, -1])
def test_fewer_points_than_a_bucket_has_are_refused(max_points: int) -> None:
    with pytest.raises(ValueError, match="max_points"):
        downsample(np.ones(10), max_points)
