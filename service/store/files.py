"""Pointers from an owner (a job, a sweep, a data set, a version) to its files. Readers follow pointers only."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, exists, func, insert, select, update

from service.store.data_tables import uploads
from service.store.engine import Database, Row, insert_or, locked, now_ms
from service.store.event_tables import events
from service.store.owners import is_on_record, row_of
from service.store.tables import artifacts, workers

REFUSED = ".refused"
"""Follows the name of a file that could not be made; the one of this name says why."""


USED = exists(
    select(artifacts.c.key).where(artifacts.c.key == uploads.c.key, artifacts.c.owner.startswith("datasets/"))
)
"""Whether the file of an upload is that of a version: it takes no room of its own."""


@dataclass(frozen=True)
class File:
    """A file that was written: `name` is what its owner calls it, `key` where it lies, `epoch` how new it is."""

    name: str
    key: str
    sha256: str
    size: int
    epoch: int


def publish(connection: Connection, owner: str, files: Sequence[File]) -> list[str]:
    """Point to files, in place of older ones of the same name; gives the keys that nothing points to any more.

    A file of an earlier epoch than the present one is not pointed to: a slow painter comes too late.
    """
    names = [file.name for file in files]
    query = select(artifacts.c.key).where(artifacts.c.owner == owner, artifacts.c.name.in_(names))
    before = set(connection.scalars(query))
    for file in files:
        values: dict[str, Any] = {**vars(file), "created_at": now_ms()}
        upsert = insert_or(connection, artifacts).values(owner=owner, **values)
        connection.execute(
            upsert.on_conflict_do_update(
                index_elements=["account", "owner", "name"], set_=values, where=artifacts.c.epoch <= file.epoch
            )
        )
    return _unreferenced(connection, before | {file.key for file in files})


def share(
    connection: Connection, owner: str, with_owner: str, names: Mapping[str, str], *, epoch: int | None = None
) -> int:
    """Let an owner point to files of another, each by a name of its own; gives how many there are."""
    query = select(artifacts).where(artifacts.c.owner == owner, artifacts.c.name.in_(names))
    rows = [
        {
            **row,
            "owner": with_owner,
            "name": names[row["name"]],
            "epoch": row["epoch"] if epoch is None else epoch,
        }
        for row in connection.execute(query).mappings().all()
    ]
    if rows:
        connection.execute(insert(artifacts), rows)
    return len(rows)


def withdraw(connection: Connection, owner: str, *, newer_than: int) -> list[str]:
    """Point no more to files of later epochs; gives the keys that nothing points to any more."""
    gone = connection.execute(
        delete(artifacts).where(artifacts.c.owner == owner, artifacts.c.epoch > newer_than).returning(artifacts.c.key)
    )
    return _unreferenced(connection, set(gone.scalars()))


def rename(connection: Connection, owner: str, names: Mapping[str, str]) -> None:
    """Let an owner call files by other names, where it has none of that name."""
    taken = set(connection.scalars(select(artifacts.c.name).where(artifacts.c.owner == owner)))
    for old, new in names.items():
        if old in taken and new not in taken:
            this = (artifacts.c.owner == owner) & (artifacts.c.name == old)
            connection.execute(update(artifacts).where(this).values(name=new))


def withdraw_all(connection: Connection, owners: Sequence[str]) -> list[str]:
    """Point no more to any file of these owners; gives the keys that nothing points to any more, wherever they lie."""
    gone: set[str] = set()
    for some in batched(owners):
        query = delete(artifacts).where(artifacts.c.owner.in_(some)).returning(artifacts.c.key)
        gone |= set(connection.scalars(query))
    return _unreferenced(connection, gone)


def withdraw_names(connection: Connection, owner: str, names: Sequence[str]) -> list[str]:
    """Point no more to files of these names; gives the keys that nothing points to any more."""
    gone = connection.execute(
        delete(artifacts).where(artifacts.c.owner == owner, artifacts.c.name.in_(names)).returning(artifacts.c.key)
    )
    return _unreferenced(connection, set(gone.scalars()))


def _unreferenced(connection: Connection, keys: set[str]) -> list[str]:
    found: set[str] = set()
    for some in batched(sorted(keys)):
        found |= set(connection.scalars(select(artifacts.c.key).where(artifacts.c.key.in_(some))))
    return sorted(keys - found)


def batched(values: Sequence[str]) -> Iterator[Sequence[str]]:
    """Divide values into as many as one statement may have."""
    for start in range(0, len(values), 1000):
        yield values[start : start + 1000]


@dataclass(frozen=True)
class Files:
    """The pointers of a database."""

    database: Database

    def get(self, owner: str, name: str) -> Row | None:
        """Look a pointer up."""
        query = select(artifacts).where(artifacts.c.owner == owner, artifacts.c.name == name)
        with self.database.reader.connect() as connection:
            return connection.execute(query).one_or_none()

    def refusal(self, owner: str, name: str, *, epoch: int = 0, seconds: float) -> Row | None:
        """Look up why a file of an owner could not be made for this epoch, if that was within the last seconds."""
        query = select(artifacts).where(artifacts.c.owner == owner, artifacts.c.name == name + REFUSED)
        recent = (artifacts.c.epoch >= epoch) & (artifacts.c.created_at > now_ms() - int(seconds * 1000))
        with self.database.reader.connect() as connection:
            return connection.execute(query.where(recent)).one_or_none()

    def of(self, owner: str) -> Sequence[Row]:
        """List the files of an owner by name."""
        query = select(artifacts).where(artifacts.c.owner == owner).order_by(artifacts.c.name)
        with self.database.reader.connect() as connection:
            return connection.execute(query).all()

    def all(self) -> Sequence[Row]:
        """List all pointers."""
        with self.database.reader.connect() as connection:
            return connection.execute(select(artifacts).order_by(artifacts.c.owner, artifacts.c.name)).all()

    def unreferenced(self, keys: Sequence[str]) -> list[str]:
        """Give those of the keys that nothing points to."""
        with self.database.reader.connect() as connection:
            return _unreferenced(connection, set(keys))

    def of_strangers(self, keys: Sequence[str]) -> list[str]:
        """Give those of the keys whose owner is not on record either."""
        with self.database.reader.connect() as connection:
            return [key for key in keys if not is_on_record(connection, key)]

    def quiet_seconds(self) -> float:
        """Give how long ago anything was last recorded: a file, an event of a job or the beat of a worker."""
        newest = [
            select(func.max(artifacts.c.created_at)),
            select(func.max(workers.c.seen_at)),
            select(events.c.created_at).order_by(events.c.number.desc()).limit(1),
        ]
        with self.database.reader.connect() as connection:
            moments = [at for query in newest if (at := connection.scalar(query)) is not None]
            now = connection.execute(select(now_ms())).scalar_one()
        return (now - max(moments)) / 1000 if moments else math.inf

    def forget(self, pointer: Row) -> None:
        """Point no more to a file, unless another has taken its name meanwhile."""
        with self.database.writer.begin() as connection:
            same = (artifacts.c.owner == pointer.owner) & (artifacts.c.name == pointer.name)
            connection.execute(delete(artifacts).where(same, artifacts.c.key == pointer.key))

    def publish(self, owner: str, files: Sequence[File]) -> list[str]:
        """Point to files of an owner that is still there; gives the keys that nothing points to any more.

        That one of them could not be made before is not said any more.
        """
        there = row_of(owner)
        with self.database.writer.begin() as connection:
            # Locked until the pointer is there: the owner is not deleted in between.
            if locked(connection, there, shared=True).one_or_none() is None:
                return [file.key for file in files]
            refusals = withdraw_names(connection, owner, [file.name + REFUSED for file in files])
            return refusals + publish(connection, owner, files)
