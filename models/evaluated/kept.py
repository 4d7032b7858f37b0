"""The file evaluation.json: what was measured on the validation part after an epoch, with some of its examples.

Whatever the data are, it stays small beside the weights, as it is written with every epoch: of many classes the pairs
that were confused most, of large pictures small ones of the mistakes and few of the others, of wide rows few.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from models.data import shown
from models.data.examples import Examples
from models.data.schema import USUAL, Images, Table
from models.data.shown import Cell
from models.evaluated.counts import MOST_PAIRS, MOST_WHOLE, Counts
from models.evaluated.curve import Curve
from models.images import from_base64, to_base64

PICTURE_BYTES = 2**18
"""Of the pictures of all mistakes, and of the other examples, each; one example there is, whatever it takes."""

ROW_BYTES = 2**16


@dataclass(frozen=True, eq=False)
class Mistakes:
    """The surest mistakes, the surest first: places of the true classes, of those read, and how sure that was.

    `pictures` uint8 [M, H, W] or [M, H, W, 3] are smaller than they came by `scaled_down`; or `rows` by the names of
    their columns, of fewer mistakes where they take too much room. `ink` tells whether pictures are light on dark, as
    MNIST's digits are.
    """

    labels: Sequence[int]
    predictions: Sequence[int]
    probabilities: Sequence[float]
    pictures: NDArray[np.uint8] | None
    rows: Sequence[Mapping[str, Cell]] | None
    scaled_down: int = 1
    ink: bool = True


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What was measured after an epoch; `curve` of two classes alone, and neither it nor `log_loss` in older files."""

    epoch: int
    classes: Sequence[str]
    counts: Counts
    mistakes: Mistakes
    curve: Curve | None
    log_loss: float | None

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Self:
        """Read what `write` has written; of before there were names and shapes, all was of the usual form."""
        found, kind = document["mistakes"], document.get("kind", "images")
        pictures = from_base64(found["images"], found.get("shape", USUAL.shape)) if kind == "images" else None
        curve = document.get("curve")
        return cls(
            epoch=document["epoch"],
            classes=document.get("classes", USUAL.classes),
            counts=Counts.parse(document),
            mistakes=Mistakes(
                labels=found["labels"],
                predictions=found["predictions"],
                probabilities=found["probabilities"],
                pictures=pictures,
                rows=found.get("rows"),
                scaled_down=found.get("scaled_down", 1),
                ink=found.get("ink", True),
            ),
            curve=None if curve is None else Curve.parse(curve),
            log_loss=document.get("log_loss"),
        )


def write(
    epoch: int,
    examples: Examples,
    confusion: NDArray[np.int64],
    mistakes: NDArray[np.int64],
    predictions: NDArray[np.int64],
    probabilities: NDArray[np.floating],
    *,
    scores: NDArray[np.floating] | None = None,
    log_loss: float | None = None,
    most_examples: int = 100,
) -> dict[str, Any]:
    """Give what is kept of an evaluation on these examples, as JSON takes it.

    `confusion` [C, C], true classes in rows; `mistakes` [M], the rows of those shown, with what was predicted and how
    probable that was held; `scores` [N], of two classes the probability of the second.
    """
    schema, first = examples.schema, np.arange(min(most_examples, len(examples.labels)))
    if isinstance(schema, Images):
        of_mistakes, of_examples = _small_pictures(examples, mistakes, schema), _pictures(examples, first, schema)
    else:
        of_mistakes, of_examples = _few_rows(examples, mistakes, schema), _few_rows(examples, first, schema)
    kept = of_mistakes.pop("kept")
    most = MOST_PAIRS if len(schema.classes) > MOST_WHOLE else None
    return {
        "epoch": epoch,
        "kind": schema.kind,
        "classes": list(schema.classes),
        **Counts.of(confusion, most=most).as_dict(),
        "log_loss": log_loss if log_loss is not None and math.isfinite(log_loss) else None,
        "curve": None if scores is None else Curve.of(np.nan_to_num(scores), examples.labels).as_dict(),
        "mistakes": {
            "labels": examples.labels[mistakes[:kept]].tolist(),
            "predictions": predictions[:kept].tolist(),
            "probabilities": probabilities[:kept].tolist(),
            **of_mistakes,
        },
        "examples": {"labels": examples.labels[: of_examples.pop("kept")].tolist(), **of_examples},
    }


def examples_of(document: Mapping[str, Any], limit: int) -> tuple[list[int], list[Any]]:
    """Give the labels of up to `limit` examples, and them as they are sent to the network that learned from others.

    Pictures are nested lists of numbers on the scale that they came on, rows are by the names of their columns.
    """
    found = document["examples"]
    labels = list(found["labels"][:limit])
    if "rows" in found:
        return labels, found["rows"][:limit]
    stored = from_base64(found["images"], found.get("shape", USUAL.shape), found.get("dtype", "uint8"))[:limit]
    low, unit = found.get("low", 0.0), found.get("unit", 1.0)
    return labels, (stored if (low, unit) == (0.0, 1.0) else low + stored * unit).tolist()


def _small_pictures(examples: Examples, rows_M: NDArray[np.int64], schema: Images) -> dict[str, Any]:
    factor = shown.factor_within(schema.shape, len(rows_M), PICTURE_BYTES)
    # One by one: all of them in single precision, before they are small, may be many.
    small = [shown.smaller(shown.pictures(examples.values[[row]], schema), factor) for row in rows_M]
    height, width, *channels = schema.shape
    return {
        "kept": len(small),
        "images": to_base64(np.concatenate(small)) if small else "",
        "shape": [-(-height // factor), -(-width // factor), *channels],
        "scaled_down": factor,
        "ink": schema.preparation == "digits",
    }


def _pictures(examples: Examples, rows_M: NDArray[np.int64], schema: Images) -> dict[str, Any]:
    kept = max(PICTURE_BYTES // (schema.inputs * examples.values.itemsize), 1)
    values = examples.values[rows_M[:kept]]
    return {
        "kept": len(values),
        "images": to_base64(values),
        "shape": list(schema.shape),
        "dtype": values.dtype.name,
        "low": schema.origin,
        "unit": schema.unit,
    }


def _few_rows(examples: Examples, rows_M: NDArray[np.int64], schema: Table) -> dict[str, Any]:
    kept = shown.within(shown.rows(examples.values[rows_M], schema), ROW_BYTES)
    return {"kept": len(kept), "rows": kept}
