"""What was measured of a network in an evaluation, as JSON takes it: as it is kept on record."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from models.evaluated.counts import Counts
from models.evaluated.curve import Curve
from models.evaluated.judged import Judged
from models.evaluated.paired import Difference, Paired
from models.metric import Metric


def write(judged: Judged, *, weights_sha256: str) -> dict[str, Any]:
    """Give all that is kept of a network that was judged; what is infinite is None."""
    return {
        "weights_sha256": weights_sha256,
        "temperature": judged.temperature,
        "classes": list(judged.classes),
        **judged.counts.as_dict(),
        "log_loss": _finite(judged.log_loss),
        "curve": None if judged.curve is None else judged.curve.as_dict(),
        "calibration": {
            "brier_score": judged.calibration.brier_score,
            "expected_calibration_error": judged.calibration.expected_calibration_error,
            "bins": [asdict(its) for its in judged.calibration.bins],
        },
        "guessing": judged.guessing,
        "unknown_classes": list(judged.unknown_classes),
        "absent_classes": list(judged.absent_classes),
        "notes": [asdict(note) for note in judged.notes],
        "rescaled": None if judged.rescaled is None else [list(scale) for scale in judged.rescaled],
    }


def write_paired(paired: Paired) -> dict[str, Any]:
    """Give all that is kept of a comparison."""
    figures = asdict(paired)
    return figures | {"accuracy": _difference(paired.accuracy), "metric": _difference(paired.metric)}


def headline(judged: Judged, metric: Metric, paired: Paired | None) -> dict[str, float | None]:
    """Give the figures of an evaluation that are shown in a list."""
    found = {
        "examples": judged.examples,
        "accuracy": judged.value("accuracy"),
        "value": _finite(judged.value(metric)),
    }
    return found if paired is None else found | {"difference": paired.metric.difference, "p": paired.p}


@dataclass(frozen=True, eq=False)
class Measured:
    """What was measured of a network, as it was written; `about` is the rest of the document."""

    classes: tuple[str, ...]
    counts: Counts
    curve: Curve | None
    log_loss: float | None
    about: Mapping[str, Any]

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Self:
        """Read what `write` has written."""
        curve = document["curve"]
        return cls(
            tuple(document["classes"]),
            Counts.parse(document),
            None if curve is None else Curve.parse(curve),
            document["log_loss"],
            document,
        )


def _difference(found: Difference) -> dict[str, Any]:
    return {
        "metric": found.metric,
        "model": _finite(found.ours),
        "against": _finite(found.theirs),
        "difference": found.difference,
        "interval": None if found.interval is None else list(found.interval),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
