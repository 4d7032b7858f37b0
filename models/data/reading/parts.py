"""The split that a file has of its own: of each row, whether it is for training, validation or test."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data.examples import TRAIN, VALIDATION
from models.data.reading.found import MOST_FAULTS, Fault, UnreadableError
from models.data.reading.roles import PARTS
from models.data.reading.source import Batch
from models.data.reading.told import Told

_NAMES = ("train", "validation", "test")


class Parts:
    """Collects what a column says; nothing, if there is no such column."""

    def __init__(self, names: Sequence[str], place: int | None) -> None:
        self._place = place
        self._column = "" if place is None else names[place]
        self._parts = list[NDArray[np.uint8]]()

    def add(self, batch: Batch, kept: NDArray[np.bool_]) -> None:
        """Take the parts of the rows that are kept; raises UnreadableError where one is none."""
        if self._place is None:
            return
        encoded = batch.texts[self._place].dictionary_encode()
        own = np.array([PARTS.get(text.strip().lower(), 255) for text in encoded.dictionary.to_pylist()], np.uint8)
        parts = own[encoded.indices.to_numpy(zero_copy_only=False)]
        strange = np.flatnonzero((parts == 255) & kept)[:MOST_FAULTS]
        if len(strange):
            raise UnreadableError(
                *(
                    Fault(
                        f"{batch.where(int(row))}, column {self._column}",
                        f"{batch.texts[self._place][int(row)].as_py()[:40]!r} is none of train, validation and test",
                        f'say one of them, or leave the column out: ignore=["{self._column}"]',
                    )
                    for row in strange
                )
            )
        self._parts.append(parts[kept])

    def collected(self) -> NDArray[np.uint8]:
        """Give the part of each row that was kept, uint8 [N]; none where no column says so."""
        return np.concatenate([np.empty(0, np.uint8), *self._parts])

    def settle(self, told: Told) -> NDArray[np.uint8] | None:
        """Give the part of each row, uint8 [N], and tell of them; None where there is no column that says so."""
        if self._place is None:
            return None
        parts = self.collected()
        if not len(parts):
            return None  # that there are no examples is said by whoever counts them
        where = f"column {self._column}"
        remedy = f'say `train` of those to learn from, or leave the column out: ignore=["{self._column}"]'
        if told.base is not None:
            told.taken_for["split"] = {"column": self._column}
            return parts
        if (alone := only_part(parts)) is not None:
            seen = " that were looked at" if told.has_more else ""
            told.leave_out(self._column, f"it says of all rows{seen} that they are for {alone}")
            return None
        said = f"column {self._column!r} says which part each row is of"
        return settled(parts, told, by={"column": self._column}, said=said, where=where, remedy=remedy)


def only_part(parts: NDArray[np.uint8]) -> str | None:
    """Give the name of the part that all examples are of; None where they are of several."""
    counts = np.bincount(parts, minlength=len(_NAMES))
    return _NAMES[int(counts.argmax())] if np.count_nonzero(counts) == 1 else None


def settled(
    parts: NDArray[np.uint8], told: Told, *, by: Mapping[str, Any], said: str, where: str, remedy: str
) -> NDArray[np.uint8]:
    """Tell of a split into several parts, uint8 [N]: what said so, in the reading and in a sentence; gives the parts.

    Raises UnreadableError where none are for training.
    """
    if told.base is not None:  # with those before it there may be others
        told.taken_for["split"] = dict(by)
        return parts
    counts = np.bincount(parts, minlength=len(_NAMES))
    if not counts[TRAIN]:
        what = "no example is said to be for training"
        if not told.has_more:
            raise UnreadableError(Fault(where, what, remedy))
        told.warn("split", f"{where}: {what}; unless the rest of the file is otherwise, {remedy}")
    about: dict[str, Any] = {name: int(count) for name, count in zip(_NAMES, counts, strict=True)}
    told.taken_for["split"] = {**by, **about}
    drawn = "" if counts[VALIDATION] else "; validation examples will be drawn from those for training"
    told.note("split", f"{said}{drawn}")
    return parts
