"""What accounts are charged for jobs: what they are expected to take when they are claimed, and in the end the rest."""

from sqlalchemy import ColumnElement, Connection, case, func, select, update

from service.store.account_tables import accounts
from service.store.engine import insert_or, now_ms
from service.store.queue.queue_tables import shares
from service.store.queue.shares import Ledger
from service.store.queue.standing import seconds_of
from service.store.states import Job
from service.store.tables import attempts, jobs

UNKNOWN_EPOCH_SECONDS = 1.0
"""What an epoch is taken to last while none of a job of equal shape has ended."""

LEAST_SECONDS = 0.1
"""What a claim is charged at least: a process was busy with it, however soon it ended."""


def epoch_seconds(connection: Connection, shape: str) -> float:
    """Give the seconds of a process that an epoch of a job takes, as those of the last one of its shape have."""
    together = select(attempts.c.together).where(attempts.c.job_id == jobs.c.id, attempts.c.attempt == jobs.c.attempt)
    last = (
        select(jobs.c.epoch_seconds, together.scalar_subquery().label("together"))
        .where(jobs.c.state == "succeeded", jobs.c.shape == shape)
        .order_by(jobs.c.number.desc())
        .limit(1)
    )
    row = connection.execute(last).one_or_none()
    if row is None or row.epoch_seconds is None:
        return UNKNOWN_EPOCH_SECONDS
    return float(row.epoch_seconds) / (row.together or 1)


def cost(job: Job, seconds: float) -> float:
    """Give what a claim on a job is charged whose epochs take so many seconds."""
    return max(LEAST_SECONDS, seconds * int(job.spec["epochs"] - job.last_epoch))


def write_charges(connection: Connection, of: Ledger) -> None:
    """Put on record what was charged since a ledger was read; the last thing that a transaction locks."""
    for account in sorted(of.charged):  # all lock in one order
        share, seconds = of.of(account), of.charged[account]
        # Others may have claimed since it was read: what is added to is what stands there then.
        least = of.read_at - share.overrun / share.weight
        new = insert_or(connection, shares).values(account=account, begun=share.begun, due=share.due)
        connection.execute(
            new.on_conflict_do_update(
                index_elements=["account"],
                set_={
                    "begun": _greater(shares.c.begun, share.begun),
                    "due": _greater(shares.c.due, least) + seconds / share.weight,
                },
            )
        )


def end_attempt(connection: Connection, job_id: str, attempt: int, outcome: str) -> None:
    """Note how an attempt ended, and charge its account what it has really taken."""
    connection.execute(
        update(attempts)
        .where(attempts.c.job_id == job_id, attempts.c.attempt == attempt)
        .values(ended_at=now_ms(), outcome=outcome)
    )
    query = (
        select(attempts, jobs.c.account, func.coalesce(accounts.c.weight, 1.0).label("weight"))
        .join(jobs, jobs.c.id == attempts.c.job_id)
        .join(accounts, accounts.c.name == jobs.c.account, isouter=True)
        .where(attempts.c.job_id == job_id, attempts.c.attempt == attempt)
    )
    row = connection.execute(query).one_or_none()
    if row is None or row.charged is None:  # from before anything was charged
        return
    more = max(LEAST_SECONDS, seconds_of(row, row.ended_at)) - row.charged
    connection.execute(
        update(shares).where(shares.c.account == row.account).values(due=shares.c.due + more / row.weight)
    )


def _greater(column: ColumnElement[float], value: float) -> ColumnElement[float]:
    return case((column < value, value), else_=column)
