import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from models.evaluated.curve import POINTS, Curve


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=1, max_size=60))
@settings(max_examples=50)
def test_the_areas_are_those_of_scikit_learn_and_every_point_is_one_of_its(pairs: list[tuple[int, bool]]) -> None:
    scores = np.array([score for score, _ in pairs], np.float32) / 20
    labels = np.array([int(label) for _, label in pairs])
    curve = Curve.of(scores, labels)
    assert (curve.positives, curve.negatives) == (labels.sum(), len(labels) - labels.sum())
    if 0 < labels.sum() < len(labels):
        assert curve.roc_auc == pytest.approx(roc_auc_score(labels, scores))
        assert curve.average_precision == pytest.approx(average_precision_score(labels, scores))
        false, true, _ = roc_curve(labels, scores, drop_intermediate=False)
        assert np.allclose(curve.true_positive_rate, true[1:])
        assert np.allclose(curve.false_positive_rate, false[1:])
    else:
        assert curve.roc_auc is curve.average_precision is None
    for place, threshold in enumerate(curve.thresholds):
        taken = scores >= np.float32(threshold)
        assert curve.true_positives[place] == (taken & (labels == 1)).sum()
        assert curve.false_positives[place] == (taken & (labels == 0)).sum()


def test_of_many_thresholds_few_are_kept_both_ends_and_the_usual_choice_among_them() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 100_000)
    scores = (1 / (1 + np.exp(-random.normal(2 * labels - 1, 1)))).astype(np.float32)
    curve = Curve.of(scores, labels)
    assert len(curve.thresholds) <= POINTS
    assert len(json.dumps(curve.as_dict())) < 12_000
    assert curve.usual is not None
    assert curve.true_positives[curve.usual] == ((scores > 0.5) & (labels == 1)).sum()
    assert (curve.true_positives[-1], curve.false_positives[-1]) == (curve.positives, curve.negatives)
    along, rising = (np.append(0, rate) for rate in (curve.false_positive_rate, curve.true_positive_rate))
    assert np.trapezoid(rising, along) == pytest.approx(curve.roc_auc, abs=1e-3)
    again = Curve.parse(json.loads(json.dumps(curve.as_dict())))
    assert again.as_dict() == curve.as_dict()


def test_where_nothing_is_above_a_half_there_is_no_usual_choice() -> None:
    assert Curve.of(np.array([0.4, 0.5]), np.array([0, 1])).usual is None
