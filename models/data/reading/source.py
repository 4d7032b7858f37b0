"""Rows of a file, a batch at a time, whatever the file's form."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Progress = Callable[[int, int], None]
"""Is told how many bytes of the file were read, and how many examples."""


class NotWholeError(Exception):
    """Of pixels that were to be read as whole numbers from 0 to 255, some are other numbers."""


@dataclass(frozen=True)
class Batch:
    """Some rows: texts by the places of their columns, the numbers, [n, columns], and where each row stands."""

    texts: Mapping[int, pa.Array]
    numbers: NDArray[Any]
    where: Callable[[int], str]


class Source(Protocol):
    """Rows of a file: what their columns are called, whether by the file itself, and the cells of the first rows."""

    @property
    def names(self) -> Sequence[str]: ...  # noqa: D102

    @property
    def named(self) -> bool: ...  # noqa: D102

    @property
    def sample(self) -> Sequence[Sequence[str]]: ...  # noqa: D102

    @property
    def decimal(self) -> str: ...  # noqa: D102

    def batches(self, texts: Sequence[int], numbers: Sequence[int] = (), *, whole: bool = True) -> Iterator[Batch]:
        """Give all rows anew: of some columns the texts, of others numbers in uint8, or in float32 if not `whole`.

        Raises UnreadableError, and NotWholeError where numbers are no whole numbers from 0 to 255.
        """
        ...


def matrix(columns: Sequence[pa.ChunkedArray], rows: int, *, whole: bool) -> NDArray[Any]:
    """Give columns of numbers without gaps as one array, uint8 or float32 [rows, columns]."""
    by_column = np.empty((len(columns), rows), np.uint8 if whole else np.float32)
    for place, column in enumerate(columns):
        start = 0
        for chunk in column.chunks:
            by_column[place, start : start + len(chunk)] = chunk.to_numpy(zero_copy_only=False)
            start += len(chunk)
    return np.ascontiguousarray(by_column.T)
