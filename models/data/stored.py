"""Examples on the disk: one .npy file for each of their arrays, written as they are read, mapped when they are used.

A table of before, uint8 [N, 785] with a label and 784 pixels in each row, is one file of another name.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data.examples import Examples
from models.data.schema import USUAL, Images, Table

VALUES, LABELS, PARTS, BEFORE = "values.npy", "labels.npy", "parts.npy", "table.npy"
"""What the files are called."""

FILES = (VALUES, LABELS, PARTS, BEFORE)


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
        values: NDArray[Any] = np.load(files[VALUES], mmap_mode="r", allow_pickle=False)
        labels: NDArray[np.int64] = np.load(files[LABELS], allow_pickle=False)
        parts = np.load(files[PARTS], allow_pickle=False) if PARTS in files else None
        if values.shape[1:] != self.schema.shape or labels.shape != values.shape[:1]:
            raise ValueError(
                f"examples of the form {list(self.schema.shape)} were stored, and {list(values.shape[1:])} are there"
            )
        return Examples(values, labels, self.schema, parts)
