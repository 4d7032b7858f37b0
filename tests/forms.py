"""Networks that have learnt nothing, of other forms than MNIST's: their weights files, and examples to ask with."""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from models.data.plan import Levels, Number, Plan
from models.data.schema import Column, Images, Table

LETTERS = Images(
    height=8, width=8, scale=(0, 16), steps=16, preparation="plain", classes=tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
)
GARMENTS = Images(preparation="plain", classes=("T-shirt/top", "Trouser", "Pullover"))
FACES = Images(
    height=6, width=5, channels=3, scale=(-1.0, 1.0), steps=None, preparation="plain", classes=("cat", "dog")
)
SCALED = Images(height=4, width=4, scale=(0.0, 1.0), steps=255, preparation="plain", classes=("no", "yes"))

WINE = Table(
    columns=tuple(
        Column(name=name, type="number")
        for name in (
            "alcohol", "malic_acid", "ash", "alcalinity_of_ash", "magnesium", "total_phenols", "flavanoids",
            "nonflavanoid_phenols", "proanthocyanins", "color_intensity", "hue", "od280", "proline",
        )
    ),
    label="cultivar",
    classes=("Barolo", "Grignolino", "Barbera"),
)  # fmt: skip
WINE_PLAN = Plan(columns=tuple(Number(median=10.0 + place, mean=10.0 + place, deviation=3.0) for place in range(13)))

TITANIC = Table(
    columns=(
        Column(name="Pclass", type="category", levels=("1", "2", "3")),
        Column(name="Sex", type="category", levels=("female", "male")),
        Column(name="Age", type="number", missing=True),
        Column(name="alone", type="boolean", levels=("no", "yes")),
    ),
    label="Survived",
    ignored=("PassengerId", "Name"),
    classes=("0", "1"),
)
TITANIC_PLAN = Plan(
    columns=(
        Levels(usual=2, kept=(0, 2), other=True),
        Levels(usual=1, kept=(0, 1)),
        Number(median=28.0, mean=29.5, deviation=13.0, indicator=True),
        Levels(usual=0, kept=(0, 1)),
    )
)
STRICT = TITANIC.model_copy(update={"missing": "refuse", "unknown": "refuse"})


def weights_of(
    schema: Images | Table, plan: Plan | None = None, *, seed: int = 0, hidden: int = 6, scale: float = 1.0
) -> bytes:
    """Give the weights file of a network with one hidden layer for data of this form."""
    inputs = schema.inputs if plan is None else plan.inputs
    random = np.random.default_rng(seed)
    tensors = {
        "linear1.weight": random.normal(0, scale / inputs**0.5, (hidden, inputs)).astype(np.float32),
        "linear1.bias": random.normal(0, 0.1, hidden).astype(np.float32),
        "linear2.weight": random.normal(0, scale, (len(schema.classes), hidden)).astype(np.float32),
        "linear2.bias": random.normal(0, 0.1, len(schema.classes)).astype(np.float32),
    }
    mean, deviation = (0.0, 1.0) if isinstance(schema, Table) else (sum(schema.scale) / 2, np.ptp(schema.scale) / 3)
    about: dict[str, Any] = {
        "architecture": "mlp",
        "hidden_sizes": [hidden],
        "epoch": 4,
        "mean": float(mean),
        "deviation": float(deviation),
        "schema": schema.model_dump(mode="json"),
    }
    if plan is not None:
        about["plan"] = plan.model_dump(mode="json")
    return save(tensors, metadata={"tenfold": json.dumps(about, sort_keys=True)})


def stored(schema: Images | Table, count: int, seed: int = 0) -> NDArray[Any]:
    """Give examples of this form as they are stored."""
    random = np.random.default_rng(seed)
    if isinstance(schema, Images):
        shape = (count, *schema.shape)
        if schema.steps is None:
            return random.uniform(*schema.scale, shape).astype(np.float32)
        return random.integers(0, schema.steps + 1, shape, dtype=np.uint8)
    columns = [
        random.normal(20, 9, count) if column.type == "number" else random.integers(0, len(column.levels), count)
        for column in schema.columns
    ]
    rows: NDArray[np.float64] = np.stack(columns, axis=1).astype(np.float64)
    for place, column in enumerate(schema.columns):
        if column.missing:
            rows[::3, place] = np.nan
    return rows
