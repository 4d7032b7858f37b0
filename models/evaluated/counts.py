"""How often each class was read as each other, also where there are too many classes for a whole matrix.

Legend of shapes: C classes, P pairs of classes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

MOST_WHOLE = 100
"""Of more classes than these, pairs that were confused are kept instead of the matrix."""

MOST_PAIRS = 2000


@dataclass(frozen=True, eq=False)
class Counts:
    """What was read as what. int64 [C]: `right` were read as what they are, `belong` to the class, `read` as it.

    `pairs` int64 [P, 3] are true class, read class and how often, of those confused at all, the most often first.
    `pairs_left_out` further ones, of `examples_left_out` examples, are known only by the sums.
    """

    right: NDArray[np.int64]
    belong: NDArray[np.int64]
    read: NDArray[np.int64]
    pairs: NDArray[np.int64]
    pairs_left_out: int = 0
    examples_left_out: int = 0

    @classmethod
    def of(cls, confusion: NDArray[np.int64], *, most: int | None = None) -> Self:
        """Take the counts [C, C] of true (row) and read class (column) apart; keep at most so many pairs."""
        wrong = confusion.copy()
        np.fill_diagonal(wrong, 0)
        true, read = np.nonzero(wrong)
        often = wrong[true, read]
        order = np.argsort(-often, kind="stable")
        kept = order[:most]
        pairs = np.stack([true[kept], read[kept], often[kept]], axis=1).astype(np.int64)
        left = len(order) - len(kept)
        examples = int(often.sum() - often[kept].sum())
        return cls(np.diag(confusion).copy(), confusion.sum(axis=1), confusion.sum(axis=0), pairs, left, examples)

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Self:
        """Read what `as_dict` has written, or a matrix, as it was always kept for few classes."""
        if document.get("confusion") is not None:
            return cls.of(np.array(document["confusion"], np.int64))
        counts = document["counts"]
        right, belong, read = (np.array(counts[name], np.int64) for name in ("right", "belong", "read"))
        pairs = np.array(counts["pairs"], np.int64).reshape(-1, 3)
        return cls(right, belong, read, pairs, counts["pairs_left_out"], counts["examples_left_out"])

    def as_dict(self) -> dict[str, Any]:
        """Give them as JSON takes them: the matrix, or of more than `MOST_WHOLE` classes the sums and the pairs."""
        matrix = self.matrix() if len(self.right) <= MOST_WHOLE else None
        if matrix is not None:
            return {"confusion": matrix.tolist()}
        counts: dict[str, Any] = {name: getattr(self, name).tolist() for name in ("right", "belong", "read", "pairs")}
        return {"counts": counts | {name: getattr(self, name) for name in ("pairs_left_out", "examples_left_out")}}

    def matrix(self) -> NDArray[np.int64] | None:
        """Give the counts [C, C] of true (row) and read class (column); None where pairs were left out."""
        if self.pairs_left_out:
            return None
        confusion = np.diag(self.right)
        confusion[self.pairs[:, 0], self.pairs[:, 1]] = self.pairs[:, 2]
        return confusion

    @property
    def examples(self) -> int:
        """Count all examples."""
        return int(self.belong.sum())

    @property
    def mistakes(self) -> int:
        """Count the examples that were read as something else."""
        return self.examples - int(self.right.sum())

    @cached_property
    def precision(self) -> NDArray[np.float64]:
        """Give the share of those read as a class that belong to it, [C]; NaN where none was read so."""
        return _ratio(self.right, self.read)

    @cached_property
    def recall(self) -> NDArray[np.float64]:
        """Give the share of those that belong to a class that are read as it, [C]; NaN where none belongs."""
        return _ratio(self.right, self.belong)

    @cached_property
    def f1(self) -> NDArray[np.float64]:
        """Give the harmonic mean of precision and recall, [C]; NaN where no example speaks of the class."""
        return _ratio(2 * self.right, self.belong + self.read)

    @property
    def accuracy(self) -> float | None:
        """Give the share of examples that were read rightly; None without any."""
        return float(self.right.sum() / self.examples) if self.examples else None

    @property
    def balanced_accuracy(self) -> float | None:
        """Give the mean recall of those classes that have examples; None without any."""
        return _mean(self.recall)

    @property
    def macro_f1(self) -> float | None:
        """Give the mean F1 of those classes that any example speaks of; None without any."""
        return _mean(self.f1)


def _ratio(part_C: NDArray[np.int64], whole_C: NDArray[np.int64]) -> NDArray[np.float64]:
    ratio_C = np.full(len(part_C), np.nan)
    np.divide(part_C, whole_C, out=ratio_C, where=whole_C > 0)
    return ratio_C


def _mean(values_C: NDArray[np.float64]) -> float | None:
    known = values_C[~np.isnan(values_C)]
    return float(known.mean()) if known.size else None
