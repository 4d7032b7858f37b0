"""Examples on the disk: .npy files of each of their arrays, written as they are read, mapped when they are used.

The values of a version to which examples were appended lie in several files, `values.npy`, `values.1.npy` and so on:
those of the version before are shared, and not written again. A table of before, uint8 [N, 785] with a label and 784
pixels in each row, is one file of another name.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from models.data.examples import Examples
from models.data.schema import USUAL, Images, Table
from models.data.segments import Segments

VALUES, LABELS, PARTS, BEFORE = "values.npy", "labels.npy", "parts.npy", "table.npy"
"""What the files are called."""

MARKS = "marks.npy"
"""A hash of each example, uint64 [N]: which are equal is known without a look at all of their numbers."""

_SEGMENT = re.compile(r"values(?:\.([1-9]\d*))?\.npy")


def is_array(name: str) -> bool:
    """Whether a file of this name holds examples."""
    return name in {LABELS, PARTS, BEFORE} or _SEGMENT.fullmatch(name) is not None


def segment(number: int) -> str:
    """Give the name of the file that holds the values of a segment, counted from 0."""
    return VALUES if number == 0 else f"values.{number}.npy"


def segments(names: Iterable[str]) -> list[str]:
    """Give those of the names that are of files of values, in their order."""
    found = {int(match[1] or 0): name for name in names if (match := _SEGMENT.fullmatch(name)) is not None}
    return [found[number] for number in sorted(found)]


@dataclass(frozen=True)
class Stored:
    """Where the arrays of a data set lie, by the names of their files, and its schema."""

    files: tuple[tuple[str, Path], ...]
    schema: Images | Table = USUAL

    def load(self) -> Examples:
        """Map the arrays; raises ValueError or OSError where they are not what they were."""
        files = dict(self.files)
        if BEFORE in files:
            table = np.load(files[BEFORE], mmap_mode="r", allow_pickle=False)
            return Examples(table[:, 1:].reshape(-1, 28, 28), table[:, 0].astype(np.int64), self.schema)
        if not files.keys() >= {VALUES, LABELS}:
            raise ValueError("the examples are not there any more")
        pieces = [np.load(files[name], mmap_mode="r", allow_pickle=False) for name in segments(files)]
        # Several pieces are read as one array is, wherever examples are used.
        values: NDArray[Any] = pieces[0] if len(pieces) == 1 else cast("NDArray[Any]", Segments(pieces))
        labels: NDArray[np.int64] = np.load(files[LABELS], allow_pickle=False)
        parts = np.load(files[PARTS], allow_pickle=False) if PARTS in files else None
        if values.shape[1:] != self.schema.shape or labels.shape != values.shape[:1]:
            raise ValueError(
                f"examples of the form {list(self.schema.shape)} were stored, and {list(values.shape[1:])} are there"
            )
        return Examples(values, labels, self.schema, parts)
