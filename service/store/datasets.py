"""Data sets: the built-in ones, once somebody asked for them, and those that were uploaded.

A data set waits to be described by a worker ("pending"), and then is "ready" or has "failed". One that failed may be
asked for again: what could not be downloaded yesterday may be there today.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, delete, select, update

from models.data.builtin import BUILTIN
from service.store import owners
from service.store.engine import Database, Row, insert_or, locked, now_ms
from service.store.errors import DatasetInUse
from service.store.files import File, publish
from service.store.keys import Key, claim, keep
from service.store.states import FINAL_STATES
from service.store.tables import artifacts, datasets, jobs


@dataclass(frozen=True)
class Datasets:
    """The data sets of a database. `get` and `all` know those on record, `exists` and `names` those built in too."""

    database: Database

    def get(self, name: str) -> Row | None:
        """Look a data set up."""
        with self.database.reader.connect() as connection:
            return connection.execute(select(datasets).where(datasets.c.name == name)).one_or_none()

    def exists(self, name: str) -> bool:
        """Whether a job may name this data set."""
        return name in BUILTIN or self.get(name) is not None

    def names(self) -> set[str]:
        """Give the names of all data sets."""
        return {*BUILTIN, *(row.name for row in self.all())}

    def all(self) -> Sequence[Row]:
        """List the data sets by name."""
        with self.database.reader.connect() as connection:
            return connection.execute(select(datasets).order_by(datasets.c.name)).all()

    def add(
        self,
        name: str,
        source: Literal["builtin", "upload"],
        files: Sequence[File] = (),
        *,
        key: Key | None = None,
    ) -> bool:
        """Add a data set that waits to be described; gives False when there is one of that name.

        Under a key it is done once: raises Repeated, and KeyReused.
        """
        with self.database.writer.begin() as connection:
            added = connection.execute(
                insert_or(connection, datasets)
                .values(name=name, source=source, state="pending", created_at=now_ms(), changed_at=now_ms())
                .on_conflict_do_nothing()
                .returning(datasets.c.name)
            ).one_or_none()
            if added is not None:
                claim(connection, key)
                publish(connection, owners.of_dataset(name), files)
                query = select(datasets).where(datasets.c.name == name)
                keep(connection, key, connection.execute(query).one())
            return added is not None

    def describe_again(self, seen: Row) -> None:
        """Let a data set whose description failed wait for another try."""
        self._change(seen, state="pending", error=None)

    def describe(self, seen: Row, description: Mapping[str, Any], files: Sequence[File]) -> list[str]:
        """Note what a worker found in the data set that it has seen; one of the same name may have taken its place.

        Gives the keys of files that nothing points to any more.
        """
        with self.database.writer.begin() as connection:
            there = connection.execute(
                update(datasets)
                .where(*_still(seen))
                .values(state="ready", description=dict(description), error=None, changed_at=now_ms())
                .returning(datasets.c.name)
            ).one_or_none()
            if there is None:
                return [file.key for file in files]
            return publish(connection, owners.of_dataset(seen.name), files)

    def fail(self, seen: Row, error: str) -> None:
        """Note why the data set that a worker has seen could not be described."""
        self._change(seen, state="failed", error=error)

    def delete(self, name: str) -> list[str] | None:
        """Delete a data set; gives the keys of its files, or None when there is none of that name.

        Raises DatasetInUse while a job that has not ended trains on it.
        """
        with self.database.writer.begin() as connection:
            row = locked(connection, select(datasets).where(datasets.c.name == name)).one_or_none()
            if row is None:
                return None
            using = select(jobs.c.id).where(jobs.c.dataset == name, jobs.c.state.not_in(FINAL_STATES)).limit(1)
            if connection.scalar(using) is not None:
                raise DatasetInUse(name)
            connection.execute(delete(datasets).where(datasets.c.name == name))
            files = delete(artifacts).where(artifacts.c.owner == owners.of_dataset(name)).returning(artifacts.c.key)
            return list(connection.scalars(files))

    def _change(self, seen: Row, **values: Any) -> None:
        with self.database.writer.begin() as connection:
            connection.execute(update(datasets).where(*_still(seen)).values(changed_at=now_ms(), **values))


def _still(seen: Row) -> tuple[ColumnElement[bool], ...]:
    """Match the very data set that was seen, if it still waits as it did then."""
    return datasets.c.name == seen.name, datasets.c.created_at == seen.created_at, datasets.c.state == seen.state
