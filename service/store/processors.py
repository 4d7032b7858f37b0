"""Which kernels processors multiply by that no table knows: measured once for each kind, and the same ever after."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import select

from service.store.engine import Database, insert_or, now_ms
from service.store.small_tables import processors

Kernels = tuple[str, str]
"""Those of small and of large products."""


@dataclass(frozen=True)
class Processors:
    """The choices on record, by what describes a kind of processor."""

    database: Database

    def settle(self, described: str, measure: Callable[[], Kernels]) -> Kernels:
        """Give the kernels of this kind of processor; measures them if nobody has, and takes those of who was first."""
        chosen = select(processors.c.small, processors.c.large).where(processors.c.described == described)
        with self.database.reader.connect() as connection:
            row = connection.execute(chosen).one_or_none()
        if row is None:
            small, large = measure()
            values = {"described": described, "small": small, "large": large, "measured_at": now_ms()}
            with self.database.writer.begin() as connection:
                new = insert_or(connection, processors).values(values)
                connection.execute(new.on_conflict_do_nothing(index_elements=["described"]))
                row = connection.execute(chosen).one()
        return row.small, row.large
