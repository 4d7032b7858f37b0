"""Networks that learn in step, batch by batch, in stacks so small that their weights stay in a processor's cache.

Legend of shapes: N training examples, B examples in a batch, D inputs.
"""

from collections.abc import Sequence
from concurrent.futures import Executor

import numpy as np
import torch
from torch import Tensor

from models.data.gathered import Inputs
from models.learner import Learner
from models.stack import Stack

TOGETHER = 2
"""Networks of one stack: what costs little is done for both at once, and larger stacks leave the cache."""


class _Stacked:
    """Learners, and the stack of which their weights are rows."""

    def __init__(self, learners: Sequence[Learner], *, half: bool) -> None:
        self.learners = learners
        networks, generators = [its.network for its in learners], [its.dropout for its in learners]
        self.stack = Stack(networks, generators, half=half)


class Group:
    """Networks of equal shape, each of which ends with the bits that it would have had alone.

    Where they share an order of the examples, a batch is gathered once for all.
    """

    def __init__(self, learners: Sequence[Learner]) -> None:
        self.learners = learners
        self._half = bool(learners) and learners[0].spec.precision == "bfloat16"
        self._restack()

    def drop_those_over(self) -> None:
        """Let those go that have no epoch to come; the others are stacked anew."""
        if any(learner.is_over for learner in self.learners):
            self.learners = [learner for learner in self.learners if not learner.is_over]
            self._restack()

    def begin_epoch(self, examples: int, ahead: Executor | None = None) -> None:
        """Draw the orders in which this epoch visits the examples; `ahead` moves images of batches to come."""
        for learner in self.learners:
            learner.begin_epoch(examples, ahead)
        keys = {learner.order_key for learner in self.learners}
        self._shares_batches = len(self.learners) > 1 and len(keys) == 1 and None not in keys

    def _restack(self) -> None:
        self._stacks = [
            _Stacked(self.learners[first : first + TOGETHER], half=self._half)
            for first in range(0, len(self.learners), TOGETHER)
        ]
        self._shared: dict[int, Tensor] = {}

    @torch.inference_mode()
    @np.errstate(all="ignore")  # a network that diverges is found by its losses
    def step(self, number: int, x_ND: Inputs) -> None:
        """Do one step with each network's own batch of this number."""
        size = len(self.learners[0].order[number])
        if self._shares_batches:
            self.learners[0].fill(number, x_ND, self._shared_images(size, x_ND))
        for stacked in self._stacks:
            if self._shares_batches:
                batch = stacked.stack.batch(size, self._shared_images(size, x_ND))
            else:
                batch = stacked.stack.batch(size)
                for learner, x_BD in zip(stacked.learners, batch.images, strict=True):
                    learner.fill(number, x_ND, x_BD)
            losses = batch.step([learner.targets.of(number) for learner in stacked.learners])
            for learner, weights_P, gradients, loss in zip(
                stacked.learners, stacked.stack.rows, batch.gradients, losses, strict=True
            ):
                learner.step(weights_P, gradients, loss)

    def _shared_images(self, size: int, x_ND: Inputs) -> Tensor:
        if size not in self._shared:
            device, dtype = self.learners[0].dropout.device, torch.bfloat16 if self._half else torch.float32
            self._shared[size] = torch.empty(size, x_ND.shape[1], device=device, dtype=dtype)
        return self._shared[size]
