"""Jobs that go on from another have its history, and no copy of it: they point to that one, and to how much of it.

What a job has recorded itself are its own epochs. When it loses them, because it is deleted or goes on from an earlier
one, those who point to it take over what they share: the one that needs least, and from it the next, and so on.
"""

from typing import Any

from sqlalchemy import Connection, Integer, Row, Subquery, case, cast, literal, or_, select, update

from service.store.engine import locked
from service.store.tables import epochs, jobs

_ALL = 2**31 - 1


def history_of(job_id: str) -> Subquery:
    """Select the epochs of a job, its own and those it shares; the latter are of no attempt of its own, 0."""
    own = select(jobs.c.id, jobs.c.inherits_from, jobs.c.inherited_epochs, cast(literal(_ALL), Integer).label("until"))
    line = own.where(jobs.c.id == job_id).cte("line", recursive=True)
    before = select(jobs.c.id, jobs.c.inherits_from, jobs.c.inherited_epochs, line.c.inherited_epochs)
    line = line.union_all(before.join(line, jobs.c.id == line.c.inherits_from))
    attempt = case((epochs.c.job_id == job_id, epochs.c.attempt), else_=0).label("attempt")
    columns = [attempt if column is epochs.c.attempt else column for column in epochs.c]
    rows = select(*columns).join(line, epochs.c.job_id == line.c.id).where(epochs.c.epoch <= line.c.until)
    return rows.subquery("history")


def locked_with_parent(connection: Connection, job_id: str) -> Row[Any] | None:
    """Lock a job and the one that it goes on from, for whoever changes what is shared; gives the job, if it is there.

    The older one first, as everybody does who locks several, and both before what is shared is looked at.
    """
    while True:
        parent = select(jobs.c.inherits_from).where(jobs.c.id == job_id).scalar_subquery()
        family = select(jobs).where(or_(jobs.c.id == job_id, jobs.c.id == parent)).order_by(jobs.c.number)
        found = {row.id: row for row in locked(connection, family)}
        job = found.get(job_id)
        if job is None or job.inherits_from is None or job.inherits_from in found:
            return job


def hand_on(connection: Connection, job: Row[Any], *, after: int = -1) -> None:
    """Give the epochs after this one, which a job is about to lose, to those who share them; by default, all.

    Whoever calls this has locked the job with its parent.
    """
    query = select(jobs.c.id, jobs.c.inherited_epochs).where(
        jobs.c.inherits_from == job.id, jobs.c.inherited_epochs > after
    )
    heirs = locked(connection, query.order_by(jobs.c.inherited_epochs, jobs.c.number)).all()
    shared = job.inherited_epochs or 0
    parent, until = (job.id, after) if after >= max(shared, 1) else (job.inherits_from, shared)
    for heir in heirs:
        own = (epochs.c.job_id == job.id) & (epochs.c.epoch > until) & (epochs.c.epoch <= heir.inherited_epochs)
        connection.execute(update(epochs).where(own).values(job_id=heir.id, attempt=0))
        pointer = {"inherits_from": parent, "inherited_epochs": until if parent is not None else None}
        connection.execute(update(jobs).where(jobs.c.id == heir.id).values(pointer))
        parent, until = heir.id, heir.inherited_epochs
