"""What is measured on a network: accuracy, the confusion of classes, the mistakes it was surest of.

Legend of shapes: N examples, B of them at a time, D inputs, C classes, M mistakes.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models import measures
from models.data.gathered import Inputs, Pixels
from models.forward import Forward
from models.metric import Metric
from models.pixel_linear import signed
from models.spec import PIXELS

BATCH = 4000  # the fastest of 250 to 12,000: a product has a start, which larger ones spread over more rows
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


Function = Callable[[Tensor], Tensor]
"""Gives logits [B, C] of some examples as they come."""


def _functions(networks: Sequence[Forward], x_ND: Inputs) -> tuple[list[Function], bool]:
    """Give the networks as functions, and whether these are of pictures' bytes."""
    if isinstance(x_ND, Pixels) and all(network.takes_bytes(x_ND) for network in networks):
        return [network.on_bytes(x_ND) for network in networks], True
    return list(networks), False


def _chunks(
    x_ND: Inputs, y_N: Tensor, dtype: torch.dtype, is_left: Callable[[], bool], *, of_bytes: bool
) -> Iterator[tuple[Tensor, Tensor]]:
    """Give all examples with their labels, of wide ones so many fewer at a time that they take no more memory.

    Memory in which they are made is used again for the next ones.
    """
    rows = max(1, min(BATCH, BATCH * PIXELS // x_ND.shape[1]))
    for x_BD, y_B in zip(_split(x_ND, rows, dtype, of_bytes=of_bytes), y_N.split(rows), strict=True):
        if is_left():
            raise CancelledError("nobody waits for it any more")
        yield x_BD, y_B


def _split(x_ND: Inputs, rows: int, dtype: torch.dtype, *, of_bytes: bool) -> Iterator[Tensor]:
    if not isinstance(x_ND, Pixels):
        return (x_BD.to(dtype) for x_BD in x_ND.split(rows))
    made_BD = torch.empty(rows, x_ND.shape[1], dtype=torch.uint8 if of_bytes else dtype)
    if of_bytes:
        return (signed(values_BD, made_BD) for values_BD in x_ND.values.split(rows))
    return (x_ND.put(places_B, made_BD[: len(places_B)]) for places_B in torch.arange(len(x_ND.values)).split(rows))


def accuracy(network: nn.Module, x_ND: Inputs, y_N: Tensor) -> float:
    """Give the share of examples that the network predicts correctly, in evaluation mode."""
    return accuracies([Forward(network)], x_ND, y_N)[0]


def validate(network: nn.Module, x_ND: Inputs, y_N: Tensor, metric: Metric = "accuracy") -> Validation:
    """Measure the network on the validation part, in evaluation mode."""
    return validations([Forward(network)], x_ND, y_N, [metric])[0]


@torch.inference_mode()
def accuracies(
    networks: Sequence[Forward],
    x_ND: Inputs,
    y_N: Tensor,
    dtype: torch.dtype = torch.float32,
    *,
    is_left: Callable[[], bool] = bool,
) -> list[float]:
    """Give `accuracy` of each network; the examples are looked at once, and each has the bits that it has alone.

    They are rounded to `dtype` for networks that take them in so. Raises CancelledError soon after `is_left` says that
    nobody waits for it any more.
    """
    correct = [0] * len(networks)
    functions, of_bytes = _functions(networks, x_ND)
    for x_BD, y_B in _chunks(x_ND, y_N, dtype, is_left, of_bytes=of_bytes):
        for number, network in enumerate(functions):
            correct[number] += int((network(x_BD).argmax(dim=1) == y_B).count_nonzero())
    return [count / len(y_N) for count in correct]


@torch.inference_mode()
def validations(
    networks: Sequence[Forward],
    x_ND: Inputs,
    y_N: Tensor,
    metrics: Sequence[Metric],
    *,
    is_left: Callable[[], bool] = bool,
) -> list[Validation]:
    """Give `validate` of each network by its metric, looking at the examples once; left as `accuracies` is."""
    tallies = [_Tally() for _ in networks]
    functions, of_bytes = _functions(networks, x_ND)
    for x_BD, y_B in _chunks(x_ND, y_N, torch.float32, is_left, of_bytes=of_bytes):
        for network, tally in zip(functions, tallies, strict=True):
            tally.add(network(x_BD), y_B)
    return [tally.validation(y_N, metric) for tally, metric in zip(tallies, metrics, strict=True)]


class _Tally:
    """What is counted of a network while it passes through the validation part."""

    def __init__(self) -> None:
        self._surprise, self._classes = 0.0, 0
        self._confidences: list[Tensor] = []
        self._predictions: list[Tensor] = []
        self._scores: list[Tensor] = []

    def add(self, logits_BC: Tensor, y_B: Tensor) -> None:
        """Take in the next examples."""
        self._classes = logits_BC.shape[1]
        probabilities_BC = logits_BC.softmax(dim=1)
        confidence_B, prediction_B = probabilities_BC.max(dim=1)
        self._confidences.append(confidence_B)
        self._predictions.append(prediction_B)
        log_probabilities_B1 = logits_BC.log_softmax(dim=1).gather(1, y_B.unsqueeze(1))
        self._surprise -= log_probabilities_B1.sum(dtype=torch.float64).item()
        if self._classes == 2:
            self._scores.append(probabilities_BC[:, 1])

    def validation(self, y_N: Tensor, metric: Metric) -> Validation:
        """Give what was measured, of all examples with these labels."""
        confidence_N, predicted_N = torch.cat(self._confidences), torch.cat(self._predictions)
        cells_N = y_N * self._classes + predicted_N
        confusion = torch.bincount(cells_N, minlength=self._classes**2).reshape(self._classes, self._classes)
        wrong = (predicted_N != y_N).nonzero().squeeze(1)
        # A stable sort: among equally sure mistakes the earlier row comes first, on every machine.
        surest_M = wrong[confidence_N[wrong].argsort(descending=True, stable=True)[:MISTAKES]]
        counts, log_loss = confusion.cpu().numpy(), self._surprise / len(y_N)
        return Validation(
            confusion=counts,
            mistakes=surest_M.cpu().numpy(),
            predictions=predicted_N[surest_M].cpu().numpy(),
            probabilities=confidence_N[surest_M].cpu().numpy(),
            value=log_loss if metric == "log_loss" else _OF_CONFUSION[metric](counts),
            log_loss=log_loss,
            scores=torch.cat(self._scores).cpu().numpy() if self._scores else None,
        )


_OF_CONFUSION = {
    "accuracy": measures.accuracy,
    "balanced_accuracy": measures.balanced_accuracy,
    "macro_f1": measures.macro_f1,
}
