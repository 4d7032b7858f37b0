"""Examples as they are shown: pictures of any numbers as grey levels or colours, small ones of large; rows by name.

Legend of shapes: N examples, H x W pixels.
"""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from models.data.schema import Images, Table

Cell = float | str | None

T = TypeVar("T")


def pictures(values: NDArray[Any], schema: Images) -> NDArray[np.uint8]:
    """Give stored pictures [N, H, W] or [N, H, W, 3] as grey levels or colours, uint8: the lowest number is black.

    Numbers that are none are shown as the lowest.
    """
    if schema.steps == 255:
        return np.ascontiguousarray(values, np.uint8)
    low, high = schema.scale if schema.steps is None else (0.0, float(schema.steps))
    share = np.nan_to_num((values.astype(np.float32) - low) / (high - low), nan=0.0)
    levels: NDArray[np.uint8] = np.rint(np.clip(share, 0.0, 1.0) * 255).astype(np.uint8)
    return levels


def smaller(shown: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Scale pictures down by a whole number: each pixel is the mean of a square of those that were."""
    if factor <= 1:
        return shown
    sums, counts = shown.astype(np.float32), np.ones((1, *shown.shape[1:3], *(1,) * (shown.ndim - 3)), np.float32)
    for axis in (1, 2):
        starts = np.arange(0, shown.shape[axis], factor)
        sums, counts = np.add.reduceat(sums, starts, axis), np.add.reduceat(counts, starts, axis)
    return np.rint(sums / counts).astype(np.uint8)


def factor_within(shape: Sequence[int], count: int, most_bytes: int) -> int:
    """Give the least whole number by which `count` pictures of a shape are scaled down to so many bytes, if any is."""
    height, width, *channels = shape
    most_pixels = most_bytes // max(count * math.prod(channels), 1)
    factor = 1
    while factor < max(height, width) and -(-height // factor) * -(-width // factor) > most_pixels:
        factor += 1
    return factor


def rows(values: NDArray[np.float64], schema: Table) -> Iterator[dict[str, Cell]]:
    """Give stored rows [N, columns] by the names of their columns: numbers, names of levels, None where missing."""
    for row in values:
        yield {
            column.name: cell(value, column.levels) for column, value in zip(schema.columns, row.tolist(), strict=True)
        }


def cell(value: float, levels: Sequence[str]) -> Cell:
    """Give a stored number as it was sent: a number, or the level that has this place."""
    if value != value:
        return None
    return levels[int(value)] if levels else value


def within(items: Iterable[T], most_bytes: int) -> list[T]:
    """Give the first of these that take so many bytes as JSON together, and one at least."""
    kept, size = list[T](), 0
    for item in items:
        size += len(json.dumps(item, ensure_ascii=False).encode())
        if kept and size > most_bytes:
            break
        kept.append(item)
    return kept
