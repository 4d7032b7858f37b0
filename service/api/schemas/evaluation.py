"""What was measured of a network on labelled examples, as it is shown."""

import math
from collections.abc import Sequence
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from models.evaluated.counts import Counts
from models.evaluated.curve import Curve
from models.evaluated.kept import Evaluation

MOST_PAIRS = 100


class ClassScores(BaseModel):
    """The scores of one class; `null` is what no example speaks of."""

    name: str = Field(examples=["malignant"])
    examples: int = Field(description="Examples that belong to it.", examples=[42])
    precision: float | None = Field(description="Share of those read as this class that belong to it.")
    recall: float | None = Field(description="Share of those that belong to it that are read as it.")
    f1: float | None = Field(description="The harmonic mean of the two.")


class ConfusedPair(BaseModel):
    """Two classes of which one was read as the other."""

    true: str = Field(description="What the examples are.", examples=["Shirt"])
    read: str = Field(description="What they were read as.", examples=["T-shirt/top"])
    examples: int = Field(examples=[12])


class Threshold(BaseModel):
    """What comes of taking for the second class whatever is held for it with at least a probability."""

    threshold: float = Field(
        description="On the network's own probability, before the temperature of its version, by which `/predict` "
        "answers.",
        examples=[0.5],
    )
    true_positive_rate: float = Field(description="Share of the second class that is found: its recall.")
    false_positive_rate: float = Field(description="Share of the first class that is taken for the second.")
    precision: float = Field(description="Share of what is taken for the second class that belongs to it.")


class CurveView(BaseModel):
    """How well two classes are told apart, at any threshold on the probability of the second one, the positive."""

    positive: str = Field(description="The second class.", examples=["malignant"])
    negative: str = Field(description="The first class.", examples=["benign"])
    positives: int = Field(description="Examples of the second class.")
    negatives: int = Field(description="Examples of the first class.")
    roc_auc: float | None = Field(description="Area under ROC; `null` where one of the classes has no example.")
    average_precision: float | None = Field(description="Of precision by recall; `null` as the area.")
    points: list[Threshold] = Field(description="At most 200 thresholds, spread evenly along the curve, falling.")

    @classmethod
    def of(cls, curve: Curve, classes: Sequence[str]) -> Self:
        """Show a curve."""
        rates = (curve.thresholds, curve.true_positive_rate, curve.false_positive_rate, curve.precision)
        return cls(
            positive=classes[1],
            negative=classes[0],
            positives=curve.positives,
            negatives=curve.negatives,
            roc_auc=curve.roc_auc,
            average_precision=curve.average_precision,
            points=[
                Threshold(threshold=at, true_positive_rate=true, false_positive_rate=false, precision=precision)
                for at, true, false, precision in zip(*(rate.tolist() for rate in rates), strict=True)
            ],
        )


class Scores(BaseModel):
    """What a network comes to on labelled examples, as a whole and by class."""

    examples: int = Field(examples=[360])
    accuracy: float | None = Field(description="Share of the examples that were read rightly.", examples=[0.9444])
    balanced_accuracy: float | None = Field(description="Mean recall of the classes that have examples.")
    macro_f1: float | None = Field(description="Mean F1 of the classes that any example speaks of.")
    log_loss: float | None = Field(
        description="Mean of minus the log probability of the true class, in nats; `null` of jobs of earlier releases."
    )
    classes: list[ClassScores] = Field(description="In the order of their places.")
    confusion: list[list[int]] | None = Field(
        description="Examples by true class (row) and class read (column), in the order of `classes`; `null` of more "
        "than 100 classes."
    )
    confused: list[ConfusedPair] = Field(description="The pairs of classes confused most, at most 100.")
    confused_left_out: int = Field(description="Further pairs that were confused.", examples=[0])
    curve: CurveView | None = Field(description="Of two classes: ROC, and precision by recall.")


class EvaluationView(Scores):
    """What was measured of a network on the validation part after an epoch."""

    epoch: int = Field(description="The epoch, which is the last one, after which it was measured.", examples=[10])

    @classmethod
    def of(cls, found: Evaluation) -> Self:
        """Show what is kept of an evaluation."""
        return cls(epoch=found.epoch, **scores_of(found))


class _Scored(Protocol):
    @property
    def classes(self) -> Sequence[str]: ...
    @property
    def counts(self) -> Counts: ...
    @property
    def curve(self) -> Curve | None: ...
    @property
    def log_loss(self) -> float | None: ...


def scores_of(found: _Scored) -> dict[str, Any]:
    """Give the fields of `Scores` for what is kept of an evaluation."""
    counts = found.counts
    pairs = counts.pairs[:MOST_PAIRS].tolist()
    return {
        "examples": counts.examples,
        "accuracy": counts.accuracy,
        "balanced_accuracy": counts.balanced_accuracy,
        "macro_f1": counts.macro_f1,
        "log_loss": found.log_loss,
        "classes": _classes(counts, found.classes),
        "confusion": counts.as_dict().get("confusion"),
        "confused": [
            ConfusedPair(true=found.classes[true], read=found.classes[read], examples=often)
            for true, read, often in pairs
        ],
        "confused_left_out": len(counts.pairs) - len(pairs) + counts.pairs_left_out,
        "curve": None if found.curve is None else CurveView.of(found.curve, found.classes),
    }


def _classes(counts: Counts, classes: Sequence[str]) -> list[ClassScores]:
    columns = (counts.belong.tolist(), *(_known(values) for values in (counts.precision, counts.recall, counts.f1)))
    return [
        ClassScores(name=name, examples=examples, precision=precision, recall=recall, f1=f1)
        for name, examples, precision, recall, f1 in zip(classes, *columns, strict=True)
    ]


def _known(values_C: NDArray[np.float64]) -> list[float | None]:
    return [None if math.isnan(value) else value for value in values_C.tolist()]
