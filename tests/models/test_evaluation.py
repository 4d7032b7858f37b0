from collections.abc import Callable
from concurrent.futures import CancelledError

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.evaluation import BATCH, MISTAKES, accuracies, accuracy, validate, validations
from models.forward import Forward
from models.networks import MLP, NMLP

Data = tuple[Tensor, Tensor]


def random_data(count: int, *, seed: int = 0) -> Data:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 784, generator=generator), torch.randint(10, (count,), generator=generator)


def echo() -> nn.Module:
    """A network whose logits are its inputs [N, 10], so that a test says what it predicts and how surely."""
    return nn.Identity()


@pytest.mark.parametrize("network", [MLP(20), NMLP(20, 8, dropout=0.5)], ids=["mlp", "nmlp"])
@pytest.mark.parametrize("count", [1, 7, 300, BATCH + 5])
def test_the_measures_are_those_of_a_plain_count(network: nn.Module, count: int) -> None:
    x_ND, y_N = random_data(count)
    with torch.no_grad():
        logits = network.eval()(x_ND).double().numpy()
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = exponents / exponents.sum(axis=1, keepdims=True)
    confusion = np.zeros((10, 10), np.int64)
    wrong = []
    for row, (label, probability) in enumerate(zip(y_N.tolist(), probabilities, strict=True)):
        predicted = int(probability.argmax())
        confusion[label, predicted] += 1
        if predicted != label:
            wrong.append((-probability[predicted], row, predicted))

    measured = validate(network, x_ND, y_N)
    assert np.array_equal(measured.confusion, confusion)
    right = np.trace(confusion) / count
    assert measured.accuracy == pytest.approx(right)
    assert accuracy(network, x_ND, y_N) == pytest.approx(right)
    surest = sorted(wrong)[:MISTAKES]
    np.testing.assert_allclose(measured.probabilities, [-negative for negative, _, _ in surest], rtol=1e-5)
    assert set(measured.mistakes.tolist()) <= {row for _, row, _ in wrong}
    assert measured.predictions.tolist() == [int(probabilities[row].argmax()) for row in measured.mistakes]


def test_rows_of_the_confusion_are_true_classes_and_columns_predicted_ones() -> None:
    measured = validate(echo(), torch.eye(10)[[3, 3, 8]], torch.tensor([5, 5, 8]))
    assert measured.confusion[5, 3] == 2
    assert measured.confusion[8, 8] == 1
    assert measured.confusion.sum() == 3


def test_mistakes_come_surest_first() -> None:
    sureness = torch.tensor([1.0, 4.0, 2.0, 9.0, 3.0])
    measured = validate(echo(), torch.eye(10)[[6] * 5] * sureness[:, None], torch.tensor([0, 0, 6, 0, 0]))
    assert measured.mistakes.tolist() == [3, 1, 4, 0]
    assert measured.predictions.tolist() == [6] * 4
    assert measured.probabilities.tolist() == sorted(measured.probabilities.tolist(), reverse=True)


def test_among_equally_sure_mistakes_the_earlier_comes_first_and_25_are_kept() -> None:
    measured = validate(echo(), torch.eye(10)[[6] * 100], torch.zeros(100, dtype=torch.int64))
    assert measured.mistakes.tolist() == list(range(25))
    assert len(measured.predictions) == len(measured.probabilities) == 25


def test_a_perfect_network_has_no_mistakes() -> None:
    measured = validate(echo(), torch.eye(10), torch.arange(10))
    assert measured.accuracy == 1.0
    assert np.array_equal(measured.confusion, np.eye(10))
    assert len(measured.mistakes) == len(measured.predictions) == len(measured.probabilities) == 0


@pytest.mark.parametrize("measure", [accuracy, validate])
@pytest.mark.parametrize("training", [True, False])
def test_a_network_is_left_in_the_mode_it_was_in(measure: Callable[..., object], training: bool) -> None:
    network = NMLP(20, dropout=0.5).train(training)
    measure(network, *random_data(10))
    assert all(layer.training is training for layer in network.modules())


def test_a_network_is_left_in_its_mode_by_an_error_as_well() -> None:
    network = MLP(20).train()
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        accuracy(network, torch.zeros(3, 5), torch.zeros(3, dtype=torch.int64))
    assert network.training


def test_nothing_is_dropped_while_a_network_in_training_is_measured() -> None:
    network = NMLP(20, 8, dropout=0.9).train()
    x_ND, y_N = random_data(200)
    one, again = validate(network, x_ND, y_N), validate(network, x_ND, y_N)
    assert np.array_equal(one.confusion, again.confusion)
    assert np.array_equal(one.probabilities, again.probabilities)


def test_what_nobody_waits_for_any_more_is_left() -> None:
    networks, (x_ND, y_N) = [Forward(MLP(20))], random_data(10)
    with pytest.raises(CancelledError):
        accuracies(networks, x_ND, y_N, is_left=lambda: True)
    with pytest.raises(CancelledError):
        validations(networks, x_ND, y_N, ["accuracy"], is_left=lambda: True)


def test_measuring_leaves_no_gradient() -> None:
    network = MLP(20)
    validate(network, *random_data(10))
    accuracy(network, *random_data(10))
    assert all(parameter.grad is None for parameter in network.parameters())
