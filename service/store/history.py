"""What the epochs of a job brought, in pieces: a history may be far longer than an answer should hold in memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Integer, Select, func, select

from service.store.engine import Database, Row
from service.store.errors import HistoryChanged
from service.store.inheritance import history_of

_LOSS_BYTES = 4  # float32

_KEPT = ("epoch", "iterations", "loss", "train_accuracy", "val_accuracy", "val_metric", "seconds", "complete")


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
        history = history_of(job_id)
        columns = [history.c[name] for name in _KEPT]
        query: Select[Any] = select(
            *columns, (func.length(history.c.losses, type_=Integer) // _LOSS_BYTES).label("batches")
        )
        with database.reader.connect() as connection:
            rows = connection.execute(query.order_by(history.c.epoch)).all()
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
        history = history_of(self.job_id)
        piece = func.substr(history.c.losses, first * _LOSS_BYTES + 1, count * _LOSS_BYTES)
        query = select(piece).where(history.c.epoch == epoch)
        with self.database.reader.connect() as connection:
            found = connection.scalar(query)
        if found is None or len(found) != count * _LOSS_BYTES:
            raise HistoryChanged(f"epoch {epoch} of job {self.job_id} is not what it was")
        return bytes(found)
