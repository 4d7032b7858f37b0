"""A data set's split into a training, a validation and perhaps a test part, as a network takes them in.

Legend of shapes: N examples, D inputs.
"""

import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.compiled import library
from models.data import gathered, learned
from models.data.builtin import BUILTIN
from models.data.draw import Parts, Rows, draw
from models.data.examples import Examples
from models.data.fitting import fit
from models.data.gathered import Gathered, Inputs, Pixels
from models.data.known_files import files_of
from models.data.load import load_builtin, load_test_part
from models.data.once import Once
from models.data.plan import Plan
from models.data.schema import USUAL, Images, Table
from models.data.split_cache import SplitCache
from models.data.stored import Stored
from models.spec import TrainingSpec


@dataclass(frozen=True, eq=False)
class Split:
    """One data set, divided and normalised, ready to train on.

    x_train float32 [N, D] and y_train int64 [N] to learn from, x_val and y_val to validate with, x_test and y_test to
    be measured on once, where there is a test part; `validation` and `test` are those parts as they are stored.
    `mean` and `deviation` are those of the training part's pixels, on the scale that they came on: what was learned
    holds for images normalised by them. Rows of a table go through `plan`, which was fitted on the training part.
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
    learn: Callable[[], NDArray[np.uint64]] | None = None

    @property
    def learned(self) -> NDArray[np.uint64]:
        """Give the hashes of the training part, uint64, by which its examples are known again; made when asked for."""
        assert self.learn is not None, "every split that is made of examples has them"
        return self.learn()

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
    mean, deviation, plan, normalisation = 0.0, 1.0, None, None
    convert: Callable[[NDArray[Any]], Tensor]
    if isinstance(examples.schema, Table):
        plan = fit(examples.take(parts.train))
        inputs, convert = plan.inputs, partial(_features, plan)
    else:
        stored_mean, stored_deviation = examples.mean_and_deviation(parts.train)
        if stored_deviation == 0.0:
            raise ValueError("all pixels of the data set are equal; there is nothing to learn from blank images")
        normalisation = stored_mean, stored_deviation
        inputs, convert = examples.schema.inputs, partial(_normalised, *normalisation)
        mean = examples.schema.origin + stored_mean * examples.schema.unit
        deviation = stored_deviation * examples.schema.unit
    return _made(examples, parts, convert, inputs, normalisation, mean=mean, deviation=deviation, plan=plan)


def _made(
    examples: Examples,
    parts: Parts,
    convert: Callable[[NDArray[Any]], Tensor],
    inputs: int,
    normalisation: tuple[float, float] | None,
    *,
    mean: float,
    deviation: float,
    plan: Plan | None,
) -> Split:
    is_large = _is_large(examples, inputs)

    def features(rows: Rows) -> Inputs:
        if is_large:
            return Gathered(examples.values, rows, convert, inputs)
        chosen = examples.values[rows]
        if normalisation is not None and chosen.dtype == np.uint8 and library.is_used():
            return Pixels(torch.from_numpy(chosen.reshape(len(chosen), -1)), *normalisation)
        return convert(chosen)

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
        learn=Once(partial(learned.learn, examples.values, examples.schema, parts.train)),
    )


def _is_large(examples: Examples, inputs: int) -> bool:
    return 4 * inputs * len(examples.labels) > gathered.MOST_BYTES


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
    source: Stored | str,
    folder: Path,
    validation_fraction: float,
    split_seed: int,
    stratify: bool,
    cache: SplitCache | None,
) -> Split:
    asked: dict[str, Any] = {"validation_fraction": validation_fraction, "split_seed": split_seed, "stratify": stratify}
    if isinstance(source, Stored):
        return _divided_once(source.load(), asked, cache)
    files = None if cache is None else files_of(source, folder)
    known = None if files is None or cache is None else cache.find(files.decides())
    split = None
    if cache is not None and known is not None:
        # Not read at all, where what is in the files is known and what is made of it is there.
        split = _found(str(known[0].get("digest")), BUILTIN[source].schema, asked, cache)
    if split is None:
        examples = load_builtin(source, folder)
        split = _divided_once(examples, asked, cache)
        if cache is not None and files is not None and known is None and files.are_settled():
            cache.keep_meanwhile(files.decides(), {"digest": examples.digest}, dict)
    test = load_test_part(source, folder)
    return split if test is None else _with_test(split, test)


_KEPT_FORM = 1
"""Of what a cache keeps; another number wherever the bits of a split, or the arrays below, become others."""


def _divided_once(examples: Examples, asked: dict[str, Any], cache: SplitCache | None) -> Split:
    """Divide a data set, or take what somebody on this machine has made of it; rows of tables are always divided."""
    if cache is None or isinstance(examples.schema, Table) or _is_large(examples, examples.schema.inputs):
        return divide(examples, **asked)
    if (found := _found(examples.digest, examples.schema, asked, cache)) is not None:
        return found
    split = divide(examples, **asked)
    cache.keep_meanwhile(
        _decided_by(examples.digest, examples.schema, asked), _noted(split), partial(_as_arrays, split)
    )
    return split


def _decided_by(digest: str, schema: Images, asked: dict[str, Any]) -> dict[str, Any]:
    return {
        **asked,
        "form": _KEPT_FORM,
        "made by": [np.__version__, torch.__version__, sys.byteorder],
        "compiled": library.is_used(),
        "data": digest,
        "schema": schema.model_dump(mode="json"),
    }


def _found(digest: str, schema: Images, asked: dict[str, Any], cache: SplitCache) -> Split | None:
    if (found := cache.find(_decided_by(digest, schema, asked))) is not None:
        with suppress(KeyError, TypeError):
            return _of_arrays(*found, digest, schema)
    return None


_INPUTS, _LABELS = ("x_train", "x_val", "x_test"), ("y_train", "y_val", "y_test")


def _noted(split: Split) -> dict[str, Any]:
    stored = [split.x_train.mean, split.x_train.deviation] if isinstance(split.x_train, Pixels) else None
    return {"mean": split.mean, "deviation": split.deviation, "stored": stored}


def _as_arrays(split: Split) -> dict[str, NDArray[Any]]:
    parts = {name: part for name in (*_INPUTS, *_LABELS) if (part := getattr(split, name)) is not None}
    arrays = {name: (part.values if isinstance(part, Pixels) else part).numpy() for name, part in parts.items()}
    for name, stored in (("validation", split.validation), ("test", split.test)):
        if stored is not None:
            arrays[name] = stored.values
            if stored.parts is not None:
                arrays[f"{name}_parts"] = stored.parts
    return {**arrays, "learned": split.learned}


def _of_arrays(noted: dict[str, Any], arrays: dict[str, NDArray[Any]], digest: str, schema: Images) -> Split:
    """Give the split that was kept; raises KeyError or TypeError where it lacks something."""

    def inputs(name: str) -> Inputs:
        tensor = torch.from_numpy(arrays[name])
        return Pixels(tensor, *noted["stored"]) if noted["stored"] else tensor

    def stored(name: str, labels: str) -> Examples:
        return Examples(arrays[name], arrays[labels], schema, arrays.get(f"{name}_parts"))

    parts: dict[str, Any] = {name: inputs(name) for name in _INPUTS if name in arrays}
    parts |= {name: torch.from_numpy(arrays[name]) for name in _LABELS if name in arrays}
    return Split(
        **parts,
        validation=stored("validation", "y_val"),
        mean=noted["mean"],
        deviation=noted["deviation"],
        digest=digest,
        schema=schema,
        test=stored("test", "y_test") if "test" in arrays else None,
        learn=Once(partial(arrays.pop, "learned")),
    )


def _with_test(split: Split, test: Examples) -> Split:
    """Give a split of pictures with a test part that lies beside them, made float32 only when it is measured on."""
    convert = partial(_normalised, split.mean, split.deviation)
    x_test = Gathered(test.values, np.arange(len(test.labels)), convert, split.inputs)
    return replace(split, test=test, x_test=x_test, y_test=torch.from_numpy(test.labels))


def prepare(spec: TrainingSpec, folder: Path, uploaded: Stored | None = None, cache: SplitCache | None = None) -> Split:
    """Give the split that `spec` asks for; the last two are kept in memory (about 100 MB each for 60,000 images).

    `uploaded` is where an uploaded data set lies; a built-in one is looked up in `folder`. With a `cache`, processes
    of one machine share that memory, and only the first of them prepares anything; the bits are the same.
    """
    source = uploaded or spec.dataset
    return _cached_split(source, folder, spec.validation_fraction, spec.split_seed, bool(spec.stratify), cache)
