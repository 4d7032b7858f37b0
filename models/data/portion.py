"""One part of a data set, by its own split or as a job has drawn it; what cannot be told is refused."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from models.data.draw import Rows, draw
from models.data.examples import TEST, TRAIN, VALIDATION, Examples

Part = Literal["all", "train", "validation", "test"]

_OWN = {"train": TRAIN, "validation": VALIDATION, "test": TEST}


@dataclass(frozen=True)
class Drawn:
    """How a job has divided the data set that it learned from."""

    fraction: float
    seed: int
    stratify: bool


def rows_of(part: Part, examples: Examples, drawn: Drawn | None) -> Rows:
    """Give the rows of a part of examples, in their order.

    `drawn` is how the model's job divided them, if it learned from these. Raises ValueError where a part is not there,
    or is nobody's: without a split of its own, a data set has parts only for those who learned from it.
    """
    if part == "all":
        return np.arange(len(examples.labels))
    parts = examples.parts
    if drawn is not None:
        found = draw(examples.labels, parts, fraction=drawn.fraction, seed=drawn.seed, stratify=drawn.stratify)
        rows = {"train": found.train, "validation": found.validation, "test": found.test}[part]
    elif parts is None:
        raise ValueError(
            f"the data set has no split of its own, and the model did not learn from it, so that there is no {part} "
            "part; ask for part=all"
        )
    else:
        rows = np.flatnonzero(parts == _OWN[part])
    if rows is None or not len(rows):
        raise ValueError(f"the data set has no {part} part; ask for part=all")
    return np.sort(rows)
