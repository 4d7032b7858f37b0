"""The next job, and those that are trained with it: whose turn it is, and of that account's jobs the first in order."""

from collections.abc import Iterator, Sequence

from sqlalchemy import ColumnElement, Connection, and_, func, insert, select, update

from service.store.engine import locked, now_ms
from service.store.postings import read_along_indices
from service.store.queue.charging import cost, epoch_seconds, write_charges
from service.store.queue.shares import Ledger, room
from service.store.queue.standing import ledger, waiting_accounts
from service.store.states import JOB, Job, log_event
from service.store.tables import WAITS_FOR_WORKER, attempts, jobs, workers


def claim(connection: Connection, job_id: str | None, owner: str, *, most: int, lease_ms: int) -> list[Job]:
    """Make jobs running: the one called `job_id`, or the next in turn, and at most `most` in all that are like it.

    Each account that they are of is charged for them. Gives them as they are then; none where none waits.
    """
    read_along_indices(connection)
    of = ledger(connection)
    first = _first(connection, of, job_id, owner, lease_ms)
    if first is None:
        return []
    seconds = epoch_seconds(connection, first.shape)
    of.charge(first.account, cost(first, seconds))
    taken = [first, *_companions(connection, of, first, seconds, most, owner, lease_ms)]
    for job in taken:
        begun = {"job_id": job.id, "attempt": job.attempt, "owner": owner, "started_at": now_ms()}
        connection.execute(insert(attempts).values(**begun, together=len(taken), charged=cost(job, seconds)))
        log_event(connection, job.id, "state", {"state": "running", "attempt": job.attempt})
    write_charges(connection, of)
    return taken


def _first(connection: Connection, of: Ledger, job_id: str | None, owner: str, lease_ms: int) -> Job | None:
    if job_id is not None and (named := _take(connection, [job_id], owner, lease_ms)):
        return named[0]
    for account in of.in_turn(waiting_accounts(connection)):
        query = select(jobs.c.id).where(WAITS_FOR_WORKER, jobs.c.account == account)
        query = query.order_by(jobs.c.turn, jobs.c.number).limit(1)
        found = locked(connection, query, skip_locked=True).scalars().all()
        if taken := _take(connection, found, owner, lease_ms):
            return taken[0]
    return None


def _take(connection: Connection, job_ids: Sequence[str], owner: str, lease_ms: int) -> list[Job]:
    if not job_ids:
        return []
    taken = connection.scalars(
        update(jobs)
        .where(jobs.c.id.in_(job_ids), WAITS_FOR_WORKER)
        .values(
            state="running",
            attempt=jobs.c.attempt + 1,
            owner=owner,
            lease_expires_at=now_ms() + lease_ms,
            started_at=func.coalesce(jobs.c.started_at, now_ms()),
        )
        .returning(jobs.c.id)
    ).all()
    rows = {row.id: row for row in connection.execute(select(*JOB).where(jobs.c.id.in_(taken)))}
    return [rows[job_id] for job_id in job_ids if job_id in rows]


def _companions(
    connection: Connection, of: Ledger, first: Job, seconds: float, most: int, owner: str, lease_ms: int
) -> list[Job]:
    """Take this process's share of the jobs that wait and are like the first: each account's in their order.

    What was uploaded is each account's own, whatever it is called: such jobs have companions of their account alone.
    """
    if most <= 1:
        return []
    alike = and_(jobs.c.shape == first.shape, jobs.c.fruitless_attempts == first.fruitless_attempts)
    seen = select(func.sum(workers.c.slots)).where(workers.c.seen_at > now_ms() - lease_ms)
    slots = max(connection.scalar(seen) or 1, 1)
    # More than these make no difference, and there may be a million.
    some = select(jobs.c.number).where(WAITS_FOR_WORKER, alike).limit(most * slots).subquery()
    waiting = connection.scalar(select(func.count()).select_from(some)) or 0
    beside = room(waiting, first.fruitless_attempts, most=most, slots=slots)
    if beside < 1:
        return []
    theirs = waiting_accounts(connection, alike) if first.dataset_version is None else [first.account]
    queues = {account: _in_order(connection, alike, account, beside) for account in theirs}
    chosen = of.together(first.account, queues, lambda job: cost(job, seconds), most=beside)
    return _take(connection, [job.id for job in chosen], owner, lease_ms)


def _in_order(connection: Connection, alike: ColumnElement[bool], account: str, most: int) -> Iterator[Job]:
    """Lock the first jobs of an account that are alike, when the first of them is asked for, and give them in order."""
    query = (
        select(jobs.c.id, jobs.c.spec, jobs.c.last_epoch)
        .where(WAITS_FOR_WORKER, alike, jobs.c.account == account)
        .order_by(jobs.c.turn, jobs.c.number)
        .limit(most)
    )
    yield from locked(connection, query, skip_locked=True).all()
