"""What is measured on a network: accuracy, the confusion of classes, the mistakes it was surest of.

Legend of shapes: N examples, B of them at a time, D inputs, C classes, M mistakes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models import measures
from models.data.gathered import Inputs
from models.metric import Metric
from models.spec import PIXELS

BATCH = 1000  # its images and hidden units stay in a processor's cache
MISTAKES = 25


@dataclass(frozen=True, eq=False)
class Validation:
    """What was measured of a network on the validation part.

    `confusion` int64 [C, C] counts examples by true class (row) and predicted class (column). `mistakes` int64 [M]
    are rows of the validation part, the surest mistake first, at most 25, with what was predicted and how
    probable it was held. `value` is that of the metric that was asked for, `log_loss` is there whatever that is;
    `scores` float32 [N], of two classes alone, are how probable the second one was held.
    """

    confusion: NDArray[np.int64]
    mistakes: NDArray[np.int64]
    predictions: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    value: float
    log_loss: float
    scores: NDArray[np.float32] | None = None

    @property
    def accuracy(self) -> float:
        """Give the share of examples that were predicted correctly."""
        return measures.accuracy(self.confusion)


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    was_training = network.training
    network.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        network.train(was_training)


def _rows_at_once(x_ND: Inputs) -> int:
    """Tell how many examples are asked about at once: of wide ones so many fewer that they take no more memory."""
    return max(1, min(BATCH, BATCH * PIXELS // x_ND.shape[1]))


def accuracy(network: nn.Module, x_ND: Inputs, y_N: Tensor) -> float:
    """Give the share of examples that the network predicts correctly, in evaluation mode."""
    with _evaluating(network):
        rows = _rows_at_once(x_ND)
        correct = sum(
            int((network(x_BD).argmax(dim=1) == y_B).count_nonzero())
            for x_BD, y_B in zip(x_ND.split(rows), y_N.split(rows), strict=True)
        )
    return correct / len(y_N)


def validate(network: nn.Module, x_ND: Inputs, y_N: Tensor, metric: Metric = "accuracy") -> Validation:
    """Measure the network on the validation part, in evaluation mode."""
    surprise, confidences, predictions, scores = 0.0, list[Tensor](), list[Tensor](), list[Tensor]()
    with _evaluating(network):
        rows = _rows_at_once(x_ND)
        for x_BD, y_B in zip(x_ND.split(rows), y_N.split(rows), strict=True):
            logits_BC = network(x_BD)
            probabilities_BC = logits_BC.softmax(dim=1)
            its_confidence, its_prediction = probabilities_BC.max(dim=1)
            confidences.append(its_confidence)
            predictions.append(its_prediction)
            log_probabilities_B1 = logits_BC.log_softmax(dim=1).gather(1, y_B.unsqueeze(1))
            surprise -= log_probabilities_B1.sum(dtype=torch.float64).item()
            if logits_BC.shape[1] == 2:
                scores.append(probabilities_BC[:, 1])
        confidence, predicted = torch.cat(confidences), torch.cat(predictions)
        classes = logits_BC.shape[1]
        confusion = torch.bincount(y_N * classes + predicted, minlength=classes**2).reshape(classes, classes)
        wrong = (predicted != y_N).nonzero().squeeze(1)
        # A stable sort: among equally sure mistakes the earlier row comes first, on every machine.
        surest = wrong[confidence[wrong].argsort(descending=True, stable=True)[:MISTAKES]]
    counts = confusion.cpu().numpy()
    return Validation(
        confusion=counts,
        mistakes=surest.cpu().numpy(),
        predictions=predicted[surest].cpu().numpy(),
        probabilities=confidence[surest].cpu().numpy(),
        value=surprise / len(y_N) if metric == "log_loss" else _OF_CONFUSION[metric](counts),
        log_loss=surprise / len(y_N),
        scores=torch.cat(scores).cpu().numpy() if scores else None,
    )


_OF_CONFUSION = {
    "accuracy": measures.accuracy,
    "balanced_accuracy": measures.balanced_accuracy,
    "macro_f1": measures.macro_f1,
}
