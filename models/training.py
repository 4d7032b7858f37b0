"""The training loop: a generator that yields one record an epoch and touches no disk, no database and no log.

Networks of equal shape are trained together, in step, and leave one by one; each ends with the same bits as if it had
been alone.

Legend of shapes: K networks, N training examples, D inputs.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import torch

from models.checkpoints import Checkpoint
from models.data.gathered import Inputs
from models.data.split import Split
from models.learner import Learner
from models.records import Ended, Failed, TrainingRecord
from models.spec import TrainingSpec
from models.stack import Stack
from models.suitability import too_many_batches

Stop = Literal["end", "discard"]
"""How a network is stopped: its epoch ends here, or nothing of this epoch is kept."""


def _never(_network: int) -> Stop | None:
    return None


def train(
    specs: Sequence[TrainingSpec],
    split: Split,
    *,
    resume: Sequence[Checkpoint | None] = (),
    should_stop: Callable[[int], Stop | None] = _never,
    device: str | torch.device = "cpu",
) -> Iterator[TrainingRecord]:
    """Train a network for each spec on `split`, from the start or each from its checkpoint.

    Yields the records of all networks, those of each in order; the last one of each is Ended or Failed.
    `should_stop(network)` is asked before every batch. Once it says "end", that network's epoch ends there, is
    evaluated, yielded as incomplete (unless no batch of it was done), and is its last; with "discard" it is not even
    evaluated. Raises ValueError unless the specs agree in their `shape`.
    """
    if len({spec.shape for spec in specs}) != 1:
        raise ValueError("only networks of equal shape are trained together, on equal data and with equal batch size")
    # Adam's moments decay into denormal numbers, which cost a third of the speed in later epochs.
    torch.set_flush_denormal(True)
    split = split.to(device)
    examples = len(split.y_train)
    batches = -(-examples // specs[0].batch_size)
    learners = []
    for number, (spec, checkpoint) in enumerate(zip(specs, resume or [None] * len(specs), strict=True)):
        if why := too_many_batches(spec.epochs, batches):
            yield Failed(number, ValueError(why))
            continue
        try:
            learner = Learner(number, spec, checkpoint, split, batches * spec.epochs, device)
        except ValueError as error:
            yield Failed(number, error)
            continue
        if learner.is_over:
            yield Ended(number)
        else:
            learners.append(learner)

    group = _Group(learners)
    while group.learners:
        for learner in group.learners:
            learner.begin_epoch(examples)
        for batch in range(batches):
            for learner in group.learners:
                stop = should_stop(learner.number)
                if stop == "end":
                    yield from learner.end_epoch(split, complete=False)
                elif stop == "discard":
                    yield from learner.discard_epoch()
            group.drop_those_over()
            if not group.learners:
                return
            group.step(batch, split.x_train)
        for learner in group.learners:
            yield from learner.end_epoch(split, complete=True)
        group.drop_those_over()


class _Group:
    """Networks that learn in step, and the stack of which their weights are rows."""

    def __init__(self, learners: Sequence[Learner]) -> None:
        self.learners = learners
        self._restack()

    def drop_those_over(self) -> None:
        """Let those go that have no epoch to come; the others are stacked anew."""
        if any(learner.is_over for learner in self.learners):
            self.learners = [learner for learner in self.learners if not learner.is_over]
            self._restack()

    def _restack(self) -> None:
        if self.learners:
            half = self.learners[0].spec.precision == "bfloat16"
            networks = [learner.network for learner in self.learners]
            self._stack = Stack(networks, [learner.dropout for learner in self.learners], half=half)

    @torch.inference_mode()
    def step(self, number: int, x_ND: Inputs) -> None:
        """Do one step with each network's own batch of this number."""
        batch = self._stack.batch(len(self.learners[0].order[number]))
        for learner, x_BD in zip(self.learners, batch.images, strict=True):
            learner.fill(number, x_ND, x_BD)
        losses = batch.step([learner.targets.of(number) for learner in self.learners])
        for learner, (weights_P, gradients_P), loss in zip(self.learners, self._stack.rows, losses, strict=True):
            learner.step(weights_P, gradients_P, loss)
