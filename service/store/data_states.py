"""What state a version of a data set is in, and every way from one to another, with its event, in one transaction.

The legal moves; nothing leaves a state on the right, but that what is built in may be asked for again:

    reading -> ready, failed, cancelled
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, Connection, Select, and_, insert, select, update

from service.store import happenings
from service.store.data_tables import dataset_versions, datasets
from service.store.engine import Row, locked, now_ms
from service.store.errors import NoSuchData
from service.store.event_tables import events

DataState = Literal["reading", "ready", "failed", "cancelled"]
DATA_STATES: tuple[DataState, ...] = get_args(DataState)

VERSION: Select[Any] = select(dataset_versions, datasets.c.source).join(datasets)
"""What is read of a version by whoever needs all of it."""

CANCELLED = {
    "where": "file",
    "detail": "the reading was cancelled",
    "remedy": "send the file again, or read that of the version anew with POST /datasets/{name}/versions",
}

NOTHING_READ: Mapping[str, Any] = {"bytes": 0, "bytes_total": None, "rows": 0}


def this(row: Row) -> ColumnElement[bool]:
    """Match a version by its account, name and number."""
    its = (dataset_versions.c.dataset == row.dataset) & (dataset_versions.c.version == row.version)
    return and_(its, dataset_versions.c.account == row.account)


def log(connection: Connection, dataset: str, version: int, state: DataState, told: Mapping[str, Any]) -> None:
    """Append to what happened to a version, in the transaction in which it happens."""
    values = {"dataset": dataset, "version": version, "type": f"data.{state}", "data": dict(told)}
    connection.execute(insert(events).values(**values, created_at=now_ms()))
    happenings.of_data(connection, dataset, version, state, told)


def begin(connection: Connection, row: Row) -> None:
    """Let a version wait to be read, as one that is new; whoever calls this has locked its row."""
    values = {"fruitless_attempts": 0, "cancel_requested": False, "faults": []}
    _update(connection, row, "reading", progress=dict(NOTHING_READ), rung_at=now_ms(), **values)
    log(connection, row.dataset, row.version, "reading", {})


def wait_again(connection: Connection, row: Row, **values: Any) -> None:
    """Let a version wait for another worker; whoever calls this has locked its row."""
    _update(connection, row, "reading", progress=dict(NOTHING_READ), rung_at=now_ms(), **values)


def end(
    connection: Connection,
    row: Row,
    state: Literal["ready", "failed", "cancelled"],
    *,
    faults: Sequence[Mapping[str, str]] = (),
    **found: Any,
) -> None:
    """Move a version to the state in which it stays; whoever calls this has locked its row."""
    _update(connection, row, state, faults=[dict(fault) for fault in faults], **found)
    told = {"examples": found["examples"], "sha256": found["sha256"]} if state == "ready" else {"faults": list(faults)}
    if state == "ready" and found.get("added") is not None:
        told |= {"added": found["added"]}
    log(connection, row.dataset, row.version, state, told)


def _update(connection: Connection, row: Row, state: DataState, **values: Any) -> None:
    free = {"owner": None, "lease_expires_at": None, "changed_at": now_ms()}
    connection.execute(update(dataset_versions).where(this(row)).values(state=state, **free, **values))


def by_number(name: str, version: int) -> Select[Any]:
    """Select a version of a data set."""
    return VERSION.where(dataset_versions.c.dataset == name, dataset_versions.c.version == version)


def own(name: str, version: int) -> Select[Any]:
    """Select a version to be locked, and not its data set with it."""
    return select(dataset_versions).where(dataset_versions.c.dataset == name, dataset_versions.c.version == version)


def version_of(connection: Connection, name: str, version: int) -> Row | None:
    """Look a version of a data set up."""
    return connection.execute(by_number(name, version)).one_or_none()


def hold(connection: Connection, name: str, version: int) -> None:
    """Keep a version from being deleted until the transaction ends; raises NoSuchData where it is not there."""
    if locked(connection, own(name, version), shared=True).one_or_none() is None:
        raise NoSuchData(f"{name}/{version}")
