"""Whether a new version becomes its model's champion: always, never, or if it is better on the same images."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from models.spec import TrainingSpec
from service.store.engine import Row

MAJORITY_SHARE = "majority_share"
"""What is known of a version that was assessed: the share of the most frequent class of its validation part."""


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
    accuracy, guessed = values["val_accuracy"], facts.get(MAJORITY_SHARE)
    if accuracy is not None and guessed is not None and accuracy <= guessed:
        return (
            f"it is no better than guessing: its validation accuracy, {accuracy:.4f}, does not exceed the share of the "
            f"most frequent class of the validation part, {guessed:.4f}"
        )
    if champion is None:
        return None
    mine = measured_on(values["spec"], values["data_sha256"])
    if champion.data_sha256 is None or measured_on(champion.spec, champion.data_sha256) != mine:
        return f"the champion, version {champion.version}, was measured on another validation part"
    if accuracy is None:
        return "it could not be assessed"
    if champion.val_accuracy is not None and accuracy - champion.val_accuracy <= promotion.margin:
        return (
            f"its validation accuracy, {accuracy:.4f}, does not exceed that of the champion, version "
            f"{champion.version}, {champion.val_accuracy:.4f}, by more than {promotion.margin:g}"
        )
    return None


def measured_on(spec: Mapping[str, Any], data_sha256: str | None) -> tuple[str | None, float, int, bool]:
    """Tell validation parts apart: which data set, what share of it, and drawn by which seed, by classes or not."""
    known = TrainingSpec.model_validate(spec)
    return data_sha256, known.validation_fraction, known.split_seed, bool(known.stratify)
