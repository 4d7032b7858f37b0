"""What the epochs of a job brought, in pieces: a history may be far longer than an answer should hold in memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Select, func, select

from service.store.engine import Database, Row
from service.store.errors import HistoryChanged
from service.store.tables import epochs

_LOSS_BYTES = 4  # float32

_KEPT = ("epoch", "iterations", "loss", "train_accuracy", "val_accuracy", "seconds", "complete")


@dataclass(frozen=True)
class History:
    """The epochs that a job had when this was read, without their losses; those are looked up when they are asked for.

    Nothing is held between two pieces: no connection, and no transaction.
    """

    database: Database
    job_id: str
    epochs: Sequence[Row]

    @classmethod
    def of(cls, database: Database, job_id: str) -> "History":
        """Read what the epochs of a job brought, in order."""
        columns = [epochs.c[name] for name in _KEPT]
        query: Select[Any] = select(*columns, (func.length(epochs.c.losses) // _LOSS_BYTES).label("batches"))
        with database.reader.connect() as connection:
            rows = connection.execute(query.where(epochs.c.job_id == job_id).order_by(epochs.c.epoch)).all()
        return cls(database, job_id, rows)

    @property
    def batches(self) -> int:
        """How many losses there are."""
        return sum(row.batches for row in self.epochs)

    def losses(self, start: int, end: int) -> NDArray[np.float32]:
        """Read the losses of the batches from `start` to before `end`; raises HistoryChanged."""
        pieces = [self._piece(*place) for place in self._places(start, end)]
        return np.frombuffer(b"".join(pieces), "<f4")

    def _places(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Give epoch, first batch in it, and number of batches, for all epochs that a range touches."""
        begins = 0
        for row in self.epochs:
            first, last = max(start, begins), min(end, begins + row.batches)
            if first < last:
                yield row.epoch, first - begins, last - first
            begins += row.batches

    def _piece(self, epoch: int, first: int, count: int) -> bytes:
        piece = func.substr(epochs.c.losses, first * _LOSS_BYTES + 1, count * _LOSS_BYTES)
        query = select(piece).where(epochs.c.job_id == self.job_id, epochs.c.epoch == epoch)
        with self.database.reader.connect() as connection:
            found = connection.scalar(query)
        if found is None or len(found) != count * _LOSS_BYTES:
            raise HistoryChanged(f"epoch {epoch} of job {self.job_id} is not what it was")
        return bytes(found)
