"""One network on its way through its epochs: what it draws, what it evaluates, how it goes on from a checkpoint.

Everything random is derived from the network's own seed, or its order's, and the epoch: a run that goes on after an
epoch needs no random state, and nothing depends on the networks that are trained beside it.

Legend of shapes: N training examples, B examples in a batch, D inputs, P numbers of a network.
"""

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn

from models.augmentation import augment
from models.checkpoints import Checkpoint
from models.data.gathered import Inputs, gather
from models.data.schema import Images
from models.data.split import Split
from models.early_stopping import EarlyStopping
from models.evaluation import Validation
from models.gradients import Gradients
from models.metric import Metric, score
from models.networks import build
from models.optimizers import optimizer
from models.records import DivergenceError, Ended, Epoch, Failed, TrainingRecord
from models.schedules import learning_rate
from models.spec import TrainingSpec
from models.stack import Layout
from models.targets import Targets, weights_of
from models.weight_average import WeightAverage


class Learner:
    """One network on its way through its epochs."""

    def __init__(
        self,
        number: int,
        spec: TrainingSpec,
        checkpoint: Checkpoint | None,
        split: Split,
        iterations: int,
        device: str | torch.device,
    ) -> None:
        """Begin, or go on; raises ValueError where the spec does not fit the data."""
        self.number, self.spec = number, spec
        classes = len(split.classes)
        seed = derive_seed(spec.seed, 0, "weights")
        self.network = build(spec, seed=seed, inputs=split.inputs, classes=classes).to(device)
        weights_N = weights_of(spec, split.classes, split.y_train)
        self.targets = Targets(split.y_train, classes, spec.batch_size, weights_N)
        self._moved: Images | None = None
        if spec.shift_pixels or spec.rotation_degrees:
            if not isinstance(split.schema, Images):
                raise ValueError("rows of a table are not moved; leave shift_pixels and rotation_degrees out")
            self._moved = split.schema
        self.dropout, self._augmentation = Generator(device), Generator()
        self.order: tuple[Tensor, ...] = ()
        self.order_seed = spec.seed if spec.order_seed is None else spec.order_seed
        self._all_iterations = iterations
        self._layout = Layout.of(self.network)
        self._optimizer = optimizer(spec, torch.zeros(self._layout.size, device=device))
        self._average = WeightAverage(self.network, self._layout, spec.ema_decay) if spec.ema_decay else None
        self._losses: list[float | Tensor] = []
        self._ahead: Executor | None = None
        self._next: Future[Tensor] | None = None
        self._epoch, self._iterations = 0, 0
        self._stopping = EarlyStopping(spec.early_stopping_patience)
        self._best = 0.0, 0.0  # accuracy and value of the best epoch
        if checkpoint is not None:
            self._resume(checkpoint)
        self.is_over = self._stopping.is_exhausted(self._epoch) or not self.has_epochs_left
        self._recorded_at = time.perf_counter()

    @property
    def order_key(self) -> tuple[int, ...] | None:
        """Tell what networks of a group have in common that `fill` alike in this epoch; None: no other fills as it.

        It holds from `begin_epoch` to the end of the epoch, batch by batch: those that go on from checkpoints may be in
        different epochs. Images that are moved are moved by each network's own seed.
        """
        if self._moved is not None:
            return None
        return (self.order_seed, self._epoch) if self.spec.shuffle else ()

    def begin_epoch(self, examples: int, ahead: Executor | None = None) -> None:
        """Draw the order in which this epoch visits the examples; `ahead` moves the images of batches to come."""
        self._epoch += 1
        self._ahead, self._next = ahead, None
        self._losses = []
        self.dropout.manual_seed(derive_seed(self.spec.seed, self._epoch, "dropout"))
        self._augmentation.manual_seed(derive_seed(self.spec.seed, self._epoch, "augmentation"))
        order_N = torch.arange(examples)
        if self.spec.shuffle:
            seed = derive_seed(self.order_seed, self._epoch, "order")
            order_N = torch.randperm(examples, generator=Generator().manual_seed(seed))
        order_N = order_N.to(self.dropout.device)
        self.order = order_N.split(self.spec.batch_size)
        self.targets.begin(order_N)

    def fill(self, batch: int, x_ND: Inputs, x_BD: Tensor) -> None:
        """Put the examples of a batch where the stack takes them from."""
        if self._moved is None:
            gather(x_ND, self.order[batch], x_BD)
        else:
            x_BD.copy_(self._next.result() if self._next is not None else self._move(batch, x_ND, self._moved))
            self._next = None
            if self._ahead is not None and batch + 1 < len(self.order):
                self._next = self._ahead.submit(self._move, batch + 1, x_ND, self._moved)

    @torch.inference_mode()
    def _move(self, batch: int, x_ND: Inputs, schema: Images) -> Tensor:
        moved_BD = torch.empty(len(self.order[batch]), x_ND.shape[1], device=self.dropout.device)
        gather(x_ND, self.order[batch], moved_BD)
        augment(moved_BD, self.spec, self._augmentation, schema)
        return moved_BD

    def step(self, weights_P: Tensor, gradients: Gradients, loss: float | Tensor) -> None:
        """Change the weights by the gradients of a batch."""
        rate = learning_rate(self.spec, self._iterations, self._all_iterations)
        self._iterations += 1
        self._losses.append(loss)
        self._optimizer.step(weights_P, gradients, learning_rate=rate, iteration=self._iterations)
        if self._average is not None:
            self._average.follow(weights_P, self._iterations)

    @property
    def has_epochs_left(self) -> bool:
        """Whether more epochs are asked for than have begun; patience may end it before them."""
        return self._epoch < self.spec.epochs

    @property
    def has_begun(self) -> bool:
        """Whether a batch of this epoch was done."""
        return bool(self._losses)

    @property
    def bytes(self) -> int:
        """Count what a copied snapshot takes in memory."""
        kinds = 1 + len(self._optimizer.state) + (self._average is not None)
        return kinds * self._layout.size * next(self.network.parameters()).element_size()

    def end_epoch(self, *, complete: bool, copied: bool) -> "Snapshot":
        """Give what is to be evaluated of an epoch; of its last one there are no further batches to come.

        Unless `copied`, its tensors are live. Raises DivergenceError where a loss is no number.
        """
        losses = torch.tensor(self._losses).numpy()
        _assert_finite(losses, self._epoch)
        network = self._average.network if self._average is not None else self.network
        weights, state = network.state_dict(), self._state()
        self.is_over = not (complete and self.has_epochs_left)
        return Snapshot(
            network=network,
            epoch=self._epoch,
            iterations=self._iterations,
            losses=losses,
            complete=complete,
            metric=self.spec.metric,
            half=self.spec.precision == "bfloat16",
            weights=_copied(weights) if copied else weights,
            state=_copied(state) if copied else state,
        )

    def record(self, of: "Snapshot", train_accuracy: float, validation: Validation) -> Iterator[TrainingRecord]:
        """Take in what was measured of an epoch; yields what that brought, and that it was the last if it was.

        What was done since then is as if it had not been where that is so.
        """
        # The last step of an epoch can ruin the network behind a finite loss.
        if np.isnan(validation.probabilities).any() or np.isnan(validation.value):
            why = "the network's outputs are not numbers any more"
            yield self.failed(_diverged(of.epoch, len(of.losses), why))
            return
        self._stopping.see(of.epoch, score(self.spec.metric, validation.value))
        if self._stopping.best_epoch == of.epoch:
            self._best = validation.accuracy, validation.value
        recorded_before, self._recorded_at = self._recorded_at, time.perf_counter()
        yield Epoch(
            network=self.number,
            epoch=of.epoch,
            iterations=of.iterations,
            losses=of.losses,
            loss=float(of.losses.mean(dtype=np.float64)),
            train_accuracy=train_accuracy,
            validation=validation,
            seconds=self._recorded_at - recorded_before,
            complete=of.complete,
            checkpoint=Checkpoint(
                epoch=of.epoch,
                iterations=of.iterations,
                best_epoch=self._stopping.best_epoch,
                best_val_accuracy=self._best[0],
                weights=of.weights,
                state=of.state,
                metric=self.spec.metric,
                best_value=None if self.spec.metric == "accuracy" else self._best[1],
            ),
        )
        if not of.complete or self._stopping.is_exhausted(of.epoch) or of.epoch >= self.spec.epochs:
            yield self.ended()

    def ended(self) -> Ended:
        """Do no further batch; gives the last record."""
        self.is_over = True
        return Ended(self.number)

    def failed(self, error: DivergenceError) -> Failed:
        """Do no further batch, by an error; gives the last record."""
        self.is_over = True
        return Failed(self.number, error)

    def _state(self) -> dict[str, Tensor]:
        """Give the live tensors that a resumed run needs beside the network's weights, by "kind.name"."""
        kinds = {kind: self._layout.views(row_P) for kind, row_P in self._optimizer.state.items()}
        if self._average is not None:
            kinds["weights"] = self.network.state_dict()
        return {f"{kind}.{name}": tensor for kind, tensors in kinds.items() for name, tensor in tensors.items()}

    def _resume(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint; raises ValueError where its weights are those of a network of another form."""
        mine = {name: tensor.shape for name, tensor in self.network.state_dict().items()}
        if mine != (its := {name: tensor.shape for name, tensor in checkpoint.weights.items()}):
            raise ValueError(
                f"the weights to begin with are of {_form(its)}, and this job trains {_form(mine)}; begin anew, or "
                f"choose data of their form"
            )
        network = self._average.network if self._average is not None else self.network
        network.load_state_dict(checkpoint.weights)
        if checkpoint.epoch == 0:
            self.network.load_state_dict(checkpoint.weights)
            return
        with torch.no_grad():
            for name, tensor in self._state().items():
                tensor.copy_(checkpoint.state[name])
        self._epoch, self._iterations = checkpoint.epoch, checkpoint.iterations
        value = checkpoint.best_val_accuracy if checkpoint.best_value is None else checkpoint.best_value
        self._best = checkpoint.best_val_accuracy, value
        self._stopping = EarlyStopping(
            self.spec.early_stopping_patience,
            best_epoch=checkpoint.best_epoch,
            best_score=score(self.spec.metric, value),
        )


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A network as an epoch left it: what is evaluated of it, and what its record is made of."""

    network: nn.Module
    epoch: int
    iterations: int
    losses: NDArray[np.float32]
    complete: bool
    metric: Metric
    half: bool
    weights: dict[str, Tensor]
    state: dict[str, Tensor]


def derive_seed(seed: int, epoch: int, purpose: str) -> int:
    """Derive an independent 64-bit seed for one purpose in one epoch; epoch 0 is before the first.

    By numpy's SeedSequence: https://numpy.org/doc/stable/reference/random/parallel.html
    """
    entropy = (seed, epoch, *purpose.encode())
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0])


def _form(shapes: Mapping[str, torch.Size]) -> str:
    """Tell the form of a network by the shapes of its linear layers."""
    layers = [shape for name, shape in shapes.items() if name.startswith("linear") and name.endswith("weight")]
    if not layers:
        return "no network"
    hidden = "-".join(str(shape[0]) for shape in layers[:-1])
    return f"a network {hidden} with {layers[0][1]:,} inputs and {layers[-1][0]:,} classes"


def _assert_finite(losses: NDArray[np.float32], epoch: int) -> None:
    finite = np.isfinite(losses)
    if not finite.all():
        batch = int(np.argmin(finite)) + 1
        raise _diverged(epoch, batch, f"the loss is {losses[batch - 1]}")


def _diverged(epoch: int, batch: int, symptom: str) -> DivergenceError:
    return DivergenceError(
        f"training diverged at epoch {epoch}, batch {batch}: {symptom}; lower learning_rate (and momentum, if set)"
    )


def _copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in tensors.items()}
