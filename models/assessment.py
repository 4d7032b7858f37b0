"""All that is measured of a trained network once, on its validation part, before it serves: with numpy alone.

What is measured is what is served: the network as `inference.read` gives it from the file of its best weights.

Legend of shapes: N validation examples, C classes.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models import golden, measures, novelty
from models.calibration import Calibration, entropy, fit_temperature, measure, softmax
from models.ensemble import Ensemble
from models.golden import Golden
from models.inference import Network, as_sent, taken_in
from models.novelty import Looks, Novelty

_AT_ONCE = 1000  # its images and hidden units stay in a processor's cache
_MOST_BYTES = 2**26  # of the examples at once, in float32


@dataclass(frozen=True)
class ClassScores:
    """The scores of the class of this name. What no example speaks of is None.

    `precision` is the share of those read as this class that belong to it, `recall` the share of those that belong to
    it that are read as it, `f1` the harmonic mean of the two; `examples` belong to it.
    """

    name: str
    precision: float | None
    recall: float | None
    f1: float | None
    examples: int


@dataclass(frozen=True, eq=False)
class Assessment:
    """A network on its validation part.

    `confusion` [C][C] counts examples by true class (row) and predicted class (column). `balanced_accuracy` and
    `macro_f1` are as `models.measures` has them. `before` is the calibration of its probabilities as they are, `after`
    that of those at `temperature`; both on the examples that the temperature was fitted to, one number for all of them.
    """

    examples: int
    accuracy: float
    balanced_accuracy: float
    macro_f1: float
    confusion: tuple[tuple[int, ...], ...]
    classes: tuple[ClassScores, ...]
    temperature: float
    before: Calibration
    after: Calibration
    novelty: Novelty
    golden: Golden

    @property
    def values(self) -> dict[str, float]:
        """Give what it comes to by each metric that a spec may name."""
        return {
            "accuracy": self.accuracy,
            "balanced_accuracy": self.balanced_accuracy,
            "macro_f1": self.macro_f1,
            "log_loss": self.before.negative_log_likelihood,
        }

    @property
    def guessing(self) -> dict[str, float]:
        """Give what guessing comes to on the same examples, by each metric."""
        return measures.guessing(np.array([scores.examples for scores in self.classes]))

    def as_dict(self) -> dict[str, Any]:
        """Give what is made of plain numbers, as JSON takes it; the other two have files of their own."""
        return {
            "examples": self.examples,
            "accuracy": self.accuracy,
            "balanced_accuracy": self.balanced_accuracy,
            "macro_f1": self.macro_f1,
            "confusion": [list(row) for row in self.confusion],
            "classes": [asdict(scores) for scores in self.classes],
            "temperature": self.temperature,
            "before": _plain(self.before),
            "after": _plain(self.after),
        }


def assess(
    network: Network | Ensemble, values: NDArray[Any], labels_N: NDArray[np.int64], *, looks: Looks | None = None
) -> Assessment:
    """Measure a network on validation examples [N, ...] as they are stored; `looks` are theirs, if learned before.

    Raises ValueError without a label for each of at least one example, or where the network's outputs are not numbers.
    """
    schema, names = network.schema, network.schema.classes
    at_once = max(1, min(_AT_ONCE, _MOST_BYTES // (4 * schema.inputs)))
    parts = [
        network.logits(taken_in(as_sent(values[start : start + at_once], schema), network.plan))
        for start in range(0, len(values), at_once)
    ]
    logits_NC = np.concatenate(parts) if parts else np.zeros((0, len(names)), np.float32)
    temperature = fit_temperature(logits_NC, labels_N)
    pairs_N = labels_N * len(names) + logits_NC.argmax(axis=1)
    confusion = np.bincount(pairs_N, minlength=len(names) ** 2).reshape(len(names), len(names))
    classes = class_scores(confusion, names)
    return Assessment(
        examples=len(labels_N),
        accuracy=float(np.trace(confusion) / len(labels_N)),
        balanced_accuracy=measures.balanced_accuracy(confusion),
        macro_f1=measures.macro_f1(confusion),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        classes=classes,
        temperature=temperature,
        before=measure(logits_NC, labels_N),
        after=measure(logits_NC, labels_N, temperature=temperature),
        novelty=novelty.fit(values, entropy(softmax(logits_NC, temperature)), schema, network.plan, looks=looks),
        golden=golden.choose(network, values),
    )


def class_scores(confusion: NDArray[np.int64], names: Sequence[str]) -> tuple[ClassScores, ...]:
    """Give precision, recall and F1 of each class, by the counts [C, C] of true (row) and read class (column)."""
    right, belong, read = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    return tuple(
        ClassScores(
            name=name,
            precision=_ratio(right[label], read[label]),
            recall=_ratio(right[label], belong[label]),
            f1=_ratio(2 * right[label], belong[label] + read[label]),
            examples=int(belong[label]),
        )
        for label, name in enumerate(names)
    )


def _plain(calibration: Calibration) -> dict[str, Any]:
    return {**asdict(calibration), "bins": [asdict(its) for its in calibration.bins]}


def _ratio(part: np.int64, whole: np.int64) -> float | None:
    return float(part / whole) if whole else None
