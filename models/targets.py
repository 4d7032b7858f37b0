"""What the cross-entropy takes of each batch: the classes of its examples, weighted, for some batches at a time.

Legend of shapes: N training examples, n of them in some batches, C classes, B examples in a batch.
"""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.spec import TrainingSpec
from models.suitability import no_such_class

_AT_ONCE = 2**20
"""Numbers that are made at once: MNIST's 48,000 x 10 in one go, of 1,000 classes a thousand examples."""


class Targets:
    """The targets of a network's batches, as `layers.CrossEntropy` takes them.

    `weights_N` are those of the examples, 1 on average; None gives all of them the same.
    """

    def __init__(self, labels_N: Tensor, classes: int, batch_size: int, weights_N: Tensor | None) -> None:
        self._labels_N, self._classes, self._batch_size, self._weights_N = labels_N, classes, batch_size, weights_N
        self._batches = max(1, _AT_ONCE // (classes * batch_size))

    def begin(self, order_N: Tensor) -> None:
        """Begin an epoch that visits the examples in this order."""
        self._order_N = order_N
        self._start, self._made = 0, tuple[Tensor, ...]()

    def of(self, batch: int) -> Tensor:
        """Give the targets of a batch, [C, B]; batches are asked for one after the other."""
        place = batch - self._start
        if not 0 <= place < len(self._made):
            self._make(batch)
            place = 0
        return self._made[place]

    def _make(self, batch: int) -> None:
        """Make the targets from this batch on: minus the weight of its class for each example, divided by B."""
        examples = len(self._order_N)
        first, end = batch * self._batch_size, min((batch + self._batches) * self._batch_size, examples)
        rows_n = self._order_N[first:end]
        like_n = torch.ones(len(rows_n), dtype=torch.float32, device=rows_n.device)
        each_n = (like_n if self._weights_N is None else self._weights_N[rows_n]).neg()
        # Only the last batch of all may be smaller.
        whole = len(rows_n) - len(rows_n) % self._batch_size
        self._start = batch
        self._made = (
            *self._of_size(self._batch_size, rows_n[:whole], each_n[:whole]),
            *self._of_size(len(rows_n) - whole, rows_n[whole:], each_n[whole:]),
        )

    def _of_size(self, size: int, rows_n: Tensor, each_n: Tensor) -> tuple[Tensor, ...]:
        """Give the targets of batches of this size, [C, size] each."""
        if not len(rows_n):
            return ()
        # Minus zero: what a product with it gives is zero all the same.
        targets = each_n.new_full((len(rows_n) // size, self._classes, size), -0.0)
        return targets.scatter_(
            1, self._labels_N[rows_n].view(-1, 1, size), each_n.div_(size).view(-1, 1, size)
        ).unbind()


def class_weights(
    asked: str | Mapping[str, float], names: tuple[str, ...], counts_C: NDArray[np.int64]
) -> NDArray[np.float64] | None:
    """Give the weight of each class, so that the training examples have 1 on average; None where all have the same.

    `counts_C` are the training examples of each class. `balanced` weights are n / (C n_c), with the C classes that
    there are examples of. Raises ValueError for a name that is no class.
    """
    if asked == "none":
        return None
    there = counts_C > 0
    if isinstance(asked, str):
        weights_C = np.where(there, counts_C.sum() / (there.sum() * np.maximum(counts_C, 1)), 0.0)
    else:
        if unknown := sorted(asked.keys() - set(names)):
            raise ValueError(no_such_class(unknown[0], names))
        weights_C = np.array([asked.get(name, 1.0) for name in names], np.float64)
    return np.asarray(weights_C * (counts_C.sum() / (weights_C * counts_C).sum()), np.float64)


def weights_of(spec: TrainingSpec, names: tuple[str, ...], labels_N: Tensor) -> Tensor | None:
    """Give the weight of each training example, float32 [N]; None where all have the same. Raises ValueError."""
    counts_C = np.bincount(labels_N.cpu().numpy(), minlength=len(names))
    weights_C = class_weights(spec.class_weights, names, counts_C)
    if weights_C is None:
        return None
    return torch.from_numpy(weights_C).to(labels_N.device, torch.float32)[labels_N]
