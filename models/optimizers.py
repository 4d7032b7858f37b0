"""The optimisers of `torch.optim` on one flat row of weights, by the same fused kernels, without what stands around.

A network's tensors lie in one row, so that one call updates them all. The kernels are private to torch; a test holds
every one of them against its class in torch.optim.

Legend of shapes: P numbers of one network, the gaps between its tensors included; they are and stay zero.
"""

import ctypes
import math
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from models.compiled import library
from models.gradients import Gradients
from models.spec import TrainingSpec

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class Optimizer(Protocol):
    """Changes a row of weights; `state` holds its rows by the names that torch.optim gives them."""

    state: dict[str, Tensor]

    def step(self, weights_P: Tensor, gradients: Gradients, *, learning_rate: float, iteration: int) -> None:
        """Do one step; `iteration` counts from 1."""


class Adam:
    """Adam, https://arxiv.org/abs/1412.6980; with `decoupled` weight decay AdamW, https://arxiv.org/abs/1711.05101."""

    def __init__(self, like_P: Tensor, *, weight_decay: float, decoupled: bool) -> None:
        self.state = {"exp_avg": torch.zeros_like(like_P), "exp_avg_sq": torch.zeros_like(like_P)}
        self._weight_decay, self._decoupled = weight_decay, decoupled
        self._update = torch._fused_adamw_ if decoupled else torch._fused_adam_
        self._steps = torch.zeros((), device=like_P.device)
        self._how = library.Adam(beta1=BETA1, beta2=BETA2, epsilon=EPSILON)
        self._how_address = ctypes.addressof(self._how)

    def step(self, weights_P: Tensor, gradients: Gradients, *, learning_rate: float, iteration: int) -> None:
        """Do one step; `iteration` counts from 1."""
        if (functions := library.functions(weights_P)) is not None:
            self._by_library(functions.tenfold_descend, weights_P, gradients, learning_rate, iteration)
            return
        self._steps.fill_(iteration)
        self._update(
            [weights_P],
            [gradients.all()],
            [self.state["exp_avg"]],
            [self.state["exp_avg_sq"]],
            [],
            [self._steps],
            lr=learning_rate,
            beta1=BETA1,
            beta2=BETA2,
            weight_decay=self._weight_decay,
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
        )

    def _by_library(
        self,
        descend: Callable[..., None],
        weights_P: Tensor,
        gradients: Gradients,
        learning_rate: float,
        iteration: int,
    ) -> None:
        how, decay = self._how, self._weight_decay
        how.step = learning_rate / (1 - BETA1**iteration)
        how.scale = 1 / math.sqrt(1 - BETA2**iteration)
        how.decay = 0.0 if self._decoupled else decay
        how.kept = 1 - learning_rate * decay if self._decoupled else 1.0
        descend(
            weights_P.data_ptr(),
            gradients.but_factors().data_ptr(),
            *(moment.data_ptr() for moment in self.state.values()),
            weights_P.numel(),
            gradients.factors_address,
            gradients.factors_count,
            self._how_address,
        )


class SGD:
    """Stochastic gradient descent, with momentum if asked for."""

    def __init__(self, like_P: Tensor, *, momentum: float, weight_decay: float) -> None:
        self.state = {"momentum_buffer": torch.zeros_like(like_P)} if momentum else {}
        self._momentum, self._weight_decay = momentum, weight_decay

    def step(self, weights_P: Tensor, gradients: Gradients, *, learning_rate: float, iteration: int) -> None:
        """Do one step; `iteration` counts from 1."""
        torch._fused_sgd_(
            [weights_P],
            [gradients.all()],
            list(self.state.values()),
            weight_decay=self._weight_decay,
            momentum=self._momentum,
            lr=learning_rate,
            dampening=0.0,
            nesterov=False,
            maximize=False,
            is_first_step=iteration == 1,
        )


def optimizer(spec: TrainingSpec, like_P: Tensor) -> Optimizer:
    """Make the optimiser of a spec for rows like this one."""
    if spec.optimizer == "sgd":
        return SGD(like_P, momentum=spec.momentum, weight_decay=spec.weight_decay)
    return Adam(like_P, weight_decay=spec.weight_decay, decoupled=spec.optimizer == "adamw")
