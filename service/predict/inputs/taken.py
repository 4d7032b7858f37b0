"""What a body was found to hold, once it is known which network it is for."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from service.predict.batcher import Rows

MOST_BYTES = 64 * 2**20
"""Of the examples of one request, in float32: as many as a body of numbers may have."""


class Note(NamedTuple):
    """What was made of a column that is not as the network's own: what was sent, and what was used in its place."""

    column: str
    kind: Literal["missing", "unknown_level", "ignored"]
    sent: Any
    used: float | str | None


class Taken(NamedTuple):
    """Examples [n, ...] for a network's batcher, whether the answer is a list, and notes by the places of examples."""

    rows: Rows
    several: bool
    notes: Mapping[int, Sequence[Note]] = {}
