"""The labels of an array as texts: one each, one in a column, one of several that is 1; all others are refused.

Legend of shapes: N examples, C classes.
"""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.data.reading.arrays.array import Array
from models.data.reading.arrays.spelled import texts
from models.data.reading.found import Fault, UnreadableError
from models.data.schema import MAX_CLASSES

_NUMBERS = 4_000_000  # looked at together
_QMNIST = 8  # columns, of which the first is the class; the others say whose hand it was


def may_be(array: Array) -> bool:
    """Whether an array has the shape of labels: [N] or [N, 1]."""
    return len(array.shape) == 1 or (len(array.shape) == 2 and array.shape[1] == 1)


def of(array: Array, *, is_idx: bool = False) -> tuple[pa.Array, str | None]:
    """Give a label for each example, texts [N], and how they were come by, if that is to be told.

    Raises UnreadableError for labels of another shape than [N], [N, 1] and one-hot [N, C].
    """
    values = array.load()
    while values.ndim > 1 and values.shape[-1] == 1:
        values = values[..., 0]
    if values.ndim == 1:
        return _plain(values, array)
    if values.ndim > 2 or values.dtype.kind in "SU":
        raise UnreadableError(
            Fault(array.where, f"labels of the shape {list(values.shape)} are not one for each example",
                  "send one label for each example, [N]")
        )  # fmt: skip
    if is_idx and values.shape[1] == _QMNIST:
        return texts(values[:, 0], array.where), (
            f"of the {_QMNIST} columns of {array.name!r} the first is the class; the others, of who wrote it and where "
            "it is found, are left out"
        )
    return _one_hot(values, array)


def _plain(values: NDArray[Any], array: Array) -> tuple[pa.Array, str | None]:
    pieces, at_once = [pa.array([], pa.string())], max(1, _NUMBERS // values.dtype.itemsize)
    is_whole = values.dtype.kind == "f"
    for start in range(0, len(values), at_once):
        some = values[start : start + at_once]
        is_whole = is_whole and bool((some == np.rint(some)).all())
        pieces.append(texts(some, array.where))
    how = f"the labels of {array.name!r} are written as decimals, and are all whole numbers" if is_whole else None
    return pa.concat_arrays(pieces), how


def _one_hot(values: NDArray[Any], array: Array) -> tuple[pa.Array, str | None]:
    classes = values.shape[1]
    if classes > MAX_CLASSES:
        raise UnreadableError(
            Fault(array.where, f"it has {classes:,} columns, as labels; at most {MAX_CLASSES:,} classes",
                  "send one label for each example, [N]")
        )  # fmt: skip
    numbers, at_once = np.empty(len(values), np.int64), max(1, _NUMBERS // classes)
    for start in range(0, len(values), at_once):
        some = values[start : start + at_once]
        ones = (some == 1).sum(axis=1)
        if not ((some == 0) | (some == 1)).all():
            row = start + int(np.flatnonzero(~((some == 0) | (some == 1)).all(axis=1))[0])
            raise UnreadableError(
                Fault(
                    f"row {row + 1} of {array.where}",
                    f"its labels are {classes} numbers, not one of them 1 and the others 0: probabilities, or numbers "
                    "to be predicted (regression), which Tenfold does not do",
                    "send one label for each example, [N], as from values.argmax(axis=1)",
                )
            )
        if (ones != 1).any():
            row = int(np.flatnonzero(ones != 1)[0])
            many, its_name = int(ones[row]), array.name.rpartition("/")[2]
            raise UnreadableError(
                Fault(
                    f"row {start + row + 1} of {array.where}",
                    f"{many or 'none'} of its {classes} labels {'is' if many == 1 else 'are'} 1: several classes at "
                    "once (multi-label), which Tenfold does not do",
                    f"send one label for each example, [N], as one of these columns: {its_name}[:, 0]",
                )
            )
        numbers[start : start + len(some)] = (some == 1).argmax(axis=1)
    how = f"{array.name!r} has a column for each of {classes} classes, with one 1 in each row (one-hot)"
    return texts(numbers, array.where), how
