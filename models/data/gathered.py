"""What a network takes in of many examples: as one tensor, or, of more than memory has room for, made when asked for.

Legend of shapes: N examples of a part, B in a batch, D inputs.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.compiled import library

MOST_BYTES = 2**29
"""Of float32 for all parts of a data set together; MNIST takes 188 MB. What is more stays as it is stored."""


_CPU = torch.device("cpu")


@dataclass(frozen=True, eq=False)
class Gathered:
    """Examples [N, D] that stay where they are stored, as whole numbers or in a file, and are made float32 in batches.

    `rows` are their places among the stored `values`; `convert` gives float32 [B, D] of some of these. What comes out
    has the bits that the whole tensor would have.
    """

    values: NDArray[Any]
    rows: NDArray[np.intp]
    convert: Callable[[NDArray[Any]], Tensor]
    inputs: int
    device: torch.device = _CPU

    @property
    def shape(self) -> tuple[int, int]:
        """Give [N, D]."""
        return len(self.rows), self.inputs

    def to(self, device: str | torch.device) -> "Gathered":
        """Give the same examples, to be made on a device."""
        return replace(self, device=torch.device(device))

    def at(self, places: NDArray[np.intp] | slice) -> Tensor:
        """Give the examples at these places, float32 [B, D]."""
        return self.convert(self.values[self.rows[places]]).to(self.device)

    def split(self, size: int) -> Iterator[Tensor]:
        """Give all examples, so many at a time."""
        for start in range(0, len(self.rows), size):
            yield self.at(slice(start, start + size))


@dataclass(frozen=True, eq=False)
class Pixels:
    """Pictures [N, D] that stay bytes, a quarter of the memory, and are normalised in batches by compiled code.

    What comes out has the bits that the whole tensor would have.
    """

    values: Tensor
    mean: float
    deviation: float

    @property
    def shape(self) -> torch.Size:
        """Give [N, D]."""
        return self.values.shape

    @property
    def device(self) -> torch.device:
        """Give where they are made, the processor."""
        return _CPU

    def to(self, device: str | torch.device) -> "Inputs":
        """Give the same examples; elsewhere all are made at once."""
        return self if torch.device(device) == _CPU else self.at(torch.arange(len(self.values))).to(device)

    def at(self, places_B: Tensor) -> Tensor:
        """Give the examples at these places, float32 [B, D]."""
        return self.put(places_B, torch.empty(len(places_B), self.shape[1]))

    def put(self, places_B: Tensor, x_BD: Tensor) -> Tensor:
        """Put the examples at these places into `x_BD`, contiguous, in float32 or bfloat16; gives that."""
        functions = library.loaded()
        assert functions is not None, "without them, pictures are tensors"
        is_half = x_BD.dtype == torch.bfloat16
        (functions.tenfold_gather_bfloat16 if is_half else functions.tenfold_gather)(
            self.values.data_ptr(),
            places_B.data_ptr(),
            x_BD.data_ptr(),
            *x_BD.shape,
            self.mean,
            self.deviation,
        )
        return x_BD

    def split(self, size: int) -> Iterator[Tensor]:
        """Give all examples, so many at a time."""
        return map(self.at, torch.arange(len(self.values)).split(size))


Inputs = Tensor | Gathered | Pixels


def gather(x_ND: Inputs, places_B: Tensor, x_BD: Tensor) -> None:
    """Put the examples at these places into `x_BD`, rounded to its numbers."""
    if isinstance(x_ND, Pixels):
        x_ND.put(places_B, x_BD)
    elif isinstance(x_ND, Tensor) and x_ND.dtype == x_BD.dtype:
        torch.index_select(x_ND, 0, places_B, out=x_BD)
    else:
        x_BD.copy_(x_ND[places_B] if isinstance(x_ND, Tensor) else x_ND.at(places_B.cpu().numpy()))


def whole(x_ND: Inputs) -> Tensor:
    """Give all examples as one tensor, float32 [N, D]."""
    if isinstance(x_ND, Pixels):
        return x_ND.at(torch.arange(len(x_ND.values)))
    return x_ND if isinstance(x_ND, Tensor) else x_ND.at(slice(None))
