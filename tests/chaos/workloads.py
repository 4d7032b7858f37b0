"""What is trained amid faults: specs of the data set `digits`, each of which is trained undisturbed first."""

from collections.abc import Mapping
from typing import Any

TINY: tuple[Mapping[str, Any], ...] = tuple(
    {"hidden_sizes": [2], "batch_size": 256, "epochs": 2, "learning_rate": 0.01, "seed": seed} for seed in range(4)
)
"""Jobs of milliseconds, for runs of very many."""

SPECS: tuple[Mapping[str, Any], ...] = (
    {"hidden_sizes": [30, 5], "batch_size": 4, "epochs": 8, "learning_rate": 0.003, "seed": 1},
    {"hidden_sizes": [30, 5], "batch_size": 4, "epochs": 10, "learning_rate": 0.001, "seed": 2},
    {"hidden_sizes": [40, 20], "batch_size": 4, "epochs": 8, "architecture": "nmlp", "dropout": 0.2, "seed": 3},
    {"hidden_sizes": [60, 20], "batch_size": 4, "epochs": 10, "optimizer": "sgd", "momentum": 0.9, "seed": 4},
    {"hidden_sizes": [100, 50], "batch_size": 4, "epochs": 12, "learning_rate_schedule": "cosine", "seed": 5},
)
"""What is trained: long enough to be disturbed, and two of equal shape, which are trained together."""
