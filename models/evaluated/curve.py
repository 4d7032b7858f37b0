"""How well two classes are told apart at every threshold: what ROC and precision and recall are drawn from.

Legend of shapes: N examples, T thresholds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

POINTS = 200
"""Thresholds that are kept, at most, spread evenly along the curve of true and false positives."""

_CHOSEN = 0.5


@dataclass(frozen=True, eq=False)
class Curve:
    """Of two classes, what a threshold on the probability of the second one would take for it.

    Of `positives` examples that belong to the second class, and `negatives` that do not, `true_positives` and
    `false_positives` int64 [T] have at least the probability `thresholds` float64 [T], which falls. The areas are those
    of all thresholds, not only of those kept: `roc_auc` under true by false positives, and `average_precision`. They
    are None where one of the classes has no example.
    """

    positives: int
    negatives: int
    thresholds: NDArray[np.float64]
    true_positives: NDArray[np.int64]
    false_positives: NDArray[np.int64]
    roc_auc: float | None
    average_precision: float | None

    @classmethod
    def of(cls, scores_N: NDArray[np.floating], labels_N: NDArray[np.integer]) -> Self:
        """Measure probabilities of the second class against labels, of which 1 is that class."""
        order = np.argsort(-scores_N, kind="stable")
        scores, is_positive = scores_N[order], labels_N[order] == 1
        # Of equal scores, only all of them can be taken.
        last = np.flatnonzero(np.append(scores[1:] != scores[:-1], True)) if len(scores) else np.zeros(0, np.intp)
        true, false = np.cumsum(is_positive)[last], np.cumsum(~is_positive)[last]
        positives, negatives = int(is_positive.sum()), int((~is_positive).sum())
        auc = precision = None
        if positives and negatives:
            rising, along = np.append(0, true) / positives, np.append(0, false) / negatives
            auc = float(np.trapezoid(rising, along))
            precision = float((np.diff(rising) * true / (true + false)).sum())
        kept = _spread(true / max(positives, 1) + false / max(negatives, 1), scores[last])
        thresholds = np.array([float(f"{score:.9g}") for score in scores[last][kept]], np.float64)
        return cls(positives, negatives, thresholds, true[kept], false[kept], auc, precision)

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Self:
        """Read what `as_dict` has written."""
        arrays = {
            "thresholds": np.array(document["thresholds"], np.float64),
            "true_positives": np.array(document["true_positives"], np.int64),
            "false_positives": np.array(document["false_positives"], np.int64),
        }
        return cls(**{**document, **arrays})

    def as_dict(self) -> dict[str, Any]:
        """Give it as JSON takes it."""
        return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in vars(self).items()}

    @property
    def true_positive_rate(self) -> NDArray[np.float64]:
        """Give the share [T] of the second class that is found, which is the recall."""
        return self.true_positives / max(self.positives, 1)

    @property
    def false_positive_rate(self) -> NDArray[np.float64]:
        """Give the share [T] of the first class that is taken for the second."""
        return self.false_positives / max(self.negatives, 1)

    @property
    def precision(self) -> NDArray[np.float64]:
        """Give the share [T] of what is taken for the second class that belongs to it."""
        precision: NDArray[np.float64] = self.true_positives / np.maximum(self.true_positives + self.false_positives, 1)
        return precision

    @property
    def usual(self) -> int | None:
        """Give the place of the least threshold above a half, at which the more probable class is chosen."""
        above = np.flatnonzero(self.thresholds > _CHOSEN)
        return int(above[-1]) if above.size else None


def _spread(lengths_T: NDArray[np.float64], scores_T: NDArray[np.floating]) -> NDArray[np.intp]:
    """Choose places about evenly spaced along the curve, both ends and the usual choice among them."""
    if len(lengths_T) <= POINTS:
        return np.arange(len(lengths_T))
    places = np.searchsorted(lengths_T, np.linspace(lengths_T[0], lengths_T[-1], POINTS - 1))
    usual = max(int(np.count_nonzero(scores_T > _CHOSEN)) - 1, 0)
    return np.unique(np.append(np.minimum(places, len(lengths_T) - 1), usual))
