"""What a body was found to hold, once it is known which network it is for."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from service.errors import Invalid
from service.predict.batcher import Rows

MOST_BYTES = 64 * 2**20
"""Of the examples of one request, in float32: as many as a body of numbers may have."""

MOST_NOTES = 100_000
"""Of the examples of one request: a short body may lack a great many columns, and each is told."""


class Note(NamedTuple):
    """What was made of a column that is not as the network's own: what was sent, and what was used in its place.

    `nearest` is the level that is written as an unknown one, but for small and capital letters and blanks.
    """

    column: str
    kind: Literal["missing", "unknown_level", "ignored"]
    sent: Any
    used: float | str | None
    nearest: str | None = None

    def document(self) -> dict[str, Any]:
        """Give it as an answer has it."""
        told = self._asdict()
        return told if self.nearest is not None else {name: told[name] for name in ("column", "kind", "sent", "used")}


class Notes:
    """Gathers what is noted of a request's examples, by their places; raises Invalid where it is too much to tell."""

    def __init__(self) -> None:
        self.of = dict[int, list[Note]]()
        self._count = 0

    def add(self, place: int, *told: Any) -> None:
        """Note something of an example; `told` is what a Note has."""
        self._count += 1
        if self._count > MOST_NOTES:
            raise Invalid(
                f"more than {MOST_NOTES:,} values are missing, unknown or not used, and each would be told; send fewer "
                "rows at once, with the columns that the model takes"
            )
        self.of.setdefault(place, []).append(Note(*told))


class Taken(NamedTuple):
    """Examples [n, ...] for a network's batcher, whether the answer is a list, and notes by the places of examples."""

    rows: Rows
    several: bool
    notes: Mapping[int, Sequence[Note]] = {}
