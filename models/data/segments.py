"""One array in several pieces, each where it is stored: what a version of a data set shares with the one before it.

Legend of shapes: N examples of all pieces together.
"""

from collections.abc import Iterator, Sequence
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray


class Segments:
    """Arrays [n, *shape] of one type, one after the other, read as one array [N, *shape] that is never made as a whole.

    Rows are asked for as of an array: by a number, a slice, whole numbers or truths, and columns of several rows behind
    them; a slice within one of the pieces is a view of it, anything else a copy of those rows alone.
    """

    def __init__(self, pieces: Sequence[NDArray[Any]]) -> None:
        self.pieces = tuple(pieces)
        first = self.pieces[0]
        if any(piece.shape[1:] != first.shape[1:] or piece.dtype != first.dtype for piece in self.pieces):
            raise ValueError("the pieces of the examples are not of one form")
        self.dtype = first.dtype
        self._ends = np.cumsum([len(piece) for piece in self.pieces])
        self._starts = self._ends - [len(piece) for piece in self.pieces]
        self.shape: tuple[int, ...] = (int(self._ends[-1]), *first.shape[1:])

    @property
    def ndim(self) -> int:
        """Count the dimensions."""
        return len(self.shape)

    @property
    def itemsize(self) -> int:
        """Give the bytes of one number."""
        return int(self.dtype.itemsize)

    @property
    def size(self) -> int:
        """Count the numbers."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """Give the bytes of all numbers."""
        return self.size * self.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[NDArray[Any]]:
        for piece in self.pieces:
            yield from piece

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("an array of several pieces cannot be had without a copy")
        return np.concatenate(self.pieces, dtype=dtype or self.dtype, casting="unsafe")

    def __getitem__(self, rows: SupportsIndex | slice | NDArray[Any] | Sequence[int] | tuple[Any, ...]) -> NDArray[Any]:
        if isinstance(rows, tuple):
            its, *rest = rows
            if isinstance(its, slice) and its == slice(None):
                return np.concatenate([piece[rows] for piece in self.pieces])
            found = self[its]
            return np.asarray(found[(*(slice(None),) * (found.ndim - self.ndim + 1), *rest)])
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            return self._slice(start, stop) if step == 1 else self._rows(np.arange(start, stop, step))
        if isinstance(rows, SupportsIndex) and not isinstance(rows, np.ndarray):
            (one,) = self._rows(np.array([rows.__index__()]))
            return np.asarray(one)
        places = np.asarray(rows)
        if places.dtype == bool:
            if places.shape != self.shape[:1]:
                raise IndexError(f"{len(places)} truths are no choice among {len(self)} rows")
            return self._rows(np.flatnonzero(places))
        # Nothing at all has no type of its own.
        return self._rows(places.astype(np.intp, casting="unsafe" if not places.size else "same_kind"))

    def _slice(self, start: int, stop: int) -> NDArray[Any]:
        if stop <= start:
            return self.pieces[0][:0]
        its = [
            piece[max(start - begin, 0) : stop - begin]
            for piece, begin, end in zip(self.pieces, self._starts.tolist(), self._ends.tolist(), strict=True)
            if begin < stop and start < end
        ]
        return its[0] if len(its) == 1 else np.concatenate(its)

    def _rows(self, places: NDArray[np.intp]) -> NDArray[Any]:
        flat = np.where(places < 0, places + len(self), places).ravel()
        if flat.size and (flat.min() < 0 or flat.max() >= len(self)):
            raise IndexError(f"there are {len(self)} rows")
        found = np.empty((len(flat), *self.shape[1:]), self.dtype)
        of_piece = np.searchsorted(self._ends, flat, side="right")
        for number in np.unique(of_piece).tolist():
            its = of_piece == number
            found[its] = self.pieces[number][flat[its] - self._starts[number]]
        return found.reshape(*places.shape, *self.shape[1:])
