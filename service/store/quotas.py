"""Quotas of an account: what it has of jobs and bytes is looked at in the transaction that takes more, if any is."""

import math

from sqlalchemy import ColumnElement, Connection, func, select

from service.access.account_limits import Limits
from service.store.account_errors import QuotaExceeded
from service.store.account_tables import accounts, usage
from service.store.data_tables import uploads
from service.store.engine import insert_or, locked, now_ms
from service.store.files import USED
from service.store.scoping import account_of, limits_of
from service.store.shared_columns import DEFAULT
from service.store.tables import artifacts, jobs

_HOUR_MS = 3_600_000
_A_DAY = 24


def require_jobs(connection: Connection, more: int) -> None:
    """See that so many more jobs may wait; raises QuotaExceeded."""
    limits = _limits(connection)
    if limits is not None and limits.queued is not None:
        waiting = select(func.count()).select_from(jobs).where(jobs.c.state.in_(("queued", "paused")))
        _require("queued", limits.queued, connection.scalar(waiting) or 0, more)


def require_bytes(connection: Connection, more: int) -> None:
    """See that so many more bytes may be stored, and sent today, and count them; raises QuotaExceeded."""
    limits = _limits(connection)
    if limits is not None and limits.stored_bytes is not None:
        _require("stored_bytes", limits.stored_bytes, stored_bytes(connection), more)
    if limits is not None and limits.bytes_a_day is not None:
        _require_today(connection, limits.bytes_a_day, more)
    count_bytes(connection, more)


def count_bytes(connection: Connection, more: int) -> None:
    """Count bytes that were sent."""
    whose, hour = account_of(connection) or DEFAULT, now_ms() // _HOUR_MS
    new = insert_or(connection, usage).values(account=whose, hour=hour, bytes=more)
    added = new.on_conflict_do_update(index_elements=["account", "hour"], set_={"bytes": usage.c.bytes + more})
    connection.execute(added)


def stored_bytes(connection: Connection) -> int:
    """Give how many bytes its files have, and its open uploads will have: several at a time might pass together else.

    Summed in an index, of which no row is read: a number that is kept instead would make all wait for each other that
    write down a file, epoch by epoch.
    """
    of_files = connection.scalar(select(func.coalesce(func.sum(artifacts.c.size), 0)))
    coming = func.coalesce(uploads.c.length, uploads.c.received)
    of_uploads = connection.scalar(select(func.coalesce(func.sum(coming), 0)).where(~USED))
    return int(of_files or 0) + int(of_uploads or 0)


def bytes_today(connection: Connection) -> int:
    """Give how many bytes an account has sent within 24 hours."""
    return int(connection.scalar(select(func.coalesce(func.sum(usage.c.bytes), 0)).where(_recent(connection))) or 0)


def _recent(connection: Connection) -> ColumnElement[bool]:
    return (usage.c.account == account_of(connection)) & (usage.c.hour > now_ms() // _HOUR_MS - _A_DAY)


def _require_today(connection: Connection, most: int, more: int) -> None:
    """See that so many more bytes may be sent today; raises QuotaExceeded, which tells when, if ever, they may."""
    has = bytes_today(connection)
    if has + more <= most:
        return
    hours = select(usage.c.hour, usage.c.bytes, now_ms().label("now")).where(_recent(connection))
    left = has
    for row in connection.execute(hours.order_by(usage.c.hour)):
        left -= row.bytes
        if left + more <= most:
            until = (row.hour + _A_DAY) * _HOUR_MS  # when what was sent in that hour counts no more
            raise QuotaExceeded("bytes_a_day", most, has, more, math.ceil((until - row.now) / 1000))
    raise QuotaExceeded("bytes_a_day", most, has, more)


def _limits(connection: Connection) -> Limits | None:
    """Give the limits that hold, if any do, and let others of the account wait who take more."""
    limits = limits_of(connection)
    if limits is not None:
        locked(connection, select(accounts.c.name).where(accounts.c.name == account_of(connection)))
    return limits


def _require(name: str, most: int, has: int, more: int) -> None:
    if has + more > most:
        raise QuotaExceeded(name, most, has, more)
