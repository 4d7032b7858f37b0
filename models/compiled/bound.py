"""Element-wise operations, each bound once to the tensors that it changes again and again.

Called within a step, torch's own cost several times what they cost in a loop of their own: weights and examples have
pushed their code out of the processor's caches by then. Legend of shapes: K networks, B examples in a batch, O outputs
of a layer, C classes.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from models.compiled import library

Operation = Callable[[], object]

_log_softmax_backward = torch.ops.aten._log_softmax_backward_data.out


def add_bias(y_KBO: Tensor, bias_KO: Tensor) -> Operation:
    """Bind y += bias; y of one network is contiguous, or its transpose is."""
    if (functions := library.functions(y_KBO)) is None:
        return partial(y_KBO.add_, bias_KO.unsqueeze(1))
    networks, examples, outputs = y_KBO.shape
    strides = y_KBO.stride(0), bias_KO.stride(0)
    function = functions.tenfold_add_bias if y_KBO[0].is_contiguous() else functions.tenfold_add_bias_by_row
    return _bound(function, y_KBO, bias_KO, networks, *strides, examples, outputs)


def relu(y_KBO: Tensor) -> Operation:
    """Bind y = max(y, 0)."""
    if (functions := library.functions(y_KBO)) is None:
        return partial(y_KBO.clamp_min_, 0)
    return _bound(functions.tenfold_relu, y_KBO, len(y_KBO), y_KBO.stride(0), y_KBO[0].numel())


def relu_backward(dy_KBO: Tensor, y_KBO: Tensor) -> Operation:
    """Bind dy = 0 where y is 0."""
    if (functions := library.functions(y_KBO)) is None:
        return partial(torch.ops.aten.threshold_backward.grad_input, dy_KBO, y_KBO, 0, grad_input=dy_KBO)
    return _bound(functions.tenfold_relu_backward, dy_KBO, y_KBO, len(y_KBO), y_KBO.stride(0), y_KBO[0].numel())


def join_digits(digits_B3O: Tensor, scale_O: Tensor, shift_O: Tensor) -> Callable[[Tensor], object]:
    """Bind y = number * scale + shift: called with y [B, O] float32, of as many first rows of the digits as it has.

    Digits are int32, the highest first, each 256 times the next; scale and shift are float64. All are contiguous.
    """
    if (functions := library.functions()) is None:

        def by_torch(y_BO: Tensor) -> Tensor:
            first_BO, second_BO, third_BO = digits_B3O[: len(y_BO)].double().unbind(1)
            return y_BO.copy_(((first_BO * 256 + second_BO) * 256 + third_BO) * scale_O + shift_O)

        return by_torch
    function, addresses = functions.tenfold_join_digits, [of.data_ptr() for of in (digits_B3O, scale_O, shift_O)]

    def by_library(y_BO: Tensor, _held: Any = (digits_B3O, scale_O, shift_O)) -> object:
        return function(*addresses, y_BO.data_ptr(), *y_BO.shape)

    return by_library


def cross_entropy(logits_CB: Tensor, gradient_CB: Tensor) -> Callable[[Tensor], float | Tensor]:
    """Bind the cross-entropy of logits: called with targets [C, B], it fills the gradient and gives the loss.

    Targets are as `layers.CrossEntropy` takes them.
    """
    classes, examples = logits_CB.shape
    if (functions := library.functions(logits_CB)) is None:
        log_probabilities_CB = torch.empty_like(logits_CB)

        def by_torch(targets_CB: Tensor) -> Tensor:
            torch.log_softmax(logits_CB, 0, out=log_probabilities_CB)
            _log_softmax_backward(targets_CB, log_probabilities_CB, 0, targets_CB.dtype, out=gradient_CB)
            return torch.dot(log_probabilities_CB.view(-1), targets_CB.view(-1))

        return by_torch
    scratch = torch.empty(3 * examples)
    function = functions.tenfold_cross_entropy
    logits, gradient, its_scratch = logits_CB.data_ptr(), gradient_CB.data_ptr(), scratch.data_ptr()

    def by_library(targets_CB: Tensor, _held: Any = (logits_CB, gradient_CB, scratch)) -> float:
        loss: float = function(logits, targets_CB.data_ptr(), gradient, its_scratch, classes, examples)
        return loss

    return by_library


def _bound(function: Callable[..., object], *arguments: Tensor | int) -> Operation:
    addresses = [argument.data_ptr() if isinstance(argument, Tensor) else argument for argument in arguments]

    def call(_held: Any = arguments) -> object:
        return function(*addresses)

    return call
