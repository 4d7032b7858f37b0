import json
import warnings

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, precision_recall_fscore_support

from models.evaluated.counts import MOST_WHOLE, Counts


@pytest.mark.parametrize("classes", [2, 3, 26, 150])
def test_the_figures_are_those_of_scikit_learn(classes: int) -> None:
    random = np.random.default_rng(classes)
    true, read = random.integers(0, classes, (2, 500))
    read[:300] = true[:300]
    counts = Counts.of(np.bincount(true * classes + read, minlength=classes**2).reshape(classes, classes))
    precision, recall, f1, _ = precision_recall_fscore_support(true, read, labels=range(classes), zero_division=np.nan)
    for ours, theirs in ((counts.precision, precision), (counts.recall, recall)):
        np.testing.assert_allclose(ours, theirs)
    np.testing.assert_allclose(np.nan_to_num(counts.f1), np.nan_to_num(f1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it tells of classes that are only read
        assert counts.balanced_accuracy == pytest.approx(balanced_accuracy_score(true, read))
    assert counts.macro_f1 == pytest.approx(f1_score(true, read, average="macro"))
    assert counts.accuracy == pytest.approx((true == read).mean())
    assert (counts.examples, counts.mistakes) == (500, int((true != read).sum()))


def test_a_class_without_examples_has_no_recall_and_one_never_read_no_precision() -> None:
    counts = Counts.of(np.array([[5, 1, 0], [0, 0, 0], [2, 0, 0]]))
    assert np.isnan(counts.recall).tolist() == [False, True, False]
    assert np.isnan(counts.precision).tolist() == [False, False, True]
    assert counts.balanced_accuracy == pytest.approx((5 / 6 + 0) / 2)
    assert Counts.of(np.zeros((2, 2), np.int64)).accuracy is None


@pytest.mark.parametrize("classes", [2, MOST_WHOLE, MOST_WHOLE + 1])
def test_what_was_written_is_read_again(classes: int) -> None:
    confusion = np.random.default_rng(0).integers(0, 3, (classes, classes))
    document = json.loads(json.dumps(Counts.of(confusion).as_dict()))
    assert ("confusion" in document) == (classes <= MOST_WHOLE)
    again = Counts.parse(document).matrix()
    assert again is not None
    assert (again == confusion).all()


def test_of_a_thousand_classes_the_most_confused_pairs_are_kept_and_the_others_counted() -> None:
    confusion = np.random.default_rng(0).integers(0, 9, (1000, 1000))
    counts = Counts.parse(json.loads(json.dumps(Counts.of(confusion, most=2000).as_dict())))
    assert counts.matrix() is None
    assert len(counts.pairs) == 2000
    assert counts.pairs[:, 2].min() == 8
    assert counts.pairs_left_out == int((confusion * (1 - np.eye(1000, dtype=int)) > 0).sum()) - 2000
    assert counts.pairs[:, 2].sum() + counts.examples_left_out == counts.mistakes
    assert counts.accuracy == pytest.approx(np.trace(confusion) / confusion.sum())
    assert len(json.dumps(counts.as_dict())) < 100_000
