"""The gradients of one network after a step: a row, in which those of matrices may be left to be made as they are used.

The gradient of a matrix is a product of what came in and the gradient of what went out. An optimiser that takes it
block by block never sends it through memory. Legend of shapes: P numbers of a network, B examples in a batch, I inputs
and O outputs of a layer.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from models.compiled import library
from models.products.kernels import Product


@dataclass(frozen=True, eq=False)
class Factors:
    """The gradient x^T dy of a matrix [I, O] that begins at number `place` of a row; `product` puts it there.

    `is_fused` tells that compiled functions would make it with the same bits, block by block.
    """

    x_BI: Tensor  # noqa: N815 -- shapes
    dy_BO: Tensor  # noqa: N815
    place: int
    product: Product
    is_fused: bool


class Gradients:
    """The gradients of one network: `row_P`, and those of matrices that are not in it yet."""

    def __init__(self, row_P: Tensor, factors: Sequence[Factors] = ()) -> None:
        self.row_P, self._left = row_P, [its.product for its in factors]
        fused = [its for its in sorted(factors, key=lambda its: its.place) if its.is_fused]
        self._apart = [its.product for its in factors if not its.is_fused]
        described = [
            library.Factors(
                library.Matrix.of(its.x_BI.T),
                library.Matrix.of(its.dy_BO),
                its.place,
                its.x_BI.shape[1],
                *its.dy_BO.shape,
            )
            for its in fused
        ]
        self._described = (library.Factors * len(described))(*described)
        self.factors_address, self.factors_count = ctypes.addressof(self._described), len(described)

    def but_factors(self) -> Tensor:
        """Give the row with all gradients in it but those that `factors_address` describes."""
        for product in self._apart:
            product()
        return self.row_P

    def all(self) -> Tensor:
        """Give the row with all gradients in it."""
        for product in self._left:
            product()
        return self.row_P
