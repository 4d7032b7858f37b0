"""The training loop: a generator that yields one record an epoch and touches no disk, no database and no log.

Everything random is derived from (seed, epoch), so that a run which goes on after an epoch needs no random state:
it ends with the same bits as one that never stopped.

Legend of shapes: N training examples, B examples in a batch, D = 784 pixels.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import SGD, Adam, AdamW, Optimizer

from models.checkpoints import Checkpoint
from models.data import Split
from models.evaluation import Validation, accuracy, validate
from models.networks import build
from models.spec import TrainingSpec

MAX_ITERATIONS = 1_000_000
"""Batches in one job: the loss of every one of them is recorded and served."""


class DivergenceError(ArithmeticError):
    """The loss is no number any more; the message says since when and what to change."""


@dataclass(frozen=True, eq=False)
class Epoch:
    """What one pass over the training part brought.

    `epoch` counts from 1, `iterations` counts batches since the run began, `losses` float32 holds the loss of every
    batch of this epoch and `loss` their mean. The accuracies are those on the whole training and validation part
    after the epoch. An epoch that was asked to stop on its way is not `complete`. `checkpoint` holds the live
    tensors of the run: use it before the next epoch is asked for.
    """

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
        """Share of the validation part that is predicted correctly."""
        return self.validation.accuracy

    @property
    def is_best(self) -> bool:
        """Whether no earlier epoch had a validation accuracy as good."""
        return self.checkpoint.best_epoch == self.epoch


def _never() -> bool:
    return False


def train(
    spec: TrainingSpec,
    split: Split,
    *,
    resume: Checkpoint | None = None,
    should_stop: Callable[[], bool] = _never,
) -> Iterator[Epoch]:
    """Train the network of `spec` on `split`, from the start or from a checkpoint.

    `should_stop` is asked before every batch; once it says yes, the epoch ends there, is evaluated, yielded as
    incomplete (unless no batch of it was done), and is the last. Raises DivergenceError, and ValueError for a spec that
    asks for too many batches of this data set.
    """
    batches = -(-len(split.y_train) // spec.batch_size)
    if batches * spec.epochs > MAX_ITERATIONS:
        raise ValueError(
            f"{spec.epochs} epochs of {batches:,} batches are more than the {MAX_ITERATIONS:,} batches allowed; "
            f"raise batch_size or lower epochs"
        )
    # Adam's moments decay into denormal numbers, which cost a third of the speed in later epochs.
    torch.set_flush_denormal(True)
    network = build(spec, seed=derive_seed(spec.seed, 0, "weights"))
    optimizer = _optimizer(spec, network)
    first, best_epoch, best_val_accuracy = 1, 0, -1.0
    if resume is not None:
        network.load_state_dict(resume.weights)
        _load_optimizer(optimizer, resume.optimizer)
        first, best_epoch, best_val_accuracy = resume.epoch + 1, resume.best_epoch, resume.best_val_accuracy

    for epoch in range(first, spec.epochs + 1):
        if _out_of_patience(spec, epoch - 1, best_epoch):
            return
        started = time.perf_counter()
        losses = _pass(network, optimizer, spec, split, epoch, should_stop)
        if not len(losses):
            return
        _assert_finite(losses, epoch)
        train_accuracy = accuracy(network, split.x_train, split.y_train)
        validation = validate(network, split.x_val, split.y_val)
        # The last step of an epoch can ruin the network behind a finite loss.
        if np.isnan(validation.probabilities).any():
            raise _diverged(epoch, len(losses), "the network's outputs are not numbers any more")
        if validation.accuracy > best_val_accuracy:
            best_epoch, best_val_accuracy = epoch, validation.accuracy
        complete = len(losses) == batches
        iterations = (epoch - 1) * batches + len(losses)
        yield Epoch(
            epoch=epoch,
            iterations=iterations,
            losses=losses,
            loss=float(losses.mean(dtype=np.float64)),
            train_accuracy=train_accuracy,
            validation=validation,
            seconds=time.perf_counter() - started,
            complete=complete,
            checkpoint=Checkpoint(
                epoch=epoch,
                iterations=iterations,
                best_epoch=best_epoch,
                best_val_accuracy=best_val_accuracy,
                weights=network.state_dict(),
                optimizer=_flatten(optimizer),
            ),
        )
        if not complete:
            return


def _pass(
    network: nn.Module,
    optimizer: Optimizer,
    spec: TrainingSpec,
    split: Split,
    epoch: int,
    should_stop: Callable[[], bool],
) -> NDArray[np.float32]:
    """Do one pass over the training part; gives the loss of every batch that was done."""
    torch.manual_seed(derive_seed(spec.seed, epoch, "dropout"))
    network.train()
    losses: list[Tensor] = []
    for rows_B in _order(spec, len(split.y_train), epoch).split(spec.batch_size):
        if should_stop():
            break
        x_BD, y_B = split.x_train.index_select(0, rows_B), split.y_train.index_select(0, rows_B)
        loss = cross_entropy(network(x_BD), y_B)
        network.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return torch.stack(losses).numpy() if losses else np.empty(0, np.float32)


def _order(spec: TrainingSpec, count: int, epoch: int) -> Tensor:
    """Rows of the training part in the order in which this epoch visits them: int64 [N]."""
    if not spec.shuffle:
        return torch.arange(count)
    generator = torch.Generator().manual_seed(derive_seed(spec.seed, epoch, "order"))
    return torch.randperm(count, generator=generator)


def derive_seed(seed: int, epoch: int, purpose: str) -> int:
    """Derive an independent 64-bit seed for one purpose in one epoch; epoch 0 is before the first.

    By numpy's SeedSequence: https://numpy.org/doc/stable/reference/random/parallel.html
    """
    entropy = (seed, epoch, *purpose.encode())
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0])


def _optimizer(spec: TrainingSpec, network: nn.Module) -> Optimizer:
    # `fused` is pinned: other kernels give other bits, and this one is the fastest on a CPU.
    parameters = network.parameters()
    if spec.optimizer == "sgd":
        return SGD(
            parameters,
            lr=spec.learning_rate,
            momentum=spec.momentum,
            weight_decay=spec.weight_decay,
            fused=True,
        )
    kind = Adam if spec.optimizer == "adam" else AdamW
    return kind(parameters, lr=spec.learning_rate, weight_decay=spec.weight_decay, fused=True)


def _flatten(optimizer: Optimizer) -> dict[str, Tensor]:
    """Give the optimiser's tensors by "index of the parameter.name of the tensor"."""
    state = optimizer.state_dict()["state"]
    return {
        f"{index}.{name}": value
        for index, values in state.items()
        for name, value in values.items()
        if value is not None
    }


def _load_optimizer(optimizer: Optimizer, tensors: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        index, _, name = key.partition(".")
        state.setdefault(int(index), {})[name] = tensor.clone()
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _out_of_patience(spec: TrainingSpec, epochs_done: int, best_epoch: int) -> bool:
    patience = spec.early_stopping_patience
    return patience is not None and epochs_done > 0 and epochs_done - best_epoch >= patience


def _assert_finite(losses: NDArray[np.float32], epoch: int) -> None:
    finite = np.isfinite(losses)
    if not finite.all():
        batch = int(np.argmin(finite)) + 1
        raise _diverged(epoch, batch, f"the loss is {losses[batch - 1]}")


def _diverged(epoch: int, batch: int, symptom: str) -> DivergenceError:
    return DivergenceError(
        f"training diverged at epoch {epoch}, batch {batch}: {symptom}; lower learning_rate (and momentum, if set)"
    )
