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

from models.compiled import bound, library
from models.gradients import Factors
from models.products.choice import Choice
from models.products.kernels import mkl

_EPSILON = 1e-5  # as in nn.LayerNorm

Tensors = Mapping[str, Tensor]
"""The parameters of a layer, [K, *shape], by the names that its module has for them."""


class Layer(Protocol):
    """A part of a stack of networks."""

    def forward(self) -> object:
        """Fill the output, or replace it."""

    def backward(self) -> object:
        """Fill the gradients of the parameters and of the input."""


@dataclass(frozen=True, eq=False)
class Signal:
    """What passes between layers: [K, B, units] in float32 (HalfLinear takes in bfloat16), and its gradient."""

    value: Tensor
    gradient: Tensor


class Linear:
    """y = x W^T + b, in float32; W is [O, I] as in nn.Linear, and lies as [I, O]."""

    def __init__(
        self, x: Signal, y: Signal, weights: Tensors, gradients: Tensors, kernels: Choice, *, is_first: bool
    ) -> None:
        w_KIO, dw_KIO = weights["weight"].mT, gradients["weight"].mT
        ones_K1B = torch.ones_like(y.gradient[:1, :, 0]).unsqueeze(1).expand(len(w_KIO), -1, -1)
        self._add_bias = bound.add_bias(y.value, weights["bias"])
        self._forward = kernels.product(x.value, w_KIO, y.value)
        self._x, self._y, self._dw_KIO, self._kernels = x, y, dw_KIO, kernels
        # Faster than a sum over the batch.
        self._backward = [kernels.product(ones_K1B, y.gradient, gradients["bias"].unsqueeze(1))]
        # Nobody asks for the gradient with respect to the images.
        if not is_first:
            self._backward.append(kernels.product(y.gradient, w_KIO.mT, x.gradient))

    def forward(self) -> None:
        """Fill y."""
        self._forward()
        self._add_bias()

    def backward(self) -> None:
        """Fill the gradients of b and x; that of W is made by an optimiser from its `factors`."""
        for product in self._backward:
            product()

    def factors(self, network: int, place: int) -> Factors:
        """Give what the gradient of a network's W, at `place` of its row, is the product of."""
        x_1BI, dy_1BO, dw_1IO = (of[network : network + 1] for of in (self._x.value, self._y.gradient, self._dw_KIO))
        product = x_1BI.mT, dy_1BO, dw_1IO
        is_fused = self._kernels.of(*product) == "compiled" and dy_1BO.shape[1] <= library.MOST_EXAMPLES
        return Factors(x_1BI[0], dy_1BO[0], place, self._kernels.product(*product), is_fused)


class HalfLinear:
    """Linear, with products of numbers rounded to bfloat16 and sums in float32; W, b and all gradients stay float32.

    The examples come as bfloat16. Micikevicius et al. 2018, "Mixed precision training",
    https://arxiv.org/abs/1710.03740.
    """

    def __init__(self, x: Signal, y: Signal, weights: Tensors, gradients: Tensors) -> None:
        self._y, self._bias_K1O, self._d_bias_KO = y, weights["bias"].unsqueeze(1), gradients["bias"]
        self._w_KIO, self._dw_KIO = weights["weight"].mT, gradients["weight"].mT
        self._w16_KIO = torch.empty_like(self._w_KIO, dtype=torch.bfloat16, memory_format=torch.contiguous_format)
        self._dw16_KIO, self._y16_KBO = torch.empty_like(self._w16_KIO), torch.empty_like(y.value, dtype=torch.bfloat16)
        self._forward = mkl(x.value, self._w16_KIO, self._y16_KBO)
        self._backward = mkl(x.value.mT, self._y16_KBO, self._dw16_KIO)

    def forward(self) -> None:
        """Fill y."""
        self._w16_KIO.copy_(self._w_KIO)
        self._forward()
        torch.add(self._y16_KBO, self._bias_K1O, out=self._y.value)

    def backward(self) -> None:
        """Fill the gradients of W and b; nobody asks for that with respect to the examples."""
        torch.sum(self._y.gradient, 1, out=self._d_bias_KO)
        self._y16_KBO.copy_(self._y.gradient)
        self._backward()
        self._dw_KIO.copy_(self._dw16_KIO)


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
        # Replace y, and the gradient of y.
        self.forward, self.backward = bound.relu(y.value), bound.relu_backward(y.gradient, y.value)


class CrossEntropy:
    """Mean over a batch of the cross-entropy between targets (probabilities) and the softmax of logits.

    Targets come as the gradient of the loss with respect to the log-probabilities, [C, B] for each network: minus the
    probabilities, divided by B. The loss is the product of the two, and nothing is left to scale in a step. Classes
    come first here: a processor computes with many examples at once, and there are often fewer classes.
    """

    def __init__(self, logits: Signal) -> None:
        logits_KCB, gradient_KCB = logits.value.mT, logits.gradient.mT
        self._each = [bound.cross_entropy(*its) for its in zip(logits_KCB, gradient_KCB, strict=True)]

    def __call__(self, targets: Sequence[Tensor]) -> list[float | Tensor]:
        """Fill the gradient of the logits; gives the loss of each network."""
        return [its(targets_CB) for its, targets_CB in zip(self._each, targets, strict=True)]
