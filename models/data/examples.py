"""Labelled examples as whole arrays in memory, or mapped from a file.

Legend of shapes: N examples.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data.schema import USUAL, Images, Table

TRAIN, VALIDATION, TEST = range(3)
"""What `parts` says of an example, where a file has a split of its own."""


@dataclass(frozen=True, eq=False)
class Examples:
    """Labelled examples as they are stored.

    values: [N, *schema.shape]; uint8 or float32 of pictures, float64 of a table. labels: int64 [N], places among
    `schema.classes`. parts: uint8 [N], TRAIN, VALIDATION or TEST, where the file says so itself. `known_digest` is
    that of the content where it is known by another one than the schema would give it.
    """

    values: NDArray[Any]
    labels: NDArray[np.int64]
    schema: Images | Table = USUAL
    parts: NDArray[np.uint8] | None = None
    known_digest: str | None = None

    @cached_property
    def digest(self) -> str:
        """Give the SHA-256 of the content, in hexadecimal.

        In MNIST's form, however pictures are brought to it, it is that of the pixels and the labels; else that of the
        canonical JSON of schema and shapes, a line feed, and the arrays, little-endian in C order. Built-in data sets
        keep the first, whatever their classes are called (see `models.data.load`).
        """
        if self.known_digest is not None:
            return self.known_digest
        digest = hashlib.sha256()
        arrays = [self.values, self.labels] if self.parts is None else [self.values, self.labels, self.parts]
        if self.parts is not None or self.schema.model_copy(update=_AS_USUAL) != USUAL:
            about = {
                "schema": self.schema.model_dump(mode="json"),
                "arrays": [[array.dtype.newbyteorder("<").str, list(array.shape)] for array in arrays],
            }
            text = json.dumps(about, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            digest.update(f"{text}\n".encode())
        for array in arrays:
            for start in range(0, len(array), _AT_ONCE):
                rows = array[start : start + _AT_ONCE]
                digest.update(np.ascontiguousarray(rows, rows.dtype.newbyteorder("<")).data)
        return digest.hexdigest()

    def class_counts(self) -> list[int]:
        """Count the examples of each class, in the order of their names."""
        return [int(count) for count in np.bincount(self.labels, minlength=len(self.schema.classes))]

    def take(self, rows: NDArray[np.integer]) -> "Examples":
        """Give the examples of these rows, in their order."""
        parts = None if self.parts is None else self.parts[rows]
        return Examples(self.values[rows], self.labels[rows], self.schema, parts)

    def mean_and_deviation(self, rows: NDArray[np.integer] | None = None) -> tuple[float, float]:
        """Give mean and standard deviation of all stored numbers of pictures, or of those of these rows.

        Exact, whatever the thread count.
        """
        chosen = np.arange(len(self.values)) if rows is None else rows
        pieces = [chosen[start : start + _AT_ONCE] for start in range(0, len(chosen), _AT_ONCE)]
        if self.values.dtype != np.uint8:
            count = len(chosen) * self.schema.inputs
            mean = sum(float(self.values[piece].sum(dtype=np.float64)) for piece in pieces) / count
            squares = (float(((self.values[piece].astype(np.float64) - mean) ** 2).sum()) for piece in pieces)
            return mean, float(np.sqrt(sum(squares) / count))
        return of_levels(
            sum((_counted(self.values[piece]) for piece in pieces), np.zeros(256, np.int64)).astype(np.float64)
        )

    def levels(self) -> NDArray[np.int64]:
        """Count each of the numbers 0 to 255 among all values, which are uint8; int64 [256]."""
        counts = np.zeros(256, np.int64)
        for start in range(0, len(self.values), _AT_ONCE):
            counts += _counted(self.values[start : start + _AT_ONCE])
        return counts

    def sample(self, count: int, *, seed: int) -> "Examples":
        """Draw `count` examples at random, without repetition; all of them when there are fewer."""
        return self.take(np.random.default_rng(seed).permutation(len(self.labels))[:count])


def _counted(values: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Count each of the numbers 0 to 255, int64 [256]: two at a time takes half as long, and comes to the same."""
    flat = values.ravel()
    pairs = np.bincount(flat[: len(flat) // 2 * 2].view(np.uint16), minlength=65_536).reshape(256, 256)
    counts: NDArray[np.int64] = np.bincount(flat[len(flat) // 2 * 2 :], minlength=256)
    counts += pairs.sum(axis=0) + pairs.sum(axis=1)
    return counts


def of_levels(counts: NDArray[np.float64]) -> tuple[float, float]:
    """Give mean and standard deviation of whole numbers of which each of 0 to 255 was counted, float64 [256]."""
    values = np.arange(256, dtype=np.float64)
    mean = float((counts * values).sum() / counts.sum())
    deviation = float(np.sqrt((counts * (values - mean) ** 2).sum() / counts.sum()))
    return mean, deviation


_AT_ONCE = 4096
_AS_USUAL = {"preparation": USUAL.preparation}
