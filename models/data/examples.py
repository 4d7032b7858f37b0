"""Labelled images as whole arrays in memory.

Legend of shapes: N examples.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from models.spec import CLASSES


@dataclass(frozen=True, eq=False)
class Examples:
    """Labelled images as they came: pixels uint8 [N, 28, 28] with ink light on dark, labels int64 [N]."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]

    @cached_property
    def digest(self) -> str:
        """Give the SHA-256 of the pixels and the labels, in hexadecimal."""
        return hashlib.sha256(self.pixels.tobytes() + self.labels.tobytes()).hexdigest()

    def class_counts(self) -> list[int]:
        """Count the examples of each class, 0 to 9."""
        return [int(count) for count in np.bincount(self.labels, minlength=CLASSES)]

    def mean_and_deviation(self) -> tuple[float, float]:
        """Give mean and standard deviation of all pixels, on the scale 0-255; exact, whatever the thread count."""
        counts = np.bincount(self.pixels.ravel(), minlength=256).astype(np.float64)
        values = np.arange(256, dtype=np.float64)
        mean = float((counts * values).sum() / counts.sum())
        deviation = float(np.sqrt((counts * (values - mean) ** 2).sum() / counts.sum()))
        return mean, deviation

    def sample(self, count: int, *, seed: int) -> "Examples":
        """Draw `count` examples at random, without repetition; all of them when there are fewer."""
        rows = np.random.default_rng(seed).permutation(len(self.labels))[:count]
        return Examples(self.pixels[rows], self.labels[rows])
