"""Rows of pixels, written as pictures while they are read."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data import stored
from models.data.reading import label, npy
from models.data.reading.classes import Labels
from models.data.reading.found import MOST_FAULTS, Fault, UnreadableError
from models.data.reading.grid import Grid
from models.data.reading.parts import Parts
from models.data.reading.roles import Roles
from models.data.reading.source import Batch, NotWholeError, Source


class _HeardError(Exception):
    """Words for nothing turned out to be classes."""

    def __init__(self, words: frozenset[str]) -> None:
        super().__init__(words)
        self.words = words


def write(
    source: Source, roles: Roles, grid: Grid, folder: Path, *, transpose: bool, spoken: frozenset[str] = frozenset()
) -> tuple[Labels, Parts]:
    """Write the pixels of all rows as uint8, or else as float32, [N, height, width] or [N, height, width, 3].

    `spoken` are words for nothing that are classes here. Raises UnreadableError where a row has no label, or a pixel
    that is no number, or where another column may hold the labels as well.
    """
    whole = True
    while True:
        try:
            return _write(source, roles, grid, folder, spoken, transpose=transpose, whole=whole)
        except NotWholeError:
            whole = False
        except _HeardError as error:
            spoken |= error.words


def _write(
    source: Source, roles: Roles, grid: Grid, folder: Path, spoken: frozenset[str], *, transpose: bool, whole: bool
) -> tuple[Labels, Parts]:
    labels, parts = Labels(source.names[roles.label], spoken, decimal=source.decimal), Parts(source.names, roles.split)
    shape = (grid.height, grid.width) if grid.channels == 1 else (grid.height, grid.width, grid.channels)
    texts = [roles.label] if roles.split is None else [roles.label, roles.split]
    rivals = {place: (grid.columns.index(place), Counter[str]()) for place in roles.rivals if place in grid.columns}
    with npy.Writer(folder / stored.VALUES, np.dtype(np.uint8 if whole else np.float32), shape) as writer:
        for batch in source.batches(texts, grid.columns, whole=whole):
            there = labels.add(batch.texts[roles.label], batch.where)
            if not there.all():
                if any(labels.dropped) and (heard := _heard(source, roles, labels)):
                    raise _HeardError(heard)
                raise UnreadableError(*_unlabelled(batch, there, roles.label, labels.column))
            parts.add(batch, there)
            for order, counted in rivals.values():
                values, times = np.unique(batch.numbers[:, order], return_counts=True)
                counted.update({f"{value:g}": int(count) for value, count in zip(values, times, strict=True)})
            writer.append(_pictures(batch.numbers, grid, transpose=transpose))
    for place, (_, counted) in rivals.items():
        if label.is_label(counted):
            (first, of_first), (last, of_last) = sorted([(roles.label, labels.counts()), (place, counted)])
            raise label.either(first, last, of_first, of_last)
    return labels, parts


def _heard(source: Source, roles: Roles, labels: Labels) -> frozenset[str]:
    """Give those of the words for nothing that are classes, by the labels of all rows."""
    every = Labels(labels.column, labels.spoken, decimal=labels.decimal)
    for batch in source.batches([roles.label]):
        every.add(batch.texts[roles.label], batch.where)
    return every.heard()


def _pictures(numbers: NDArray[Any], grid: Grid, *, transpose: bool) -> NDArray[Any]:
    if not transpose:
        return numbers
    turned = numbers.reshape(-1, grid.width, grid.height, grid.channels)
    return turned.swapaxes(1, 2)


def _unlabelled(batch: Batch, there: NDArray[np.bool_], place: int, column: str) -> list[Fault]:
    rows = np.flatnonzero(~there)[:MOST_FAULTS]
    return [
        Fault(
            f"{batch.where(int(row))}, column {column}",
            f"the picture has no label ({batch.texts[place][int(row)].as_py()!r} stands there)",
            "give it one, or take out the line",
        )
        for row in rows
    ]
