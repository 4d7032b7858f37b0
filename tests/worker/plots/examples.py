"""Examples of every form, and what a network made of them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data.examples import Examples
from models.data.schema import USUAL, Column, Images, Table
from models.evaluated import kept
from models.evaluated.kept import Evaluation

LETTERS = Images(height=8, width=8, scale=(0.0, 16.0), steps=16, classes=tuple("ABCDEFGHIJ"))
PHOTOGRAPHS = Images(height=40, width=60, channels=3, preparation="plain", classes=("whole", "cracked"))
SIGNALS = Images(
    height=12, width=30, scale=(-1.0, 1.0), steps=None, preparation="plain", classes=("rest", "walk, slowly", "お")
)
PASSENGERS = Table(
    columns=(
        Column(name="age", type="number", missing=True),
        Column(name="port", type="category", levels=("Cherbourg", "Queenstown", "Southampton")),
        Column(name="alone", type="boolean", levels=("no", "yes")),
    ),
    label="survived",
    classes=("died", "survived"),
)


def of_form(schema: Images | Table, count: int = 80) -> Examples:
    """Give examples of a form, the classes in turn; the first row of a table lacks its first number."""
    random = np.random.default_rng(0)
    labels = np.arange(count) % len(schema.classes)
    if isinstance(schema, Table):
        values = random.normal(30, 10, (count, len(schema.columns)))
        for place, column in enumerate(schema.columns):
            if column.levels:
                values[:, place] = random.integers(0, len(column.levels), count)
        values[0, 0] = np.nan
        return Examples(values, labels, schema)
    if schema.steps is None:
        return Examples(random.normal(0, 0.5, (count, *schema.shape)).astype(np.float32), labels, schema)
    return Examples(random.integers(0, schema.steps + 1, (count, *schema.shape), np.uint8), labels, schema)


def evaluated(examples: Examples, *, mistakes: int = 25, classes: int | None = None) -> Mapping[str, Any]:
    """Give the file of an evaluation in which the first examples were the surest mistakes."""
    wrong, count = np.arange(mistakes), classes or len(examples.schema.classes)
    return kept.write(
        3,
        examples,
        confused(count),
        wrong,
        (examples.labels[wrong] + 1) % count,
        np.linspace(0.99, 0.4, mistakes, dtype=np.float32),
        scores=np.linspace(0, 1, len(examples.labels), dtype=np.float32) if count == 2 else None,
        log_loss=0.25,
    )


def confused(classes: int) -> NDArray[np.int64]:
    """Give a confusion in which most are right, and some are taken for the third next class."""
    return np.diag(np.arange(90, 90 + classes)) + np.eye(classes, k=3, dtype=np.int64)


def parsed(schema: Images | Table = USUAL, **options: int) -> Evaluation:
    """Give an evaluation of examples of a form."""
    return Evaluation.parse(evaluated(of_form(schema), **options))
