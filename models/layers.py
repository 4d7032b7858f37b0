"""The layers of `models.networks` for many networks at once: each computes its outputs and, by hand, its gradients.

`forward` fills a layer's output, `backward` turns the gradient of the loss with respect to that output into those with
respect to its parameters and its input. Buffers are given once and filled anew in every step. What a network computes
does not depend on the others: products are made for each network alone, everything else works on rows or single
numbers.

Legend of shapes: K networks, B examples in a batch, I inputs and O outputs of a layer, C classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Generator, Tensor

_EPSILON = 1e-5  # as in nn.LayerNorm

_log_softmax_backward = torch.ops.aten._log_softmax_backward_data.out

Tensors = Mapping[str, Tensor]
"""The parameters of a layer, [K, *shape], by the names that its module has for them."""


class Layer(Protocol):
    """A part of a stack of networks."""

    def forward(self) -> None:
        """Fill the output, or replace it."""

    def backward(self) -> None:
        """Fill the gradients of the parameters and of the input."""


@dataclass(frozen=True, eq=False)
class Signal:
    """What passes between layers: float32 [K, B, units], and the gradient of the loss with respect to it."""

    value: Tensor
    gradient: Tensor


class Linear:
    """y = x W^T + b, in float32; W is [O, I] as in nn.Linear."""

    def __init__(self, x: Signal, y: Signal, weights: Tensors, gradients: Tensors, *, is_first: bool) -> None:
        w_KOI, dw_KOI = weights["weight"], gradients["weight"]
        # Lists of each network's views, made once: making one costs as much as a small product.
        self._outputs = _each(y.value, weights["bias"], x.value, w_KOI.transpose(1, 2))
        self._weights = _each(dw_KOI, gradients["bias"], y.gradient.transpose(1, 2), x.value)
        # Nobody asks for the gradient with respect to the images.
        self._inputs = [] if is_first else _each(x.gradient, y.gradient, w_KOI)
        self._ones_B = torch.ones_like(y.gradient[0, :, 0])

    def forward(self) -> None:
        """Fill y."""
        for y_BO, b_O, x_BI, w_IO in self._outputs:
            torch.addmm(b_O, x_BI, w_IO, out=y_BO)

    def backward(self) -> None:
        """Fill the gradients of W, b and x."""
        for dw_OI, db_O, dy_OB, x_BI in self._weights:
            torch.mm(dy_OB, x_BI, out=dw_OI)
            torch.mv(dy_OB, self._ones_B, out=db_O)  # a third of the time of a sum over the batch
        for dx_BI, dy_BO, w_OI in self._inputs:
            torch.mm(dy_BO, w_OI, out=dx_BI)


class HalfLinear:
    """Linear, with products of numbers rounded to bfloat16 and sums in float32; W, b and all gradients stay float32.

    Micikevicius et al. 2018, "Mixed precision training", https://arxiv.org/abs/1710.03740.
    """

    def __init__(self, x: Signal, y: Signal, weights: Tensors, gradients: Tensors, *, is_first: bool) -> None:
        self._x, self._y, self._is_first = x, y, is_first
        self._w_KOI, self._b_KO = weights["weight"], weights["bias"]
        self._dw_KOI, self._db_KO = gradients["weight"], gradients["bias"]
        self._x16_KBI = torch.empty_like(x.value, dtype=torch.bfloat16)
        self._w16_KOI = torch.empty_like(self._w_KOI, dtype=torch.bfloat16)
        self._y16_KBO = torch.empty_like(y.value, dtype=torch.bfloat16)

    def forward(self) -> None:
        """Fill y."""
        self._x16_KBI.copy_(self._x.value)
        self._w16_KOI.copy_(self._w_KOI)
        for y_BO, x_BI, w_OI in zip(self._y16_KBO, self._x16_KBI, self._w16_KOI, strict=True):
            torch.mm(x_BI, w_OI.T, out=y_BO)
        torch.add(self._y16_KBO, self._b_KO.unsqueeze(1), out=self._y.value)

    def backward(self) -> None:
        """Fill the gradients of W, b and x."""
        torch.sum(self._y.gradient, 1, out=self._db_KO)
        self._y16_KBO.copy_(self._y.gradient)
        for dw_OI, dy_BO, x_BI in zip(self._dw_KOI, self._y16_KBO, self._x16_KBI, strict=True):
            dw_OI.copy_(torch.mm(dy_BO.T, x_BI))
        if not self._is_first:
            for dx_BI, dy_BO, w_OI in zip(self._x.gradient, self._y16_KBO, self._w16_KOI, strict=True):
                dx_BI.copy_(torch.mm(dy_BO, w_OI))


class LayerNorm:
    """Normalises each example's units, then scales and shifts them; in place."""

    def __init__(self, y: Signal, weights: Tensors, gradients: Tensors) -> None:
        self._y, self._units = y, [y.value.shape[-1]]
        self._scale_K1O, self._shift_K1O = weights["weight"].unsqueeze(1), weights["bias"].unsqueeze(1)
        self._d_scale_KO, self._d_shift_KO = gradients["weight"], gradients["bias"]
        self._x_KBO = torch.empty_like(y.value, memory_format=torch.contiguous_format)
        self._product_KBO = torch.empty_like(y.value)

    def forward(self) -> None:
        """Replace y."""
        self._x_KBO.copy_(self._y.value)
        self._normal_KBO, self._mean_KB1, self._reciprocal_KB1 = torch.native_layer_norm(
            self._x_KBO, self._units, None, None, _EPSILON
        )
        torch.addcmul(self._shift_K1O, self._normal_KBO, self._scale_K1O, out=self._y.value)

    def backward(self) -> None:
        """Fill the gradients of scale and shift, and replace that of y."""
        dy_KBO = self._y.gradient
        torch.mul(dy_KBO, self._normal_KBO, out=self._product_KBO)
        torch.sum(self._product_KBO, 1, out=self._d_scale_KO)
        torch.sum(dy_KBO, 1, out=self._d_shift_KO)
        dy_KBO.mul_(self._scale_K1O)
        dx_KBO, _, _ = torch.ops.aten.native_layer_norm_backward(
            dy_KBO, self._x_KBO, self._units, self._mean_KB1, self._reciprocal_KB1, None, None, [True, False, False]
        )
        dy_KBO.copy_(dx_KBO)


