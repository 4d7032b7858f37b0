"""Which examples are equal to earlier ones, by their hashes and labels; they are told of, or left out.

Legend of shapes: N examples, M that came before them.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data.reading import npy

_SHOWN = 5
_AT_ONCE = 4096
_ODD = np.uint64(0x9E3779B97F4A7C15)


def first_ones(marks: NDArray[np.uint64], labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which examples are the first of their like, with the same numbers and the same label, bool [N]."""
    _, first = np.unique(_pairs(marks, labels), return_index=True)
    kept = np.zeros(len(marks), bool)
    kept[first] = True
    return kept


def known(
    marks: NDArray[np.uint64],
    labels: NDArray[np.int64],
    before: NDArray[np.uint64],
    labels_before: NDArray[np.int64],
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Tell which examples are equal to one of those before, whatever its label, and which with the same, bool [N]."""
    return _among(marks, before), _among(_pairs(marks, labels), _pairs(before, labels_before))


def _among(few: NDArray[np.uint64], many: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Tell which of the first are among the second, bool [N], which need not be sorted for that."""
    distinct, places = np.unique(few, return_inverse=True)
    at = np.minimum(np.searchsorted(distinct, many), len(distinct) - 1)
    found = np.zeros(len(distinct), bool)
    found[at[distinct[at] == many]] = True
    return found[places]


def _pairs(marks: NDArray[np.uint64], labels: NDArray[np.int64]) -> NDArray[np.uint64]:
    return np.asarray(marks + (labels.astype(np.uint64) + np.uint64(1)) * _ODD)


def keep(path: Path, kept: NDArray[np.bool_]) -> None:
    """Write the rows of a .npy file anew that are kept, bool [N]."""
    values: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    other = path.with_suffix(".new")
    with npy.Writer(other, values.dtype, values.shape[1:]) as writer:
        for start in range(0, len(values), _AT_ONCE):
            writer.append(values[start : start + _AT_ONCE][kept[start : start + _AT_ONCE]])
    other.replace(path)


def some(kept: NDArray[np.bool_]) -> list[tuple[str, str]]:
    """Give where some of those stand that are not kept."""
    return [(f"example {1 + row} of the file", "") for row in np.flatnonzero(~kept)[:_SHOWN].tolist()]
