"""Which kernel computes which product: known for processors that were measured, the same in every run on one of them.

How much there is to multiply decides, so that equal shapes have equal bits, alone and in any group.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from models.compiled import library
from models.products.kernels import KERNELS, Name, Product
from models.products.processor import this, use_threads

LARGE = 2**24
"""Multiplications from which on a product is large: it pays then to lay both factors anew, as libraries do."""

SHARED = 2**20
"""The same where torch has several threads: libraries share a product among them."""


@dataclass(frozen=True)
class Choice:
    """The kernels of small and of large products."""

    small: Name
    large: Name

    def of(self, a_KMI: Tensor, b_KIN: Tensor, out_KMN: Tensor) -> Name:
        """Name the kernel that is best at the product of a [K, M, I] and b [K, I, N]."""
        if out_KMN.device.type != "cpu":
            return "mkl"
        _, rows, columns = out_KMN.shape
        name = self.large if is_large(rows, a_KMI.shape[2], columns) else self.small
        return "mkl" if name == "compiled" and library.functions(a_KMI, b_KIN, out_KMN) is None else name

    def product(self, a_KMI: Tensor, b_KIN: Tensor, out_KMN: Tensor) -> Product:
        """Bind that product to its kernel."""
        return KERNELS[self.of(a_KMI, b_KIN, out_KMN)](a_KMI, b_KIN, out_KMN)


def is_large(rows: int, inner: int, columns: int) -> bool:
    """Tell whether a product of [rows, inner] and [inner, columns] is a large one."""
    return rows * inner * columns >= (LARGE if torch.get_num_threads() == 1 else SHARED)


REFERENCE = Choice("mkl", "mkl")
"""What torch itself multiplies by."""

TABLE: Mapping[tuple[str, str], Choice] = {
    ("GenuineIntel", "AVX512"): Choice("compiled", "mkl"),
    ("GenuineIntel", "AVX2"): Choice("compiled", "mkl"),
    # MKL keeps to AVX2 on processors of another maker.
    ("AuthenticAMD", "AVX512"): Choice("compiled", "openblas"),
    ("AuthenticAMD", "AVX2"): Choice("compiled", "openblas"),
}
"""By vendor and instructions: Intel's as `python -m bench.products` found it, AMD's large ones by prototypes."""

MEASURED_WITH = "2.14."
"""The torch of the table."""

_SHAPES: Mapping[str, Sequence[tuple[int, int, int]]] = {
    "small": ((64, 784, 100), (784, 64, 100), (64, 100, 50), (64, 50, 100), (100, 64, 50), (64, 50, 10)),
    "large": ((64, 784, 512), (784, 64, 512), (128, 512, 512)),
}

_chosen: Choice | None = None


def known() -> Choice | None:
    """Give the choice for this processor, if the table has it or numpy leaves none."""
    if this().openblas == "none":
        return REFERENCE
    if not torch.__version__.startswith(MEASURED_WITH):
        return None
    choice = TABLE.get((this().vendor, this().instructions))
    return choice if choice is None or library.multiplies() else Choice(choice.large, choice.large)


def asked() -> str:
    """Describe what a choice that was measured holds for."""
    return f"{this().vendor} {this().instructions}, torch {torch.__version__}, OpenBLAS {this().openblas}"


def current() -> Choice:
    """Give the choice by which this process multiplies: what it was told to use, what is known, or torch's own."""
    return _chosen or known() or REFERENCE


def use(choice: Choice | None) -> None:
    """Multiply by this choice from now on; None: by what is known."""
    global _chosen
    _chosen = choice


def measured() -> Choice:
    """Find the best choice for this processor by measuring, in a tenth of a second: by the least times of all rounds.

    To be written down where all processes of a machine find it: the next measurement may say otherwise.
    """
    use_threads(torch.get_num_threads())
    best: dict[str, Name] = {}
    for kind, shapes in _SHAPES.items():
        names = [name for name in KERNELS if name != "compiled" or library.multiplies()]
        seconds = {name: sum(least(name, shape) for shape in shapes) for name in names}
        best[kind] = min(seconds, key=lambda name: seconds[name])
    return Choice(best["small"], best["large"])


def least(kernel: Name, shape: tuple[int, int, int], rounds: int = 40) -> float:
    """Give the least seconds of a product of [M, I] and [I, N] by a kernel; shape is (M, I, N)."""
    rows, inner, columns = shape
    random = torch.Generator().manual_seed(0)
    a, b = torch.rand(1, rows, inner, generator=random), torch.rand(1, inner, columns, generator=random)
    product = KERNELS[kernel](a, b, torch.empty(1, rows, columns))
    return min(map(_seconds, [product] * rounds))


def _seconds(product: Product) -> float:
    started = time.perf_counter()
    product()
    return time.perf_counter() - started


def described() -> dict[str, str]:
    """Tell what the bits of products depend on: the kernels, and the library that is not torch's."""
    return {
        **{f"{kind}_products": name for kind, name in asdict(current()).items()},
        "openblas": this().openblas,
        "elementwise": f"compiled {library.source()}" if library.is_used() else "torch",
    }
