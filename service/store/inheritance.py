"""Jobs that go on from another have its history, and no copy of it: they point to that one, and to how much of it.

What a job has recorded itself are its own epochs. When it loses them, because it is deleted or goes on from an earlier
one, those who point to it take over what they share: the one that needs least, and from it the next, and so on.
"""

from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, Row, Subquery, case, cast, literal, select, union, update

from service.store.engine import locked
from service.store.tables import epochs, jobs

_ALL = 2**31 - 1


def history_of(job_id: str) -> Subquery:
    """Select the epochs of a job, its own and those it shares; the latter are of no attempt of its own, 0."""
    own = select(jobs.c.id, jobs.c.inherits_from, jobs.c.inherited_epochs, cast(literal(_ALL), Integer).label("until"))
    line = own.where(jobs.c.id == job_id).cte("line", recursive=True)
    # A job may share less of another than that shares itself: then so much counts of all before them.
    least = case((line.c.until < line.c.inherited_epochs, line.c.until), else_=line.c.inherited_epochs)
    before = select(jobs.c.id, jobs.c.inherits_from, jobs.c.inherited_epochs, least)
    line = line.union_all(before.join(line, jobs.c.id == line.c.inherits_from))
    attempt = case((epochs.c.job_id == job_id, epochs.c.attempt), else_=0).label("attempt")
    columns = [attempt if column is epochs.c.attempt else column for column in epochs.c]
    rows = select(*columns).join(line, epochs.c.job_id == line.c.id).where(epochs.c.epoch <= line.c.until)
    return rows.subquery("history")


def locked_family(connection: Connection, these: ColumnElement[bool]) -> dict[str, Row[Any]]:
    """Lock jobs with those that they go on from and those that go on from them, for whoever changes what is shared.

    Gives them by their ids, as far as they are there. All in the order of their numbers, as everybody does who locks
    several, and all before what is shared is looked at; who goes on from another may by now be the older of the two.
    """
    columns = (jobs.c.id, jobs.c.number, jobs.c.state, jobs.c.sweep_id, jobs.c.inherits_from, jobs.c.inherited_epochs)
    own = select(jobs.c.id).where(these)
    parents = select(jobs.c.inherits_from).where(these, jobs.c.inherits_from.is_not(None))
    family = union(own, parents, select(jobs.c.id).where(jobs.c.inherits_from.in_(own)))
    query = select(*columns).where(jobs.c.id.in_(family)).order_by(jobs.c.number)
    while True:
        with connection.begin_nested() as attempt:
            found = {row.id: row for row in locked(connection, query)}
            if found.keys() >= set(connection.scalars(select(jobs.c.id).where(jobs.c.id.in_(family)))):
                return found
            # Another came to it, or took the place of one, meanwhile: none is kept locked while that one is waited for.
            attempt.rollback()


def hand_on(connection: Connection, job: Row[Any], *, after: int = -1) -> None:
    """Give the epochs after this one, which a job is about to lose, to those who share them; by default, all.

    Whoever calls this has locked the job with its family.
    """
    query = select(jobs.c.id, jobs.c.inherited_epochs).where(
        jobs.c.inherits_from == job.id, jobs.c.inherited_epochs > after
    )
    shared = job.inherited_epochs or 0
    parent, until = (job.id, after) if after >= max(shared, 1) else (job.inherits_from, shared)
    for heir in connection.execute(query.order_by(jobs.c.inherited_epochs, jobs.c.number)).all():
        own = (epochs.c.job_id == job.id) & (epochs.c.epoch > until) & (epochs.c.epoch <= heir.inherited_epochs)
        connection.execute(update(epochs).where(own).values(job_id=heir.id, attempt=0))
        pointer = {"inherits_from": parent, "inherited_epochs": min(until, heir.inherited_epochs) if parent else None}
        connection.execute(update(jobs).where(jobs.c.id == heir.id).values(pointer))
        if heir.inherited_epochs > until:  # else it has nothing that the next could share
            parent, until = heir.id, heir.inherited_epochs
