"""Whether a new version becomes its model's champion: always, never, or if it is better on the same images."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from models.spec import TrainingSpec
from service.store.engine import Row


@dataclass(frozen=True)
class Promotion:
    """When a new version becomes its model's champion; see `TrainingSpec`."""

    rule: Literal["always", "if_better", "never"]
    margin: float = 0.0


def obstacle_to(promotion: Promotion, values: Mapping[str, Any], champion: Row | None) -> str | None:
    """Say what keeps a new version, of these values, from being champion in place of the present one, if anything."""
    if promotion.rule != "if_better":
        return None if promotion.rule == "always" else "promote is never"
    if champion is None:
        return None
    mine = measured_on(values["spec"], values["data_sha256"])
    if champion.data_sha256 is None or measured_on(champion.spec, champion.data_sha256) != mine:
        return f"the champion, version {champion.version}, was measured on another validation part"
    if values["val_accuracy"] is None:
        return "it could not be assessed"
    if champion.val_accuracy is not None and values["val_accuracy"] - champion.val_accuracy <= promotion.margin:
        return (
            f"its validation accuracy, {values['val_accuracy']:.4f}, does not exceed that of the champion, version "
            f"{champion.version}, {champion.val_accuracy:.4f}, by more than {promotion.margin:g}"
        )
    return None


def measured_on(spec: Mapping[str, Any], data_sha256: str | None) -> tuple[str | None, float, int]:
    """Tell validation parts apart: which data set, what share of it, and drawn by which seed."""
    known = TrainingSpec.model_validate(spec)
    return data_sha256, known.validation_fraction, known.split_seed
