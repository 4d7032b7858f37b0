"""Whether a new version becomes its model's champion: always, never, or if it is better on the same examples.

Whoever makes a version has measured it and the champion (`worker/comparison.py`); what follows from that is said here.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from models.filing import PromotionTerms
from models.metric import score
from models.spec import TrainingSpec

MAJORITY_SHARE = "majority_share"
"""What is known of a version that was assessed: the share of the most frequent class of its validation part."""

VALUES, GUESSING = "values", "guessing"
"""And by each metric what it came to on its validation part, and what guessing comes to there."""

_ROUNDING = 1e-12
"""By so little figures differ that are equal: the same counts, added up and divided in another order."""

LEAST_EXAMPLES = 30
"""On fewer examples two networks are not compared: what shows there is chance."""


@dataclass(frozen=True)
class Promotion:
    """When a new version becomes its model's champion, and what that is decided by; see `PromotionTerms`."""

    rule: Literal["always", "if_better", "never"]
    margin: float = 0.0
    min_value: float | None = None
    worst_class_drop: float | None = None
    evaluate_on: str | None = None

    @classmethod
    def of(cls, terms: PromotionTerms) -> "Promotion":
        """Take what a spec, or the request for an ensemble, says of it."""
        return cls(
            terms.promote,
            terms.promote_margin,
            terms.promote_min_value,
            terms.promote_worst_class_drop,
            terms.evaluate_on,
        )


@dataclass(frozen=True)
class WorstClass:
    """The class that loses most by a new version: the share of its examples that it and the champion find."""

    name: str
    recall: float
    champion_recall: float


@dataclass(frozen=True)
class Comparison:
    """What a new version, and the champion if there is one, came to on the same examples.

    `examples` of the `part` of `dataset` were measured on, `left_out` are those that one of the two has learned from.
    `value` and `champion_value` are by `metric`, `guessing` is what it takes no network for. `difference` is between
    the two values, with its 95 % interval, and `p` that of McNemar's exact test: told, and nothing is decided by them.
    `learned_unknown` says that it is not known any more what the champion learned from.
    """

    dataset: str
    part: str
    examples: int
    left_out: int
    metric: str
    value: float
    guessing: float
    champion: int | None = None
    champion_value: float | None = None
    difference: float | None = None
    interval: tuple[float, float] | None = None
    p: float | None = None
    worst_class: WorstClass | None = None
    learned_unknown: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Give what JSON takes."""
        told = asdict(self)
        told["interval"] = None if self.interval is None else list(self.interval)
        # A log loss is infinite where a network has no place for a class: JSON has no word for that.
        return {
            key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in told.items()
        }


@dataclass(frozen=True)
class Verdict:
    """What keeps a new version from being champion, if anything, and what was measured for that.

    It holds for the `champion` with which it was compared, or for that there is none; `is_final`: whoever that is.
    """

    champion: int | None
    obstacle: str | None = None
    comparison: Comparison | None = None
    is_final: bool = False


NOT_COMPARED = "it was not compared with the champion"


def obstacle_to(promotion: Promotion, found: Comparison) -> str | None:
    """Say which condition keeps a new version from being champion, with both figures and how many examples they are of.

    Conditions are looked at in this order: better than guessing, `promote_min_value`, better than the champion by
    `promote_margin`, `promote_worst_class_drop`.
    """
    where = f"on {found.examples:,} examples ({found.part} of {found.dataset})"
    mine, value = score(found.metric, found.value), f"{found.value:.4f}"
    its = f"its {_called(found.metric)} {where}, {value},"
    least = promotion.min_value
    if mine <= score(found.metric, found.guessing) + _ROUNDING:
        by = "the share of the most frequent class" if found.metric == "accuracy" else "that of guessing"
        return f"it is no better than guessing: {its} {_not_better(found.metric)} {by}, {found.guessing:.4f}"
    if least is not None and mine < score(found.metric, least) - _ROUNDING:
        return f"{its} is {'above' if found.metric == 'log_loss' else 'below'} promote_min_value, {least:g}"
    if found.champion is None or found.champion_value is None:
        return None
    champion = f"the champion, version {found.champion}"
    if mine - score(found.metric, found.champion_value) <= promotion.margin + _ROUNDING:
        by = f" by more than promote_margin, {promotion.margin:g}" if promotion.margin else ""
        return f"{its} {_not_better(found.metric)} that of {champion}, {found.champion_value:.4f}{by}"
    worst, drop = found.worst_class, promotion.worst_class_drop
    if drop is not None and worst is not None and worst.champion_recall - worst.recall > drop + _ROUNDING:
        return (
            f"of the class {worst.name!r} it finds {worst.recall:.4f}, and {champion}, {worst.champion_recall:.4f}, "
            f"{where}: {worst.champion_recall - worst.recall:.4f} less, which is more than promote_worst_class_drop, "
            f"{drop:g}"
        )
    return None


def _called(metric: str) -> str:
    return metric.replace("_", " ")


def _not_better(metric: str) -> str:
    return "is not below" if metric == "log_loss" else "does not exceed"


def measured_on(spec: Mapping[str, Any], data_sha256: str | None) -> tuple[str | None, float, int, bool]:
    """Tell validation parts apart: which data set, what share of it, and drawn by which seed, by classes or not."""
    known = TrainingSpec.model_validate(spec)
    return data_sha256, known.validation_fraction, known.split_seed, bool(known.stratify)
