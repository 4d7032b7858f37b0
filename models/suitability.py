"""Whether a spec can be trained on the data that it names: said before anything is queued, with the remedy."""

import difflib
import math
from collections.abc import Sequence, Set
from typing import NamedTuple

from models.data.schema import Images, Table
from models.size import too_large
from models.spec import TrainingSpec

MAX_ITERATIONS = 1_000_000
"""Batches in one job: the loss of every one of them is recorded and served."""

_LEAST_SIDE_TURNED = 4
_SHIFTED = 3
"""A picture is moved by at most this part of its shorter side: beyond, hardly anything of it is left."""

_DRAWN = ("validation_fraction", "split_seed", "stratify")


class Refusal(NamedTuple):
    """Which field does not fit the data, and a sentence that says why and what to do."""

    field: str
    sentence: str


def refuse(
    spec: TrainingSpec,
    schema: Images | Table,
    *,
    counts: Sequence[int] | None = None,
    learning: int | None = None,
    has_validation: bool = False,
    given: Set[str] | None = None,
) -> list[Refusal]:
    """Tell what of a spec does not fit data of this schema; nothing where it can be trained.

    `counts` are the examples of each class, without those of a test part, where they are known; of a file that has
    parts of its own, `learning` is how many examples are for training. `has_validation` says
    that the file has a validation part of its own: fields that say how to draw one are refused then if they were
    `given`, by default those that the spec was made with, and differ from their defaults.
    """
    found = [*_moves(spec, schema), *_weights(spec, schema.classes)]
    why = too_large(spec.architecture, spec.hidden_sizes, inputs=schema.inputs, classes=len(schema.classes))
    if why is not None:
        found.append(Refusal("hidden_sizes", f"{_form(schema)}: {why}"))
    if has_validation:
        found += _draws(spec, spec.model_fields_set if given is None else given)
    if counts is not None:
        found += _lacking(schema.classes, counts)
    examples = learning if counts is None else sum(counts)
    if examples is not None and not found:
        found += _amounts(spec, len(schema.classes), examples, has_validation=has_validation)
    return found


def too_many_batches(epochs: int, batches: int) -> str | None:
    """Say that these are more batches than a job may have, and what to do; None where they are not."""
    if epochs * batches <= MAX_ITERATIONS:
        return None
    return (
        f"{epochs} epochs of {batches:,} batches are more than the {MAX_ITERATIONS:,} batches allowed; "
        f"raise batch_size or lower epochs"
    )


def _form(schema: Images | Table) -> str:
    things = "pictures" if isinstance(schema, Images) else "rows"
    return f"{things} of {schema.inputs:,} numbers and {len(schema.classes)} classes"


def _moves(spec: TrainingSpec, schema: Images | Table) -> list[Refusal]:
    moves = {"shift_pixels": spec.shift_pixels, "rotation_degrees": spec.rotation_degrees}
    asked = {field: value for field, value in moves.items() if value}
    if isinstance(schema, Table):
        return [
            Refusal(field, f"{field} is {value:g}, and rows of a table are no pictures to be moved; leave it out")
            for field, value in asked.items()
        ]
    side, size = min(schema.height, schema.width), f"{schema.height} x {schema.width} pixels"
    found = []
    if spec.shift_pixels > side // _SHIFTED:
        most = f"move them by at most {side // _SHIFTED}" if side >= _SHIFTED else "leave it out"
        found.append(
            Refusal("shift_pixels", f"shift_pixels is {spec.shift_pixels}, and the pictures have {size}; {most}")
        )
    if spec.rotation_degrees and side < _LEAST_SIDE_TURNED:
        found.append(
            Refusal(
                "rotation_degrees",
                f"rotation_degrees is {spec.rotation_degrees:g}, and pictures of {size} are too small to be turned; "
                f"leave it out",
            )
        )
    return found


def _weights(spec: TrainingSpec, classes: Sequence[str]) -> list[Refusal]:
    if isinstance(spec.class_weights, str):
        return []
    return [
        Refusal("class_weights", no_such_class(name, classes))
        for name in spec.class_weights
        if name not in set(classes)
    ]


def no_such_class(name: str, classes: Sequence[str]) -> str:
    """Say that class_weights names no class, and which one may be meant."""
    by_folded = {known.casefold(): known for known in classes}
    nearest = difflib.get_close_matches(name.casefold(), by_folded, n=1)
    remedy = (
        f"did you mean {by_folded[nearest[0]]!r}?"
        if nearest
        else f"the {len(classes)} classes are called {classes[0]!r} to {classes[-1]!r}"
    )
    return f"class_weights names {name!r}, and there is no such class; {remedy}"


def _draws(spec: TrainingSpec, given: Set[str]) -> list[Refusal]:
    return [
        Refusal(
            field,
            f"{field} says how to draw a validation part, and the file has one of its own; leave it out, or upload the "
            f"data without its split",
        )
        for field in _DRAWN
        if field in given and getattr(spec, field) != TrainingSpec.model_fields[field].default
    ]


def _lacking(classes: Sequence[str], counts: Sequence[int]) -> list[Refusal]:
    return [
        Refusal("dataset", f"there is no example of the class {name!r} to learn from; add some, or leave the class out")
        for name, count in zip(classes, counts, strict=True)
        if not count
    ][:1]


def _amounts(spec: TrainingSpec, classes: int, examples: int, *, has_validation: bool) -> list[Refusal]:
    validating = 0 if has_validation else math.ceil(examples * spec.validation_fraction)
    training = examples - validating
    found = []
    if training < classes:
        how, remedy = (
            (f"the file keeps {examples:,} for training", "keep more of them for it")
            if has_validation
            else (
                f"{spec.validation_fraction:g} of {examples:,} examples leaves {training:,} to learn from",
                "lower it",
            )
        )
        field = "dataset" if has_validation else "validation_fraction"
        found.append(Refusal(field, f"{how}, fewer than there are classes ({classes:,}); {remedy}"))
    why = too_many_batches(spec.epochs, -(-training // spec.batch_size))
    if why is not None:
        found.append(Refusal("epochs", why))
    return found
