"""A data set's split into a training and a validation part, normalised, as tensors.

Legend of shapes: N examples, D = 784 pixels.
"""

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.data.examples import Examples
from models.data.load import load_builtin, load_table
from models.spec import PIXELS, TrainingSpec


@dataclass(frozen=True, eq=False)
class Split:
    """One data set, divided and normalised, ready to train on.

    x_train float32 [N, D] and y_train int64 [N] to learn from, x_val and y_val to validate with; `validation` is the
    validation part as it came. `mean` and `deviation` are those of the training part's pixels (0-255): what was
    learned holds for images normalised by them.
    """

    x_train: Tensor
    y_train: Tensor
    x_val: Tensor
    y_val: Tensor
    validation: Examples
    mean: float
    deviation: float
    digest: str

    def to(self, device: str | torch.device) -> "Split":
        """Give the same split with its tensors on a device; itself, where they are there already."""
        if self.x_train.device == torch.device(device):
            return self
        names = ("x_train", "y_train", "x_val", "y_val")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})


def divide(examples: Examples, *, validation_fraction: float, split_seed: int) -> Split:
    """Divide and normalise a data set, with the rows of scikit-learn's `train_test_split` with that random state.

    Raises ValueError when the training part is blank, so that it has no deviation to divide by.
    """
    # The rows are drawn here: importing scikit-learn takes longer than many a training.
    rows = np.random.RandomState(split_seed).permutation(len(examples.labels))
    count = math.ceil(len(rows) * validation_fraction)
    val_rows, train_rows = rows[:count], rows[count:]
    training = Examples(examples.pixels[train_rows], examples.labels[train_rows])
    validation = Examples(examples.pixels[val_rows], examples.labels[val_rows])
    mean, deviation = training.mean_and_deviation()
    if deviation == 0.0:
        raise ValueError("all pixels of the data set are equal; there is nothing to learn from blank images")

    def normalise(pixels: NDArray[np.uint8]) -> Tensor:
        x_ND = torch.from_numpy(pixels.reshape(-1, PIXELS)).to(torch.float32)
        return x_ND.sub_(mean).div_(deviation)

    return Split(
        x_train=normalise(training.pixels),
        y_train=torch.from_numpy(training.labels),
        x_val=normalise(validation.pixels),
        y_val=torch.from_numpy(validation.labels),
        validation=validation,
        mean=mean,
        deviation=deviation,
        digest=examples.digest,
    )


@lru_cache(maxsize=2)
def _cached_split(source: Path | str, folder: Path, validation_fraction: float, split_seed: int) -> Split:
    examples = load_table(source) if isinstance(source, Path) else load_builtin(source, folder)
    return divide(examples, validation_fraction=validation_fraction, split_seed=split_seed)


def prepare(spec: TrainingSpec, folder: Path, uploaded: Path | None = None) -> Split:
    """Give the split that `spec` asks for; the last two are kept in memory (about 240 MB each for 60,000 images).

    `uploaded` is the table of an uploaded data set; a built-in one is looked up in `folder`.
    """
    return _cached_split(uploaded or spec.dataset, folder, spec.validation_fraction, spec.split_seed)
