import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as theirs
from torch import nn

from models import measures
from models.evaluation import validate
from models.metric import score, score_of


@settings(max_examples=40)
@given(
    pairs=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60),
)
def test_measures_are_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    labels, predicted = np.array(pairs).T
    confusion = np.zeros((6, 6), np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes that were predicted and have no examples
        balanced = theirs.balanced_accuracy_score(labels, predicted)
    assert measures.balanced_accuracy(confusion) == pytest.approx(balanced)
    assert measures.macro_f1(confusion) == pytest.approx(theirs.f1_score(labels, predicted, average="macro"))
    assert measures.accuracy(confusion) == pytest.approx(theirs.accuracy_score(labels, predicted))


def test_the_log_loss_is_scikit_learns() -> None:
    logits = torch.randn(1100, 4, generator=torch.Generator().manual_seed(0)) * 3
    labels = torch.arange(1100) % 3
    expected = theirs.log_loss(labels, logits.double().softmax(1), labels=range(4))
    assert validate(nn.Identity(), logits, labels, "log_loss").value == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "macro_f1"])
def test_a_validation_has_the_value_of_the_metric_that_was_asked_for(metric: str) -> None:
    logits = torch.eye(3)[[0, 1, 1, 2, 0]]
    measured = validate(nn.Identity(), logits, torch.tensor([0, 1, 2, 2, 0]), metric)  # type: ignore[arg-type]
    assert measured.value == getattr(measures, metric)(measured.confusion)


def test_more_is_better_of_every_score() -> None:
    assert score("log_loss", 0.2) > score("log_loss", 0.3)
    assert score("macro_f1", 0.3) > score("macro_f1", 0.2)
    assert score_of({"best_val_accuracy": 0.7}) == 0.7
    assert score_of({"best_val_accuracy": 0.7, "metric": "log_loss", "best_metric": 0.4}) == -0.4


@given(labels=st.lists(st.integers(0, 4), min_size=1, max_size=60))
def test_guessing_is_measured_as_networks_are(labels: list[int]) -> None:
    counts = np.bincount(labels, minlength=6)
    confusion = np.zeros((6, 6), np.int64)
    confusion[:, counts.argmax()] = counts
    guessing = measures.guessing(counts)
    for metric in ("accuracy", "balanced_accuracy", "macro_f1"):
        assert guessing[metric] == pytest.approx(getattr(measures, metric)(confusion)), metric
    shares = np.tile(counts / counts.sum(), (len(labels), 1))
    assert guessing["log_loss"] == pytest.approx(-np.log(shares[range(len(labels)), labels]).mean(), abs=1e-12)
