"""One network on its way through its epochs: what it draws, what it evaluates, how it goes on from a checkpoint.

Everything random is derived from the network's own (seed, epoch): a run that goes on after an epoch needs no random
state, and nothing depends on the networks that are trained beside it.

Legend of shapes: N training examples, B examples in a batch, D inputs, P numbers of a network.
"""

import time
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from models.augmentation import augment
from models.checkpoints import Checkpoint
from models.data.gathered import Inputs, gather
from models.data.schema import Images
from models.data.split import Split
from models.early_stopping import EarlyStopping
from models.evaluation import accuracy, validate
from models.metric import score
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
        self._all_iterations = iterations
        self._layout = Layout.of(self.network)
        self._optimizer = optimizer(spec, torch.zeros(self._layout.size, device=device))
        self._average = WeightAverage(self.network, self._layout, spec.ema_decay) if spec.ema_decay else None
        self._losses: list[Tensor] = []
        self._epoch, self._iterations = 0, 0
        self._stopping = EarlyStopping(spec.early_stopping_patience)
        self._best = 0.0, 0.0  # accuracy and value of the best epoch
        if checkpoint is not None:
            self._resume(checkpoint)
        self.is_over = self._has_no_epoch_left()
        self._recorded_at = time.perf_counter()

    def begin_epoch(self, examples: int) -> None:
        """Draw the order in which this epoch visits the examples."""
        self._epoch += 1
        self._losses = []
        self.dropout.manual_seed(derive_seed(self.spec.seed, self._epoch, "dropout"))
        self._augmentation.manual_seed(derive_seed(self.spec.seed, self._epoch, "augmentation"))
        order_N = torch.arange(examples)
        if self.spec.shuffle:
            seed = derive_seed(self.spec.seed, self._epoch, "order")
            order_N = torch.randperm(examples, generator=Generator().manual_seed(seed))
        order_N = order_N.to(self.dropout.device)
        self.order = order_N.split(self.spec.batch_size)
        self.targets.begin(order_N)

    def fill(self, batch: int, x_ND: Inputs, x_BD: Tensor) -> None:
        """Put the examples of a batch where the stack takes them from."""
        gather(x_ND, self.order[batch], x_BD)
        if self._moved is not None:
            augment(x_BD, self.spec, self._augmentation, self._moved)

    def step(self, weights_P: Tensor, gradients_P: Tensor, loss: Tensor) -> None:
        """Change the weights by the gradients of a batch."""
        rate = learning_rate(self.spec, self._iterations, self._all_iterations)
        self._iterations += 1
        self._losses.append(loss)
        self._optimizer.step(weights_P, gradients_P, learning_rate=rate, iteration=self._iterations)
        if self._average is not None:
            self._average.follow(weights_P, self._iterations)

    def end_epoch(self, split: Split, *, complete: bool) -> Iterator[TrainingRecord]:
        """Evaluate the network; yields what the epoch brought, and that it was the last if it was."""
        if self._losses:
            try:
                yield self._record(split, complete=complete)
            except DivergenceError as error:
                self.is_over = True
                yield Failed(self.number, error)
                return
        self.is_over = not complete or self._has_no_epoch_left()
        if self.is_over:
            yield Ended(self.number)

    def discard_epoch(self) -> Iterator[TrainingRecord]:
        """Stop amid an epoch, of which nothing is kept; yields that there is no more to come."""
        self.is_over = True
        yield Ended(self.number)

    def _record(self, split: Split, *, complete: bool) -> Epoch:
        losses = torch.stack(self._losses).cpu().numpy()
        _assert_finite(losses, self._epoch)
        network = self._average.network if self._average is not None else self.network
        train_accuracy = accuracy(network, split.x_train, split.y_train)
        validation = validate(network, split.x_val, split.y_val, self.spec.metric)
        # The last step of an epoch can ruin the network behind a finite loss.
        if np.isnan(validation.probabilities).any() or np.isnan(validation.value):
            raise _diverged(self._epoch, len(losses), "the network's outputs are not numbers any more")
        self._stopping.see(self._epoch, score(self.spec.metric, validation.value))
        if self._stopping.best_epoch == self._epoch:
            self._best = validation.accuracy, validation.value
        recorded_before, self._recorded_at = self._recorded_at, time.perf_counter()
        return Epoch(
            network=self.number,
            epoch=self._epoch,
            iterations=self._iterations,
            losses=losses,
            loss=float(losses.mean(dtype=np.float64)),
            train_accuracy=train_accuracy,
            validation=validation,
            seconds=self._recorded_at - recorded_before,
            complete=complete,
            checkpoint=Checkpoint(
                epoch=self._epoch,
                iterations=self._iterations,
                best_epoch=self._stopping.best_epoch,
                best_val_accuracy=self._best[0],
                weights=network.state_dict(),
                state=self._state(),
                metric=self.spec.metric,
                best_value=None if self.spec.metric == "accuracy" else self._best[1],
            ),
        )

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

    def _has_no_epoch_left(self) -> bool:
        return self._stopping.is_exhausted(self._epoch) or self._epoch >= self.spec.epochs


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
