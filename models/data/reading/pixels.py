"""Rows of pixels, written as pictures while they are read."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data import stored
from models.data.reading import npy
from models.data.reading.classes import Labels
from models.data.reading.found import MOST_FAULTS, Fault, UnreadableError
from models.data.reading.grid import Grid
from models.data.reading.parts import Parts
from models.data.reading.roles import Roles
from models.data.reading.source import Batch, NotWholeError, Source


def write(source: Source, roles: Roles, grid: Grid, folder: Path, *, transpose: bool) -> tuple[Labels, Parts]:
    """Write the pixels of all rows as uint8, or else as float32, [N, height, width] or [N, height, width, 3].

    Raises UnreadableError where a row has no label, or a pixel that is no number.
    """
    try:
        return _write(source, roles, grid, folder, transpose=transpose, whole=True)
    except NotWholeError:
        return _write(source, roles, grid, folder, transpose=transpose, whole=False)


def _write(
    source: Source, roles: Roles, grid: Grid, folder: Path, *, transpose: bool, whole: bool
) -> tuple[Labels, Parts]:
    labels, parts = Labels(source.names[roles.label]), Parts(source.names, roles.split)
    shape = (grid.height, grid.width) if grid.channels == 1 else (grid.height, grid.width, grid.channels)
    texts = [roles.label] if roles.split is None else [roles.label, roles.split]
    with npy.Writer(folder / stored.VALUES, np.dtype(np.uint8 if whole else np.float32), shape) as writer:
        for batch in source.batches(texts, grid.columns, whole=whole):
            there = labels.add(batch.texts[roles.label], batch.where)
            if not there.all():
                raise UnreadableError(*_unlabelled(batch, there, roles.label, labels.column))
            parts.add(batch, there)
            writer.append(_pictures(batch.numbers, grid, transpose=transpose))
    return labels, parts


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
