"""Which workers were seen, and when."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import ColumnElement, delete, func, select, update

from service.store.engine import Database, Row, insert_or, now_ms
from service.store.tables import workers

Role = Literal["train", "errands", "readings"]

_FORGOTTEN_AFTER_MS = 24 * 3600 * 1000


@dataclass(frozen=True)
class Workers:
    """The workers of a database."""

    database: Database

    def seen(self, worker_id: str, role: Role, *, slots: int) -> None:
        """Note that a worker is alive now, and how many training processes it has."""
        with self.database.writer.begin() as connection:
            connection.execute(
                insert_or(connection, workers)
                .values(id=worker_id, role=role, slots=slots, started_at=now_ms(), seen_at=now_ms())
                .on_conflict_do_update(index_elements=["id"], set_={"slots": slots, "seen_at": now_ms()})
            )
            connection.execute(delete(workers).where(workers.c.seen_at < now_ms() - _FORGOTTEN_AFTER_MS))

    def drain(self, worker_id: str) -> None:
        """Note that a worker was told to stop: its training processes release their jobs, and take no others."""
        with self.database.writer.begin() as connection:
            connection.execute(update(workers).where(workers.c.id == worker_id).values(draining=True, slots=0))

    def all(self) -> Sequence[Row]:
        """List the workers that were seen within a day, those seen last first."""
        with self.database.reader.connect() as connection:
            return connection.execute(select(workers).order_by(workers.c.seen_at.desc(), workers.c.id)).all()

    def count(self, role: Role, *, seconds: float) -> int:
        """Count the workers of a role that were seen within the last seconds."""
        query = (
            select(func.count())
            .select_from(workers)
            .where(workers.c.role == role, workers.c.draining.is_(False), _seen_within(seconds))
        )
        with self.database.reader.connect() as connection:
            return connection.scalar(query) or 0

    def slots(self, *, seconds: float) -> int:
        """Count the training processes of all workers that were seen within the last seconds."""
        query = select(func.sum(workers.c.slots)).where(_seen_within(seconds))
        with self.database.reader.connect() as connection:
            return connection.scalar(query) or 0


def _seen_within(seconds: float) -> ColumnElement[bool]:
    return workers.c.seen_at > now_ms() - int(seconds * 1000)
