"""Data that grows: to which version examples are appended, and which files it has already, so that none is twice.

A version knows the one to which it was appended, and that the one before; what was deleted in between is known still.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from service.store.data_tables import additions, dataset_versions
from service.store.engine import Row
from service.store.errors import DataNotReady


def effective(given: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Give the options that hold: those given over those of the version before; a null takes one back."""
    return {name: value for name, value in {**before, **given}.items() if value is not None}


def note(
    connection: Connection,
    name: str,
    version: int,
    appended_to: int | None,
    file_sha256: str,
    options: Mapping[str, Any],
) -> None:
    """Note of which file a version is made, and to which version that is appended, if to any."""
    values = {"appended_to": appended_to, "file_sha256": file_sha256, "options": dict(options)}
    connection.execute(insert(additions).values(dataset=name, version=version, **values))


def base_among(name: str, rows: Sequence[Row]) -> Row | None:
    """Give the version to which is appended, the newest that is ready, of all versions, the newest first.

    None where there is none, and nothing was read or is. Raises DataNotReady while a later one is being read: what
    comes of it is not known yet.
    """
    for row in rows:
        if row.state == "reading":
            raise DataNotReady(name, row.version, "reading")
        if row.state == "ready":
            return row
    return None


def has_already(
    connection: Connection, name: str, rows: Sequence[Row], file_sha256: str, given: Mapping[str, Any]
) -> Row | None:
    """Give the version that brought these bytes to the newest one, or the newest if that is deleted; None if none did.

    `rows` are all versions, the newest first; `given` are the options said now, which must have held then as well.
    """
    alive = {row.version: row for row in rows if row.state in {"reading", "ready"}}
    if not alive:
        return None
    newest = max(alive)
    known = {row.version: row for row in connection.execute(select(additions).where(additions.c.dataset == name))}
    number: int | None = newest
    while number is not None and (its := known.get(number)) is not None:
        if its.file_sha256 == file_sha256 and effective(given, its.options) == its.options:
            return alive.get(number, alive[newest])
        number = its.appended_to
    return None


def reads_onto(connection: Connection, name: str, version: int) -> int | None:
    """Give the number of a version that is being read and will have the examples of this one; None if there is none."""
    its = (dataset_versions.c.dataset == name) & (dataset_versions.c.appended_to == version)
    query = select(dataset_versions.c.version).where(its, dataset_versions.c.state == "reading")
    return connection.scalar(query.order_by(dataset_versions.c.version).limit(1))


def forget(connection: Connection, name: str) -> None:
    """Forget the files of all versions, once none of a data set is there."""
    left = select(dataset_versions.c.version).where(dataset_versions.c.dataset == name).limit(1)
    if connection.scalar(left) is None:
        connection.execute(delete(additions).where(additions.c.dataset == name))
