"""The presets of sweeps: `report`, the ten trials of the study that Tenfold grew out of, and `best`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.spec import FILING, TrainingSpec

FIELDS = ("architecture", "hidden_sizes", "dropout", "learning_rate", "epochs")
_ANYHOW = FILING | {"batch_size", "seed", "order_seed", "split_seed"}
"""Fields that the report does not give, or that change nothing that is trained."""


@dataclass(frozen=True)
class Reported:
    """A trial of the report: its hyper-parameters, and the accuracies that were reached with them."""

    fields: Mapping[str, Any]
    train_accuracy: float
    val_accuracy: float


def _trial(*figures: Any) -> Reported:
    *values, train_accuracy, val_accuracy = figures
    return Reported(dict(zip(FIELDS, values, strict=True)), train_accuracy, val_accuracy)


# Adam and cross-entropy throughout, on MNIST. The report names neither batch size nor seed nor how the data was split.
REPORT = (
    _trial("mlp", [100, 50], 0.0, 0.01, 10, 0.97929, 0.96383),
    _trial("mlp", [100, 50], 0.0, 0.01, 3, 0.95921, 0.94975),
    _trial("mlp", [100, 50], 0.0, 0.01, 1, 0.95258, 0.94783),
    _trial("mlp", [30, 5], 0.0, 0.01, 10, 0.97133, 0.95225),
    _trial("mlp", [30, 5], 0.0, 0.01, 3, 0.95956, 0.94842),
    _trial("mlp", [30, 5], 0.0, 0.01, 1, 0.90921, 0.90233),
    _trial("nmlp", [30, 5], 0.5, 0.01, 3, 0.95560, 0.95067),
    _trial("nmlp", [30, 5], 0.2, 0.001, 10, 0.95058, 0.93675),
    _trial("nmlp", [30, 5], 0.4, 0.0005, 10, 0.91579, 0.90958),
    _trial("nmlp", [30, 5], 0.6, 0.0001, 10, 0.55967, 0.54958),
)


def is_faithful(base: Mapping[str, Any]) -> bool:
    """Whether trials on this base can be compared with the report: it changes only what the report does not give."""
    usual = TrainingSpec().model_dump(mode="json")
    return all(name in _ANYHOW or (name not in FIELDS and value == usual.get(name)) for name, value in base.items())


BEST: Mapping[str, Any] = {
    "architecture": "nmlp",
    "hidden_sizes": [512, 512],
    "learning_rate": 0.003,
    "learning_rate_schedule": "one_cycle",
    "shift_pixels": 1,
    "rotation_degrees": 8.0,
    "batch_size": 128,
    "epochs": 12,
}
"""The recipe that read MNIST best, of those that were tried, within half a minute on two cores.

Every field earns its place in the ablation of bench/best.py.
"""
