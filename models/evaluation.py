"""What is measured on a network: accuracy, the confusion of classes, the mistakes it was surest of."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.spec import CLASSES

BATCH = 1000  # its images and hidden units stay in a processor's cache
MISTAKES = 25


@dataclass(frozen=True, eq=False)
class Validation:
    """What was measured of a network on the validation part.

    `confusion` int64 [10, 10] counts examples by true class (row) and predicted class (column). `mistakes` int64 [M]
    are rows of the validation part, the surest mistake first, at most 25, with what was predicted and how
    probable it was held.
    """

    confusion: NDArray[np.int64]
    mistakes: NDArray[np.int64]
    predictions: NDArray[np.int64]
    probabilities: NDArray[np.float32]

    @property
    def accuracy(self) -> float:
        """Give the share of examples that were predicted correctly."""
        return float(np.trace(self.confusion) / self.confusion.sum())


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    was_training = network.training
    network.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        network.train(was_training)


def accuracy(network: nn.Module, x_ND: Tensor, y_N: Tensor) -> float:
    """Give the share of examples that the network predicts correctly, in evaluation mode."""
    with _evaluating(network):
        correct = sum(
            int((network(x_BD).argmax(dim=1) == y_B).count_nonzero())
            for x_BD, y_B in zip(x_ND.split(BATCH), y_N.split(BATCH), strict=True)
        )
    return correct / len(y_N)


def validate(network: nn.Module, x_ND: Tensor, y_N: Tensor) -> Validation:
    """Measure the network on the validation part, in evaluation mode."""
    with _evaluating(network):
        probabilities = torch.cat([network(x_BD).softmax(dim=1) for x_BD in x_ND.split(BATCH)])
        confidence, predicted = probabilities.max(dim=1)
        confusion = torch.bincount(y_N * CLASSES + predicted, minlength=CLASSES**2).reshape(CLASSES, CLASSES)
        wrong = (predicted != y_N).nonzero().squeeze(1)
        # A stable sort: among equally sure mistakes the earlier row comes first, on every machine.
        surest = wrong[confidence[wrong].argsort(descending=True, stable=True)[:MISTAKES]]
    return Validation(
        confusion=confusion.cpu().numpy(),
        mistakes=surest.cpu().numpy(),
        predictions=predicted[surest].cpu().numpy(),
        probabilities=confidence[surest].cpu().numpy(),
    )
