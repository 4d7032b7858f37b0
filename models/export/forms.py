"""What an exported network takes of a data set's examples, and what is said of it beside its numbers."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data.level_spellings import spellings
from models.data.plan import Plan
from models.data.schema import Images, Table

OUTPUTS = ("logits", "probabilities", "label")

_UNKNOWN = "a level that nobody knows"

REFUSED = (
    "What the model does not take is answered with NaN for each of the logits and probabilities, and in ONNX with an "
    "empty label: numbers off the scale of its pictures; a number that is infinite, or more than 1e15 deviations from "
    "the mean; a missing value where `missing` is `refuse`; an unknown level where `unknown` is `refuse`. Levels are "
    "compared as they are written: blanks around them are part of them."
)


def takes_bytes(schema: Images) -> bool:
    """Whether pictures of this form are uint8; all others are float32, on the scale of the data set."""
    return schema.scale == (0.0, 255.0) and schema.steps == 255


def inputs_of(schema: Table) -> dict[str, str]:
    """Give the name of the input of each column: the column's own, and `_` behind where an output has that."""
    names = {column.name for column in schema.columns}
    found = {}
    for column in schema.columns:
        name = column.name
        while name in OUTPUTS or (name != column.name and name in names):
            name += "_"
        names.add(name)
        found[column.name] = name
    return found


def told(schema: Images | Table, plan: Plan | None, temperature: float) -> Mapping[str, str]:
    """Give what the file says of itself, each a text: lists and objects in JSON."""
    about: dict[str, Any] = {"classes": list(schema.classes), "schema": schema.model_dump(mode="json")}
    if isinstance(schema, Table):
        assert plan is not None, "a table has one"
        about |= {"plan": plan.model_dump(mode="json"), "inputs": inputs_of(schema)}
    texts = {name: json.dumps(value, ensure_ascii=False, sort_keys=True) for name, value in about.items()}
    return texts | {"temperature": repr(float(temperature)), "refused": REFUSED}


def feeds(values: NDArray[Any], schema: Images | Table) -> dict[str, NDArray[Any]]:
    """Give what an ONNX file takes in, by the names of its inputs, of pictures [n, ...] or of rows [n, F] as stored.

    Pictures are on their scale. NaN is what is missing, and a place below 0 a level that nobody knows.
    """
    if isinstance(schema, Images):
        kind = np.uint8 if takes_bytes(schema) else np.float32
        return {"pixels": np.ascontiguousarray(values.reshape(-1, *schema.shape), kind)}
    found: dict[str, NDArray[Any]] = {}
    for place, (column, name) in enumerate(zip(schema.columns, inputs_of(schema).values(), strict=True)):
        cells = values[:, place]
        if column.type == "number":
            found[name] = np.ascontiguousarray(cells[:, None], np.float64)
            continue
        unknown, known = _UNKNOWN, spellings(column)
        while unknown in known:
            unknown += "."
        texts = np.array([*column.levels, unknown, ""], object)
        places = np.where(np.isnan(cells), len(texts) - 1, np.where(cells < 0, len(texts) - 2, cells))
        found[name] = texts[places.astype(np.intp)][:, None]
    return found
