"""An array in several pieces is read as the same numbers in one array are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.data.segments import Segments

WHOLE = np.arange(7 * 2 * 3, dtype=np.float64).reshape(7, 2, 3)
PARTED = Segments([WHOLE[:3], WHOLE[3:4], WHOLE[4:]])


@given(st.slices(7), st.lists(st.integers(-7, 6), max_size=9))
def test_rows_are_those_of_the_whole(rows: slice, places: list[int]) -> None:
    assert np.array_equal(PARTED[rows], WHOLE[rows])
    assert np.array_equal(PARTED[places], WHOLE[np.array(places, np.intp)])
    assert np.array_equal(PARTED[np.array(places, np.int32)], WHOLE[np.array(places, np.intp)])
    chosen = np.isin(np.arange(7), places)
    assert np.array_equal(PARTED[chosen], WHOLE[chosen])
    assert np.array_equal(PARTED[:, 1], WHOLE[:, 1])
    assert np.array_equal(PARTED[rows, 1, 2], WHOLE[rows, 1, 2])
    for place in places:
        assert np.array_equal(PARTED[place], WHOLE[place])
        assert PARTED[place, 1, 0] == WHOLE[place, 1, 0]


def test_it_tells_what_an_array_tells() -> None:
    assert (PARTED.shape, PARTED.ndim, PARTED.dtype, len(PARTED)) == (WHOLE.shape, 3, WHOLE.dtype, 7)
    assert (PARTED.size, PARTED.nbytes, PARTED.itemsize) == (WHOLE.size, WHOLE.nbytes, 8)
    assert np.array_equal(np.asarray(PARTED), WHOLE)
    assert np.asarray(PARTED, np.float32).dtype == np.float32
    assert np.array_equal(list(PARTED), WHOLE)
    assert np.shares_memory(PARTED[4:6], WHOLE), "a slice of one piece is no copy"


def test_what_is_not_there_is_not_given() -> None:
    for places in (7, -8, [0, 7], np.array([0, -8])):
        with pytest.raises(IndexError):
            PARTED[places]
    with pytest.raises(IndexError):
        PARTED[np.ones(6, bool)]
    with pytest.raises(ValueError, match="one form"):
        Segments([WHOLE, WHOLE[:, :1]])
    with pytest.raises(ValueError, match="without a copy"):
        np.array(PARTED, copy=False)
