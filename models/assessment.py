"""All that is measured of a trained network once, on its validation part, before it serves: with numpy alone.

What is measured is what is served: the network as `inference.read` gives it from the file of its best weights.

Legend of shapes: N validation images, C = 10 classes.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models import golden, novelty
from models.calibration import Calibration, entropy, fit_temperature, measure, softmax
from models.ensemble import Ensemble
from models.golden import Golden
from models.inference import Network
from models.novelty import Looks, Novelty
from models.spec import CLASSES

_AT_ONCE = 1000  # its images and hidden units stay in a processor's cache


@dataclass(frozen=True)
class ClassScores:
    """The scores of one class. What no example speaks of is None.

    `precision` is the share of those read as this class that belong to it, `recall` the share of those that belong to
    it that are read as it, `f1` the harmonic mean of the two; `examples` belong to it.
    """

    precision: float | None
    recall: float | None
    f1: float | None
    examples: int


@dataclass(frozen=True, eq=False)
class Assessment:
    """A network on its validation part.

    `confusion` [10][10] counts examples by true class (row) and predicted class (column). `before` is the calibration
    of its probabilities as they are, `after` that of those at `temperature`; both on the examples that the temperature
    was fitted to, one number for all of them.
    """

    examples: int
    accuracy: float
    confusion: tuple[tuple[int, ...], ...]
    classes: tuple[ClassScores, ...]
    temperature: float
    before: Calibration
    after: Calibration
    novelty: Novelty
    golden: Golden

    def as_dict(self) -> dict[str, Any]:
        """Give what is made of plain numbers, as JSON takes it; the other two have files of their own."""
        return {
            "examples": self.examples,
            "accuracy": self.accuracy,
            "confusion": [list(row) for row in self.confusion],
            "classes": [asdict(scores) for scores in self.classes],
            "temperature": self.temperature,
            "before": _plain(self.before),
            "after": _plain(self.after),
        }


def assess(
    network: Network | Ensemble, pixels: NDArray[np.uint8], labels_N: NDArray[np.int64], *, looks: Looks | None = None
) -> Assessment:
    """Measure a network on validation images [N, 28, 28]; `looks` are theirs, if they were learned before.

    Raises ValueError without a label for each of at least one image, or where the network's outputs are not numbers.
    """
    parts = [network.logits(pixels[start : start + _AT_ONCE]) for start in range(0, len(pixels), _AT_ONCE)]
    logits_NC = np.concatenate(parts) if parts else np.zeros((0, CLASSES), np.float32)
    temperature = fit_temperature(logits_NC, labels_N)
    predicted_N = logits_NC.argmax(axis=1)
    confusion = np.bincount(labels_N * CLASSES + predicted_N, minlength=CLASSES**2).reshape(CLASSES, CLASSES)
    return Assessment(
        examples=len(labels_N),
        accuracy=float(np.trace(confusion) / len(labels_N)),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        classes=class_scores(confusion),
        temperature=temperature,
        before=measure(logits_NC, labels_N),
        after=measure(logits_NC, labels_N, temperature=temperature),
        novelty=novelty.fit(pixels, entropy(softmax(logits_NC, temperature)), looks=looks),
        golden=golden.choose(network, pixels),
    )


def class_scores(confusion: NDArray[np.int64]) -> tuple[ClassScores, ...]:
    """Give precision, recall and F1 of each class, by the counts [10, 10] of true (row) and read class (column)."""
    right, belong, read = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    return tuple(
        ClassScores(
            precision=_ratio(right[label], read[label]),
            recall=_ratio(right[label], belong[label]),
            f1=_ratio(2 * right[label], belong[label] + read[label]),
            examples=int(belong[label]),
        )
        for label in range(len(confusion))
    )


def _plain(calibration: Calibration) -> dict[str, Any]:
    return {**asdict(calibration), "bins": [asdict(its) for its in calibration.bins]}


def _ratio(part: np.int64, whole: np.int64) -> float | None:
    return float(part / whole) if whole else None