class Dropout:
    """Drops units with each network's own probability and its own generator; in place."""

    def __init__(self, y: Signal, probabilities: Sequence[float], generators: Sequence[Generator]) -> None:
        self._y, self._generators = y, generators
        self._mask_KBO = torch.ones_like(y.value)
        self._kept = [1.0 - probability for probability in probabilities]

    def forward(self) -> None:
        """Replace y."""
        for mask_BO, kept, generator in zip(self._mask_KBO, self._kept, self._generators, strict=True):
            if kept < 1.0:
                mask_BO.bernoulli_(kept, generator=generator).div_(kept)
        self._y.value.mul_(self._mask_KBO)

    def backward(self) -> None:
        """Replace the gradient of y."""
        self._y.gradient.mul_(self._mask_KBO)


class ReLU:
    """max(y, 0), in place."""

    def __init__(self, y: Signal) -> None:
        self._y = y

    def forward(self) -> None:
        """Replace y."""
        self._y.value.clamp_min_(0)

    def backward(self) -> None:
        """Replace the gradient of y."""
        dy_KBO = self._y.gradient
        torch.ops.aten.threshold_backward.grad_input(dy_KBO, self._y.value, 0, grad_input=dy_KBO)


class CrossEntropy:
    """Mean over a batch of the cross-entropy between targets (probabilities) and the softmax of logits.

    Targets come as the gradient of the loss with respect to the log-probabilities, [B, C] for each network: minus the
    probabilities, divided by B. The loss is the product of the two, and nothing is left to scale in a step.
    """

    def __init__(self, logits: Signal, log_probabilities_KBC: Tensor) -> None:
        self._logits, self._log_probabilities_KBC = logits, log_probabilities_KBC
        self._all_log_probabilities = [its_BC.view(-1) for its_BC in log_probabilities_KBC]
        self._each = _each(log_probabilities_KBC, logits.gradient)

    def forward(self, targets: Sequence[Tensor]) -> list[Tensor]:
        """Give the loss of each network."""
        torch.log_softmax(self._logits.value, 2, out=self._log_probabilities_KBC)
        return [
            torch.dot(log_probabilities, targets_BC.view(-1))
            for log_probabilities, targets_BC in zip(self._all_log_probabilities, targets, strict=True)
        ]

    def backward(self, targets: Sequence[Tensor]) -> None:
        """Fill the gradient of the logits."""
        for targets_BC, (log_probabilities_BC, gradient_BC) in zip(targets, self._each, strict=True):
            _log_softmax_backward(targets_BC, log_probabilities_BC, 1, targets_BC.dtype, out=gradient_BC)


def _each(*tensors: Tensor) -> list[tuple[Tensor, ...]]:
    """Give for each network its part of every tensor."""
    return list(zip(*(tensor.unbind() for tensor in tensors), strict=True))
