"""Rows of arrays, a batch at a time, as the rows of any other file: numbers, and a label beside them.

Legend of shapes: n rows of a batch, D columns.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, overload

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.data.reading.arrays.spelled import texts as written
from models.data.reading.found import MOST_FAULTS, Fault, UnreadableError
from models.data.reading.source import Batch, NotWholeError, Progress

_SAMPLE, _LEAST, _CELLS = 1000, 20, 500_000
_ROWS, _NUMBERS = 4096, 4_000_000
PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Block:
    """Examples of one part: how many, their numbers [n, D] so many at a time, their labels, and where each stands."""

    count: int
    chunks: Callable[[int], Iterator[NDArray[Any]]]
    labels: pa.Array | None
    part: int | None
    where: Callable[[int], str]


class Names(Sequence[str]):
    """The names of D columns, made when they are asked for, and of those beside them."""

    def __init__(self, columns: int, first: int, beside: Sequence[str]) -> None:
        self._columns, self._first, self._beside = columns, first, list(beside)

    def __len__(self) -> int:
        return self._columns + len(self._beside)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [self[at] for at in range(*place.indices(len(self)))]
        at = place + len(self) if place < 0 else place
        if not 0 <= at < len(self):
            raise IndexError(place)
        return f"f{at + self._first}" if at < self._columns else self._beside[at - self._columns]


class Blocks:
    """The rows of some blocks, one after the other; see Source. Beside the numbers stand the label, and the part.

    Columns are called f0 ..., or f1 ... where the file counts them from 1.
    """

    decimal = "."

    def __init__(
        self, blocks: Sequence[Block], columns: int, label: str | None, progress: Progress, size: int, *, first: int = 0
    ) -> None:
        self._blocks, self._columns, self._progress, self._size = blocks, columns, progress, size
        self._label = None if label is None else columns
        has_parts = any(block.part is not None for block in blocks)
        self._part = columns + (label is not None) if has_parts else None
        self.named = label is not None
        beside = [*([] if label is None else [label]), *(["split"] if has_parts else [])]
        self.names: Sequence[str] = Names(columns, first, beside)

    @property
    def label(self) -> int:
        """Give the place of the labels, where they stand in an array of their own."""
        assert self._label is not None
        return self._label

    @property
    def part(self) -> int | None:
        """Give the place of what says the part, if there are parts."""
        return self._part

    @property
    def count(self) -> int:
        """Count the rows of all blocks."""
        return sum(block.count for block in self._blocks)

    @cached_property
    def sample(self) -> Sequence[Sequence[str]]:
        """Give the cells of the first rows of each block."""
        most = min(_SAMPLE, max(_LEAST, _CELLS // len(self.names)))
        each = max(1, -(-most // max(1, len(self._blocks))))
        rows = list[tuple[str, ...]]()
        for block in self._blocks:
            for chunk in block.chunks(each):
                columns = [written(chunk[:, at], "the array").to_pylist() for at in range(self._columns)]
                rows += zip(*columns, *self._beside(block, 0, len(chunk)), strict=True)
                break
        return rows

    def _beside(self, block: Block, start: int, count: int) -> list[list[str]]:
        return [
            self._text(block, place, np.empty((count, 0)), start).to_pylist()
            for place in (self._label, self._part)
            if place is not None
        ]

    def batches(self, texts: Sequence[int], numbers: Sequence[int] = (), *, whole: bool = True) -> Iterator[Batch]:
        """Give all rows anew; see Source."""
        total, done = max(1, self.count), 0
        at_once = max(1, min(_ROWS, _NUMBERS // max(1, self._columns)))
        for block in self._blocks:
            start = 0
            for chunk in block.chunks(at_once):
                found = {place: self._text(block, place, chunk, start) for place in texts}
                rows = _Where(block, start)
                taken = _taken(chunk, numbers) if numbers else np.empty((len(chunk), 0), np.uint8)
                its = _bytes(taken) if whole else _floats(taken, rows)
                start += len(chunk)
                done += len(chunk)
                self._progress(self._size * done // total, done)
                yield Batch(found, its, rows)

    def _text(self, block: Block, place: int, chunk: NDArray[Any], start: int) -> pa.Array:
        if place == self._label:
            assert block.labels is not None
            return block.labels.slice(start, len(chunk))
        if place == self._part:
            # Where some say their part and one does not, that is the one to learn from.
            return pa.repeat(PARTS[block.part or 0], len(chunk))
        return written(chunk[:, place], block.where(start))


@dataclass(frozen=True)
class _Where:
    block: Block
    start: int

    def __call__(self, row: int) -> str:
        return self.block.where(self.start + row)


def _taken(chunk: NDArray[Any], places: Sequence[int]) -> NDArray[Any]:
    first, last = places[0], places[-1]
    if tuple(places) == tuple(range(first, last + 1)):
        return chunk[:, first : last + 1]
    return chunk[:, list(places)]


def _bytes(chunk: NDArray[Any]) -> NDArray[np.uint8]:
    kind = chunk.dtype.kind
    if chunk.dtype != np.uint8 and kind != "b" and chunk.size:
        if kind in "SU":
            raise NotWholeError
        # What is no number is neither less nor more than anything.
        if not (chunk.min() >= 0 and chunk.max() <= 255) or (kind == "f" and not bool((chunk == np.rint(chunk)).all())):
            raise NotWholeError
    return chunk.astype(np.uint8)


def _floats(chunk: NDArray[Any], where: Callable[[int], str]) -> NDArray[np.float32]:
    if chunk.dtype.kind in "SU":
        raise UnreadableError(Fault(where(0), "it holds texts, where pixels are numbers", "send numbers"))
    with np.errstate(over="ignore"):
        numbers = chunk.astype(np.float32)
    finite = np.isfinite(numbers)
    if not finite.all():
        rows = np.flatnonzero(~finite.all(axis=1))[:MOST_FAULTS]
        raise UnreadableError(
            *(
                Fault(where(int(row)), "a number of its picture is infinite or NaN", "put finite numbers there")
                for row in rows
            )
        )
    return numbers
