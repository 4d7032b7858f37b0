"""Which examples of a data set a network has learned from, as far as it can take them in."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data import learned
from models.data.schema import Images, Table
from models.evaluated.suited import suit

_MOST_BYTES = 2**24  # of the examples that are looked at together


def hashes_of(
    values: NDArray[Any], data: Images | Table, network: Images | Table, rows: NDArray[np.integer]
) -> NDArray[np.uint64]:
    """Give the hash of each of these rows [N] of what is stored under a schema, as a network of another takes it in.

    uint64 [N], to be looked up by `learned.seen` in what that network has learned from. Raises ValueError where it
    cannot take them in.
    """
    suited = suit(data, network)
    at_once = max(1, _MOST_BYTES // (8 * network.inputs))
    found = np.empty(len(rows), np.uint64)
    for start in range(0, len(rows), at_once):
        these = slice(start, start + at_once)
        found[these] = learned.of(suited.sent(values[rows[these]]), network)
    return found
