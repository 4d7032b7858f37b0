"""What the training loop yields: the epochs of each network, and how it ended."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.checkpoints import Checkpoint
from models.evaluation import Validation


class DivergenceError(ArithmeticError):
    """The loss is no number any more; the message says since when and what to change."""


@dataclass(frozen=True, eq=False)
class Epoch:
    """What one pass over the training part brought to one network.

    `network` is the place of its spec among those that are trained together. `epoch` counts from 1, `iterations` counts
    batches since the run began, `losses` float32 holds the loss of every batch of this epoch and `loss` their mean.
    The accuracies are those on the whole training and validation part after the epoch; that on the training part is
    measured in the precision of the spec, that on the validation part always in float32. `seconds` have passed since
    the record before, for all networks at once: their sum is what the run took, though an epoch may be evaluated while
    the next one is trained. An epoch that was asked to stop on its way is not `complete`. `checkpoint` may hold the
    live tensors of the run: use it before the next record is asked for.
    """

    network: int
    epoch: int
    iterations: int
    losses: NDArray[np.float32]
    loss: float
    train_accuracy: float
    validation: Validation
    seconds: float
    complete: bool
    checkpoint: Checkpoint

    @property
    def val_accuracy(self) -> float:
        """Give the share of the validation part that is predicted correctly."""
        return self.validation.accuracy

    @property
    def is_best(self) -> bool:
        """Whether no earlier epoch was as good, by the spec's metric."""
        return self.checkpoint.best_epoch == self.epoch


@dataclass(frozen=True)
class Ended:
    """The network has no epoch to come: all were done, its patience is at its end, or it was asked to stop."""

    network: int


@dataclass(frozen=True)
class Failed:
    """The network cannot be trained on: it diverged, or its spec asks for too much of this data set."""

    network: int
    error: Exception


TrainingRecord = Epoch | Ended | Failed
