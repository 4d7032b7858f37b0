"""The first layer on pictures that stay bytes, multiplied in whole numbers: exact, whatever processor adds them up.

A weight is a whole number of 24 bits times the scale of its unit, so three digits of 8 bits; pixels are bytes as they
lie. Sums of their products are whole numbers of 32 bits, and are rounded once, when their digits are joined: this is
closer to the layer than float32 is. Legend of shapes: B pictures, I pixels, O outputs of a layer.
"""

from functools import cache

import torch
from torch import Tensor

from models.compiled import bound, library
from models.products import processor

ROWS = 512
"""Pictures of one product: these, its digits and its outputs stay in a processor's second cache."""

_LARGEST = 127 * 256**2 + 127 * 256 + 127
"""The largest whole number of three digits from -128 to 127."""

_MOST_INPUTS = 2**31 // 128**2 - 1
"""Whose sum of products cannot pass 32 bits."""


class PixelLinear:
    """Gives x W^T + b, float32 [B, O], of pictures x = (bytes - mean) / deviation that come as `signed` gives them.

    Of weights that are no finite numbers, all outputs of their unit are none.
    """

    def __init__(self, w_OI: Tensor, b_O: Tensor, mean: float, deviation: float) -> None:
        outputs = len(w_OI)
        w_OI = w_OI.double()
        most_O = w_OI.abs().amax(1)
        scale_O = torch.where(most_O == 0, 1.0, most_O / _LARGEST)
        scale_O[~scale_O.isfinite()] = torch.nan
        rest_OI = (w_OI / scale_O.unsqueeze(1)).nan_to_num_(0.0).round_().int()
        sums_O = rest_OI.sum(1).double()
        digits: list[Tensor] = []
        for _ in range(3):
            digit_OI = ((rest_OI + 128) & 255) - 128
            digits.insert(0, digit_OI)
            rest_OI = (rest_OI - digit_OI) >> 8
        self._digits_ID = torch.cat(digits).t().to(torch.int8, memory_format=torch.contiguous_format)
        scale_O /= deviation
        shift_O = b_O.double() + sums_O * (128 - mean) * scale_O
        self._outputs = outputs
        self._products_BD = torch.empty(ROWS, 3 * outputs, dtype=torch.int32)
        self._join = bound.join_digits(self._products_BD.unflatten(1, (3, outputs)), scale_O, shift_O)

    def __call__(self, x_BI: Tensor) -> Tensor:
        """Give the layer's outputs."""
        y_BO = torch.empty(len(x_BI), self._outputs)
        for x_bI, y_bO in zip(x_BI.split(ROWS), y_BO.split(ROWS), strict=True):
            torch._int_mm(x_bI, self._digits_ID, out=self._products_BD[: len(x_bI)])
            self._join(y_bO)
        return y_BO


def signed(values_BI: Tensor, x_BI: Tensor) -> Tensor:
    """Give bytes less 128, int8, in the memory of `x_BI`, uint8 and at least as long."""
    return torch.bitwise_xor(values_BI, 128, out=x_BI[: len(values_BI)]).view(torch.int8)


def fits(inputs: int) -> bool:
    """Whether pictures of so many pixels are multiplied so, here."""
    return inputs <= _MOST_INPUTS and library.is_used() and is_there()


@cache
def is_there() -> bool:
    """Whether this torch has the operator, which is private to it, it is exact, and this processor made for it.

    Without instructions for it, sums of two products are cut off at 16 bits; without oneDNN it takes far longer than
    float32.
    """
    if not (processor.multiplies_bytes() and torch.backends.mkldnn.is_available()):
        return False
    try:
        x_BI = torch.tensor([[-128], [127], [-1]], dtype=torch.int8).expand(3, 130).contiguous()
        w_IO = torch.tensor([[-128, 127, 1]], dtype=torch.int8).expand(130, 3).contiguous()
        exact = torch.equal(torch._int_mm(x_BI, w_IO).double(), x_BI.double() @ w_IO.double())
    except (AttributeError, RuntimeError):
        return False
    return exact
