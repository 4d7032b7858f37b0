"""The built-in data sets. A further one is added here and nowhere else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class BuiltIn:
    """The source of a built-in data set: a class of torchvision and what it is asked for; without one, scikit-learn."""

    torchvision: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=lambda: {"train": True})


BUILTIN: Mapping[str, BuiltIn] = MappingProxyType(
    {
        "mnist": BuiltIn("MNIST"),
        "fashion_mnist": BuiltIn("FashionMNIST"),
        "kmnist": BuiltIn("KMNIST"),
        "qmnist": BuiltIn("QMNIST", {"what": "train"}),
        "digits": BuiltIn(),
    }
)
