"""How accounts stand in the queue: whose jobs wait, and what each has had of the processes."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, select

from service.store.account_tables import accounts
from service.store.engine import Row, now_ms
from service.store.queue.queue_tables import shares
from service.store.queue.shares import Ledger, Share
from service.store.tables import WAITS_FOR_WORKER, attempts, jobs


def waiting_accounts(connection: Connection, alike: ColumnElement[bool] | None = None) -> Sequence[str]:
    """List the accounts that have jobs for a worker to take, perhaps only such that are alike.

    From one to the next along the index, whatever the number of their jobs.
    """
    waits = WAITS_FOR_WORKER if alike is None else and_(WAITS_FOR_WORKER, alike)
    # Not by min(): SQLite would look for it along another index, which has them in no order.
    first = select(jobs.c.account).where(waits).order_by(jobs.c.account, jobs.c.turn, jobs.c.number).limit(1)
    found = select(first.scalar_subquery().label("name")).cte("waiting_accounts", recursive=True)
    following = first.where(jobs.c.account > found.c.name).scalar_subquery()
    found = found.union_all(select(following).where(found.c.name.is_not(None)))
    name = found.c.name
    return connection.scalars(select(name).where(name.is_not(None))).all()


def ledger(connection: Connection) -> Ledger:
    """Give the shares of all accounts, as they are now."""
    running: dict[str, list[Row]] = {}
    for row in connection.execute(_RUNNING):
        running.setdefault(row.account, []).append(row)
    return Ledger(_share(row, running.get(row.account, [])) for row in connection.execute(_SHARES))


def _share(row: Row, running: Sequence[Row]) -> Share:
    limit = (row.limits or {}).get("running")
    return Share(
        account=row.account,
        weight=row.weight,
        begun=row.begun or 0.0,
        due=row.due or 0.0,
        overrun=sum(max(0.0, seconds_of(job, job.now) - (job.charged or 0.0)) for job in running),
        processes=len({job.owner for job in running}),
        room=None if limit is None else max(0, limit - len(running)),
    )


def seconds_of(attempt: Row, until: int) -> float:
    """Give the seconds of a process that an attempt has taken: of those trained together each takes an equal part."""
    return float(until - attempt.started_at) / 1000 / (attempt.together or 1)


_RUNNING = (
    select(
        jobs.c.account,
        jobs.c.owner,
        attempts.c.started_at,
        attempts.c.together,
        attempts.c.charged,
        now_ms().label("now"),
    )
    .join(attempts, and_(attempts.c.job_id == jobs.c.id, attempts.c.attempt == jobs.c.attempt))
    .where(jobs.c.state == "running")
)
_SHARES: Select[Any] = select(
    accounts.c.name.label("account"), accounts.c.weight, accounts.c.limits, shares.c.begun, shares.c.due
).join(shares, shares.c.account == accounts.c.name, isouter=True)
