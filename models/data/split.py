"""A data set's split into a training, a validation and perhaps a test part, as a network takes them in.

Legend of shapes: N examples, D inputs.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.data import gathered, learned
from models.data.draw import Parts, Rows, draw
from models.data.examples import Examples
from models.data.fitting import fit
from models.data.gathered import Gathered, Inputs
from models.data.load import load_builtin, load_test_part
from models.data.plan import Plan
from models.data.schema import USUAL, Images, Table
from models.data.stored import Stored
from models.spec import TrainingSpec


@dataclass(frozen=True, eq=False)
class Split:
    """One data set, divided and normalised, ready to train on.

    x_train float32 [N, D] and y_train int64 [N] to learn from, x_val and y_val to validate with, x_test and y_test to
    be measured on once, where there is a test part; `validation` and `test` are those parts as they are stored.
    `mean` and `deviation` are those of the training part's pixels, on the scale that they came on: what was learned
    holds for images normalised by them. Rows of a table go through `plan`, which was fitted on the training part.
    `learned` uint64 are the hashes of the training part, by which its examples are known again.
    """

    x_train: Inputs
    y_train: Tensor
    x_val: Inputs
    y_val: Tensor
    validation: Examples
    mean: float
    deviation: float
    digest: str
    schema: Images | Table = USUAL
    plan: Plan | None = None
    test: Examples | None = None
    x_test: Inputs | None = None
    y_test: Tensor | None = None
    learned: NDArray[np.uint64] | None = None

    @property
    def inputs(self) -> int:
        """Count the numbers that a network takes in of one example."""
        return self.x_train.shape[1]

    @property
    def classes(self) -> tuple[str, ...]:
        """Give the names of the classes."""
        return self.schema.classes

    def to(self, device: str | torch.device) -> "Split":
        """Give the same split with its tensors on a device; itself, where they are there already."""
        if self.x_train.device == torch.device(device):
            return self
        names = ("x_train", "y_train", "x_val", "y_val", "x_test", "y_test")
        there = {name: part.to(device) for name in names if (part := getattr(self, name)) is not None}
        return replace(self, **there)


def divide(examples: Examples, *, validation_fraction: float, split_seed: int, stratify: bool | None = False) -> Split:
    """Divide and normalise a data set, with the rows of scikit-learn's `train_test_split` with that random state.

    A file's own test part, and its own validation part, are taken as they are. With `stratify` each class has the same
    share in both parts. Raises ValueError when the training part is blank, so that it has no deviation to divide by,
    and when there is none.
    """
    parts = draw(
        examples.labels, examples.parts, fraction=validation_fraction, seed=split_seed, stratify=bool(stratify)
    )
    mean, deviation, plan = 0.0, 1.0, None
    convert: Callable[[NDArray[Any]], Tensor]
    if isinstance(examples.schema, Table):
        plan = fit(examples.take(parts.train))
        inputs, convert = plan.inputs, partial(_features, plan)
    else:
        stored_mean, stored_deviation = examples.mean_and_deviation(parts.train)
        if stored_deviation == 0.0:
            raise ValueError("all pixels of the data set are equal; there is nothing to learn from blank images")
        inputs, convert = examples.schema.inputs, partial(_normalised, stored_mean, stored_deviation)
        mean = examples.schema.origin + stored_mean * examples.schema.unit
        deviation = stored_deviation * examples.schema.unit
    return _made(examples, parts, convert, inputs, mean=mean, deviation=deviation, plan=plan)


def _made(
    examples: Examples,
    parts: Parts,
    convert: Callable[[NDArray[Any]], Tensor],
    inputs: int,
    *,
    mean: float,
    deviation: float,
    plan: Plan | None,
) -> Split:
    is_large = 4 * inputs * len(examples.labels) > gathered.MOST_BYTES

    def features(rows: Rows) -> Inputs:
        if is_large:
            return Gathered(examples.values, rows, convert, inputs)
        return convert(examples.values[rows])

    validation = examples.take(parts.validation)
    test = None if parts.test is None else examples.take(parts.test)
    return Split(
        x_train=features(parts.train),
        y_train=torch.from_numpy(examples.labels[parts.train]),
        x_val=features(parts.validation),
        y_val=torch.from_numpy(validation.labels),
        validation=validation,
        mean=mean,
        deviation=deviation,
        digest=examples.digest,
        schema=examples.schema,
        plan=plan,
        test=test,
        x_test=None if parts.test is None else features(parts.test),
        y_test=None if test is None else torch.from_numpy(test.labels),
        learned=learned.learn(examples.values, examples.schema, parts.train),
    )


def _normalised(mean: float, deviation: float, pixels: NDArray[Any]) -> Tensor:
    """Give pictures as float32 [N, D], with the mean taken off and the deviation divided by."""
    # In place: the pixels are a copy already, of the rows that were asked for.
    x_ND = torch.from_numpy(pixels.reshape(len(pixels), -1)).to(torch.float32)
    return x_ND.sub_(mean).div_(deviation)


def _features(plan: Plan, values: NDArray[Any]) -> Tensor:
    """Give rows of a table as float32 [N, D]."""
    return torch.from_numpy(plan.apply(values))


@lru_cache(maxsize=2)
def _cached_split(
    source: Stored | str, folder: Path, validation_fraction: float, split_seed: int, stratify: bool
) -> Split:
    examples = source.load() if isinstance(source, Stored) else load_builtin(source, folder)
    split = divide(examples, validation_fraction=validation_fraction, split_seed=split_seed, stratify=stratify)
    test = None if isinstance(source, Stored) else load_test_part(source, folder)
    return split if test is None else _with_test(split, test)


def _with_test(split: Split, test: Examples) -> Split:
    """Give a split of pictures with a test part that lies beside them, made float32 only when it is measured on."""
    convert = partial(_normalised, split.mean, split.deviation)
    x_test = Gathered(test.values, np.arange(len(test.labels)), convert, split.inputs)
    return replace(split, test=test, x_test=x_test, y_test=torch.from_numpy(test.labels))


def prepare(spec: TrainingSpec, folder: Path, uploaded: Stored | None = None) -> Split:
    """Give the split that `spec` asks for; the last two are kept in memory (about 240 MB each for 60,000 images).

    `uploaded` is where an uploaded data set lies; a built-in one is looked up in `folder`.
    """
    source = uploaded or spec.dataset
    return _cached_split(source, folder, spec.validation_fraction, spec.split_seed, bool(spec.stratify))
