"""Matrix products by what is at hand, each bound once to the matrices that it multiplies again and again.

Numbers of a network lie in torch's memory; numpy multiplies them there, by the OpenBLAS that it brings, and lets the
interpreter go meanwhile. What a product gives does not depend on where its matrices lie, nor on those beside it.

Legend of shapes: K networks, M rows and N columns of a product, I numbers that are summed up for each of its numbers.
"""

import ctypes
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from models.compiled import library

Name = Literal["compiled", "openblas", "mkl"]

Product = Callable[[], object]
"""Multiplies what it is bound to, and fills what it is bound to."""

Kernel = Callable[[Tensor, Tensor, Tensor], Product]
"""Binds to a [K, M, I], b [K, I, N] and out [K, M, N]."""


def compiled(a_KMI: Tensor, b_KIN: Tensor, out_KMN: Tensor) -> Product:
    """Multiply by matmul.c, all networks in one call; raises ValueError where no row or column of `out` lies together.

    Rounds alike on all processors that fuse a multiplication and an addition.
    """
    functions = library.functions(a_KMI, b_KIN, out_KMN)
    if functions is None:
        raise ValueError("there are no compiled functions for these tensors")
    held = a_KMI, b_KIN, out_KMN
    if out_KMN.stride(2) != 1:
        a_KMI, b_KIN, out_KMN = b_KIN.mT, a_KMI.mT, out_KMN.mT
    if out_KMN.stride(2) != 1:
        raise ValueError("neither rows nor columns of the product lie together")
    its = library.Product.of(a_KMI, b_KIN, out_KMN)
    multiply, address = functions.tenfold_matmul, ctypes.addressof(its)

    def product(_held: Any = (held, its)) -> None:
        multiply(address)

    return product


def openblas(a_KMI: Tensor, b_KIN: Tensor, out_KMN: Tensor) -> Product:
    """Multiply by numpy, all networks in one call."""
    if len(out_KMN) == 1:
        a_KMI, b_KIN, out_KMN = a_KMI[0], b_KIN[0], out_KMN[0]
    return partial(np.matmul, a_KMI.numpy(), b_KIN.numpy(), out_KMN.numpy())


def mkl(a_KMI: Tensor, b_KIN: Tensor, out_KMN: Tensor) -> Product:
    """Multiply by what torch multiplies by, one network after the other: a batched product has other bits."""
    products = [
        partial(torch.mm, a_MI, b_IN, out=out_MN) for a_MI, b_IN, out_MN in zip(a_KMI, b_KIN, out_KMN, strict=True)
    ]
    return products[0] if len(products) == 1 else partial(_all, products)


def _all(products: Sequence[Product]) -> None:
    for product in products:
        product()


KERNELS: Mapping[Name, Kernel] = {"compiled": compiled, "openblas": openblas, "mkl": mkl}
