"""Data sets: the built-in ones, once somebody asked for them, and those that were uploaded.

A data set waits to be described by a worker ("pending"), and then is "ready" or has "failed". One that failed may be
asked for again: what could not be downloaded yesterday may be there today.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import delete, select, update

from service.store.engine import Database, Record, insert_or, now_ms
from service.store.files import File, publish
from service.store.tables import artifacts, datasets


def owner_of(name: str) -> str:
    """Give the name under which a data set's artifacts are filed."""
    return f"datasets/{name}"


@dataclass(frozen=True)
class Datasets:
    """The data sets of a database."""

    database: Database

    def get(self, name: str) -> Record | None:
        """Look a data set up."""
        with self.database.reader.connect() as connection:
            return connection.execute(select(datasets).where(datasets.c.name == name)).one_or_none()

    def all(self) -> Sequence[Record]:
        """List the data sets by name."""
        with self.database.reader.connect() as connection:
            return connection.execute(select(datasets).order_by(datasets.c.name)).all()

    def add(self, name: str, source: Literal["builtin", "upload"], files: Sequence[File] = ()) -> bool:
        """Add a data set that waits to be described; gives False when there is one of that name."""
        with self.database.writer.begin() as connection:
            added = connection.execute(
                insert_or(connection, datasets)
                .values(name=name, source=source, state="pending", created_at=now_ms(), changed_at=now_ms())
                .on_conflict_do_nothing()
                .returning(datasets.c.name)
            ).one_or_none()
            if added is not None:
                publish(connection, owner_of(name), files)
            return added is not None

    def describe_again(self, name: str) -> None:
        """Let a data set whose description failed wait for another try."""
        self._change(name, state="pending", error=None)

    def describe(self, name: str, description: Mapping[str, Any], files: Sequence[File]) -> list[str]:
        """Note what a worker found; gives the keys of files that nothing points to any more."""
        with self.database.writer.begin() as connection:
            there = connection.execute(
                update(datasets)
                .where(datasets.c.name == name)
                .values(state="ready", description=dict(description), error=None, changed_at=now_ms())
                .returning(datasets.c.name)
            ).one_or_none()
            if there is None:
                return [file.key for file in files]
            return publish(connection, owner_of(name), files)

    def fail(self, name: str, error: str) -> None:
        """Note why a data set could not be described."""
        self._change(name, state="failed", error=error)

    def delete(self, name: str) -> bool:
        """Delete a data set and the pointers to its files."""
        with self.database.writer.begin() as connection:
            connection.execute(delete(artifacts).where(artifacts.c.owner == owner_of(name)))
            deleted = connection.execute(delete(datasets).where(datasets.c.name == name).returning(datasets.c.name))
            return deleted.one_or_none() is not None

    def _change(self, name: str, **values: Any) -> None:
        with self.database.writer.begin() as connection:
            connection.execute(update(datasets).where(datasets.c.name == name).values(changed_at=now_ms(), **values))
