"""Whether a new version becomes its model's champion: always, never, or if it is better on the same examples."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from models.metric import score
from models.spec import TrainingSpec
from service.store.engine import Row

MAJORITY_SHARE = "majority_share"
"""What is known of a version that was assessed: the share of the most frequent class of its validation part."""

VALUES, GUESSING = "values", "guessing"
"""And by each metric what it came to on its validation part, and what guessing comes to there."""


@dataclass(frozen=True)
class Promotion:
    """When a new version becomes its model's champion; see `TrainingSpec`."""

    rule: Literal["always", "if_better", "never"]
    margin: float = 0.0


def obstacle_to(
    promotion: Promotion, values: Mapping[str, Any], facts: Mapping[str, Any], champion: Row | None
) -> str | None:
    """Say what keeps a new version, of these values and facts, from being champion instead of the present one, if any.

    Of a network that was not assessed it is not known what guessing would have come to: it is compared all the same.
    """
    if promotion.rule != "if_better":
        return None if promotion.rule == "always" else "promote is never"
    metric = values["spec"].get("metric") or "accuracy"
    mine, guessed = _value(metric, values["val_accuracy"], facts), _guessed(metric, facts)
    if mine is not None and guessed is not None and score(metric, mine) <= score(metric, guessed):
        by = (
            "the share of the most frequent class of the validation part"
            if metric == "accuracy"
            else "that of guessing"
        )
        said = f"its {_called(metric)}, {mine:.4f}, {_not_better(metric)} {by}, {guessed:.4f}"
        return f"it is no better than guessing: {said}"
    if champion is None:
        return None
    here = measured_on(values["spec"], values["data_sha256"])
    if champion.data_sha256 is None or measured_on(champion.spec, champion.data_sha256) != here:
        return f"the champion, version {champion.version}, was measured on another validation part"
    if mine is None:
        return "it could not be assessed"
    its = _value(metric, champion.val_accuracy, champion.facts)
    if its is None:
        return (
            None if metric == "accuracy" else f"the champion, version {champion.version}, was not measured by {metric}"
        )
    if score(metric, mine) - score(metric, its) <= promotion.margin:
        return (
            f"its {_called(metric)}, {mine:.4f}, {_not_better(metric)} that of the champion, version "
            f"{champion.version}, {its:.4f}, by more than {promotion.margin:g}"
        )
    return None


def _value(metric: str, val_accuracy: float | None, facts: Mapping[str, Any]) -> float | None:
    return val_accuracy if metric == "accuracy" else facts.get(VALUES, {}).get(metric)


def _guessed(metric: str, facts: Mapping[str, Any]) -> float | None:
    return facts.get(MAJORITY_SHARE) if metric == "accuracy" else facts.get(GUESSING, {}).get(metric)


def _called(metric: str) -> str:
    return f"validation {metric.replace('_', ' ')}"


def _not_better(metric: str) -> str:
    return "is not below" if metric == "log_loss" else "does not exceed"


def measured_on(spec: Mapping[str, Any], data_sha256: str | None) -> tuple[str | None, float, int, bool]:
    """Tell validation parts apart: which data set, what share of it, and drawn by which seed, by classes or not."""
    known = TrainingSpec.model_validate(spec)
    return data_sha256, known.validation_fraction, known.split_seed, bool(known.stratify)
