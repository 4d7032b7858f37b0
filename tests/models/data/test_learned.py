"""What was learned from is known again, however it is stored; what was not, is not."""

import numpy as np
import pytest

from models.data import learned
from models.data.schema import USUAL, Column, Table
from models.inference import as_sent
from tests.models.networks import random_pixels

PIXELS = random_pixels(300)


def test_what_was_learned_from_is_known_again_and_nothing_else() -> None:
    rows = np.arange(0, 300, 2)
    known = learned.learn(np.concatenate([PIXELS, PIXELS]), USUAL, np.append(rows, rows + 300))
    assert len(known) == 150
    assert (np.diff(known.astype(object)) > 0).all()
    assert learned.seen(known, learned.of(PIXELS, USUAL)).tolist() == [True, False] * 150
    assert not learned.seen(learned.union(), learned.of(PIXELS, USUAL)).any()
    assert len(learned.of(PIXELS[:0], USUAL)) == 0


@pytest.mark.parametrize("levels", [256, 17, 2])
def test_pictures_are_equal_however_they_are_stored(levels: int) -> None:
    steps = levels - 1
    whole = (PIXELS.astype(np.int64) % levels).astype(np.uint8)
    stepped = USUAL.model_copy(update={"scale": (0.0, float(steps)), "steps": steps})
    known = learned.learn(whole, stepped, np.arange(300))
    for scale in ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0)):
        schema = USUAL.model_copy(update={"scale": scale, "steps": steps})
        exact = USUAL.model_copy(update={"scale": scale, "steps": None})
        assert np.array_equal(learned.learn(whole, schema, np.arange(300)), known)
        assert learned.seen(known, learned.of(as_sent(whole, schema).astype(np.float32), exact)).all()


def test_rows_are_equal_where_nothing_and_zero_are_written_otherwise() -> None:
    schema = Table(columns=(Column(name="a", type="number"), Column(name="b", type="number")), classes=("x", "y"))
    other_nan = np.array([0x7FF8000000000001, 0xFFF8000000000000], np.uint64).view(np.float64)
    known = learned.learn(np.array([[0.0, np.nan], [1.0, 2.0]]), schema, np.array([0, 1]))
    asked = np.array([[-0.0, other_nan[0]], [0.0, other_nan[1]], [1.0, 2.0], [2.0, 1.0], [1.0, np.nan]])
    assert learned.seen(known, learned.of(asked, schema)).tolist() == [True, True, True, False, False]


def test_rows_are_equal_whatever_the_order_of_columns_and_levels() -> None:
    size, colours = Column(name="size", type="number"), ("blue", "red", "white")
    colour = Column(name="colour", type="category", levels=colours)
    turned = Column(name="colour", type="category", levels=colours[::-1])
    first, second = (Table(columns=its, classes=("x", "y")) for its in ((size, colour), (turned, size)))
    rows = np.array([[1.5, 0], [2.5, 1], [3.5, 2], [4.5, np.nan]])
    known = learned.learn(rows, first, np.arange(4))
    same = np.array([[2, 1.5], [1, 2.5], [0, 3.5], [np.nan, 4.5]])
    assert learned.seen(known, learned.of(same, second)).all()
    other = np.array([[0, 1.5], [2, 2.5], [-1, 3.5], [-1, 4.5], [0, 4.5]])
    assert not learned.seen(known, learned.of(other, second)).any()


def test_numbers_are_equal_that_were_written_down_in_float32() -> None:
    schema = Table(columns=(Column(name="a", type="number"),), classes=("x", "y"))
    written = np.array([[0.1], [1 / 3], [1e300], [float(2**24 + 1)], [2.0**40]])
    with np.errstate(over="ignore"):
        stored = written.astype(np.float32).astype(np.float64)
    known = learned.learn(stored, schema, np.arange(5))
    assert learned.seen(known, learned.of(written, schema)).tolist() == [True, True, False, False, True]


def test_a_file_gives_what_was_packed_and_no_other_file_is_taken_for_one() -> None:
    known = learned.learn(PIXELS, USUAL, np.arange(300))
    assert np.array_equal(learned.unpack(learned.pack(known)), known)
    for other in (b"", b"rubbish", learned.pack(known[::-1]), learned.pack(known)[:-9]):
        with pytest.raises(ValueError, match="learned"):
            learned.unpack(other)
