import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.plots import accuracy_scale


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
