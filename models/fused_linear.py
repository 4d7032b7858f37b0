"""A linear layer without autograd by oneDNN, product and bias in one; by torch's own where that operator lacks.

torch's own way goes to MKL, which keeps to AVX2 on processors of another maker. What oneDNN computes at one thread has
the same bits however many examples come at once. Legend of shapes: B examples, I inputs and O outputs of a layer.
"""

from functools import cache

import torch
from torch import Tensor, nn


def linear(x_BI: Tensor, w_OI: Tensor, b_O: Tensor) -> Tensor:
    """Give x W^T + b, [B, O] in float32; fastest where `w_OI` is a view of contiguous [I, O], as `as_fastest` gives it.

    Raises RuntimeError where the shapes do not fit.
    """
    if x_BI.shape[-1] == w_OI.shape[1] and x_BI.device.type == "cpu" and is_there():
        # oneDNN's own ReLU is not asked for: it makes zero of what is no number, and would hide a divergence.
        y_BO: Tensor = torch.ops.mkldnn._linear_pointwise(x_BI, w_OI, b_O, "none", [], "")
        return y_BO
    return nn.functional.linear(x_BI, w_OI, b_O)


def half_linear(x_BI: Tensor, w_OI: Tensor, b_O: Tensor) -> Tensor:
    """Give x W^T + b, [B, O] in float32, of x and W in bfloat16: what is added up is float32, and then rounded once."""
    if x_BI.shape[-1] == w_OI.shape[1] and x_BI.device.type == "cpu" and is_there(torch.bfloat16):
        y_BO: Tensor = torch.ops.mkldnn._linear_pointwise(x_BI, w_OI, None, "none", [], "")
    else:
        y_BO = nn.functional.linear(x_BI, w_OI)
    return y_BO.float().add_(b_O)


def as_fastest(w_OI: Tensor) -> Tensor:
    """Give a copy of weights in the one form in which they are multiplied, however they lie."""
    outputs, inputs = w_OI.shape
    return w_OI.new_empty(inputs, outputs).copy_(w_OI.detach().t()).t()


@cache
def is_there(dtype: torch.dtype = torch.float32) -> bool:
    """Whether this torch has the operator, which is private to it, and this processor computes such numbers by it."""
    try:
        one = torch.ones(1, 1, dtype=dtype)
        return bool(torch.ops.mkldnn._linear_pointwise(one, one, one[0], "none", [], "").item() == 2.0)
    except (AttributeError, RuntimeError):
        return False
