"""What a network has learned from: eight bytes of each example, by which it is known again wherever it turns up.

An example is known by its pixels or its row, not by its label: one that was learned under another label was learned.
Pictures are equal where they are on their scale, in steps of 1/65535, however they were stored: as bytes, as numbers
from 0 to 1, or as 17 levels. Rows are equal where all columns are that the network takes in, in whatever order, with
levels by their names: what a network began with may have learned from another table. Nothing is equal to nothing, -0
to 0, and a number to what it is in float32, of which it may have been written down; whole numbers are exact.

Legend of shapes: N examples, F columns of a table.
"""

import hashlib
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data.reading import hashes
from models.data.schema import Column, Images, Table
from models.inference import as_sent

LEARNED = "learned.npy"
"""What a version calls the file."""

_STEPS = 65535
_MOST_BYTES = 2**24  # of the examples that are looked at together
_ALMOST_HALF = 0.51  # what lies in the middle of two steps is rounded up, also where it is slightly off


def of(sent: NDArray[Any], schema: Images | Table) -> NDArray[np.uint64]:
    """Give the hash of each example [N, ...] as a client would send it to a network of this schema, uint64 [N].

    Of rows these are the network's columns in their order, and of levels the network's places.
    """
    if not len(sent):
        return np.zeros(0, np.uint64)
    if isinstance(schema, Table):
        return hashes.of(_as_words(sent, schema))[0]
    low, high = schema.scale
    if sent.dtype == np.uint8 and (low, high) == (0.0, 255.0):
        return hashes.of(sent.astype(np.uint16) * np.uint16(_STEPS // 255))[0]
    steps = (sent.astype(np.float64) - low) * (_STEPS / (high - low)) + _ALMOST_HALF
    return hashes.of(steps.clip(0, _STEPS).astype(np.uint16))[0]


def _as_words(sent: NDArray[Any], schema: Table) -> NDArray[np.uint64]:
    """Give rows uint64 [N, F], columns and levels by their names: the same under any schema of the same columns."""
    words = np.empty(sent.shape, np.uint64)
    ordered = sorted(zip(schema.columns, sent.T, strict=True), key=lambda pair: pair[0].name)
    for place, (column, values_N) in enumerate(ordered):
        words[:, place] = _numbers(values_N) if column.type == "number" else _levels(values_N, column)
    return words


def _numbers(values_N: NDArray[Any]) -> NDArray[np.uint64]:
    numbers = values_N.astype(np.float64) + 0.0  # -0 becomes 0
    with np.errstate(over="ignore", invalid="ignore"):
        near = numbers.astype(np.float32).astype(np.float64)
    numbers = np.where((numbers == np.trunc(numbers)) | np.isinf(near), numbers, near)
    numbers[np.isnan(numbers)] = np.nan
    return numbers.view(np.uint64)


def _levels(places_N: NDArray[Any], column: Column) -> NDArray[np.uint64]:
    # Behind the levels stand nothing, and one that the network does not know.
    names = [hashlib.blake2b(level.encode(), digest_size=8).digest() for level in column.levels]
    words = np.array([*(int.from_bytes(name, "little") for name in names), 0, 1], np.uint64)
    known = np.where(np.isnan(places_N), len(names), places_N)
    return words[np.where(known < 0, len(names) + 1, known).astype(np.intp)]


def learn(values: NDArray[Any], schema: Images | Table, rows: NDArray[np.integer]) -> NDArray[np.uint64]:
    """Give the hashes of these rows of what is stored under a schema: sorted, each once; a part of them at a time."""
    at_once = max(1, _MOST_BYTES // (8 * schema.inputs))
    ordered = np.sort(rows)  # one after the other on the disk
    parts = [
        of(as_sent(values[ordered[start : start + at_once]], schema), schema)
        for start in range(0, len(ordered), at_once)
    ]
    return np.unique(np.concatenate(parts)) if parts else np.zeros(0, np.uint64)


def union(*learned: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Give what any of several networks has learned from, sorted, each once."""
    return np.unique(np.concatenate(learned)) if learned else np.zeros(0, np.uint64)


def seen(learned: NDArray[np.uint64], hashes_N: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Tell which of the hashes [N] are among those of a network, bool [N]."""
    if not len(learned):
        return np.zeros(len(hashes_N), bool)
    places = np.minimum(np.searchsorted(learned, hashes_N), len(learned) - 1)
    found: NDArray[np.bool_] = learned[places] == hashes_N
    return found


def pack(learned: NDArray[np.uint64]) -> bytes:
    """Give the file: the hashes as an array, in numpy's form."""
    file = io.BytesIO()
    np.save(file, learned, allow_pickle=False)
    return file.getvalue()


def unpack(data: bytes) -> NDArray[np.uint64]:
    """Read what `pack` has written; raises ValueError for anything else."""
    try:
        found = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"this does not tell which examples were learned from: {error}") from error
    if not isinstance(found, np.ndarray) or found.dtype != np.uint64 or found.ndim != 1:
        raise ValueError("this does not tell which examples were learned from: it is no array of their hashes")
    if (found[1:] <= found[:-1]).any():
        raise ValueError("the hashes of examples that were learned from are sorted, each once; these are not")
    return found
