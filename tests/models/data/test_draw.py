import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from models.data.draw import draw
from models.data.examples import TEST, TRAIN, VALIDATION

FRACTIONS = st.sampled_from([0.01, 0.1, 0.2, 0.333, 0.5, 0.9])
SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=50)
@given(counts=st.lists(st.integers(0, 40), min_size=2, max_size=8), fraction=FRACTIONS, seed=SEEDS)
def test_classes_are_shared_out_as_scikit_learn_shares_them(counts: list[int], fraction: float, seed: int) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    rows = np.arange(len(labels))
    several = rows[np.array(counts)[labels] >= 2]
    alone = rows[np.array(counts)[labels] < 2]
    assume(len(several) - np.ceil(len(several) * fraction) >= 1)
    try:
        train, validation = train_test_split(several, test_size=fraction, random_state=seed, stratify=labels[several])
    except ValueError as error:
        # It wants an example of every class in both parts; we do not.
        assert "number of classes" in str(error)  # noqa: PT017
        train = validation = None
    ours = draw(labels, None, fraction=fraction, seed=seed, stratify=True)
    if train is not None:
        np.testing.assert_array_equal(ours.train, [*train, *alone])
        np.testing.assert_array_equal(ours.validation, validation)
    np.testing.assert_array_equal(np.sort([*ours.train, *ours.validation]), rows)
    assert set(alone) <= set(ours.train)


def test_test_rows_are_the_files_and_validation_is_drawn_from_the_rest() -> None:
    labels = np.arange(100) % 4
    parts = np.where(np.arange(100) % 5 == 0, TEST, TRAIN).astype(np.uint8)
    for stratify in (False, True):
        drawn = draw(labels, parts, fraction=0.25, seed=7, stratify=stratify)
        assert drawn.test is not None
        assert drawn.test.tolist() == list(range(0, 100, 5))
        assert len(drawn.validation) == 20
        assert sorted([*drawn.train, *drawn.validation]) == [row for row in range(100) if row % 5]


def test_a_validation_part_of_the_files_own_is_taken_as_it_is() -> None:
    parts = np.array([TRAIN, VALIDATION, TEST, TRAIN, VALIDATION], np.uint8)
    for stratify in (False, True):
        drawn = draw(np.array([0, 1, 0, 1, 0]), parts, fraction=0.9, seed=1, stratify=stratify)
        assert [part.tolist() for part in drawn if part is not None] == [[0, 3], [1, 4], [2]]
    without_test = draw(np.array([0, 1]), np.array([TRAIN, VALIDATION], np.uint8), fraction=0.5, seed=1, stratify=False)
    assert without_test.test is None


def test_where_nothing_is_for_training_the_split_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^no example is for training; keep some for it in the file's own split"):
        draw(np.zeros(3, np.int64), np.full(3, TEST, np.uint8), fraction=0.5, seed=1, stratify=False)
