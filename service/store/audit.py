"""The audit list: who did what, written in the transaction that does it; it only grows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, insert, select

from service.store.account_tables import audit
from service.store.engine import Database, Row, now_ms
from service.store.event_tables import events
from service.store.scoping import account_of, actor_of
from service.store.shared_columns import DEFAULT
from service.store.tables import jobs


def note(
    connection: Connection, action: str, subject: str, data: Mapping[str, Any] | None = None, *, of: str | None = None
) -> None:
    """Write down that something was done, by whom and to what; `of` is whose that is, if not who acts."""
    whose = of or account_of(connection) or DEFAULT
    values = {"account": whose, "actor": actor_of(connection), "action": action, "subject": subject[:255]}
    connection.execute(insert(audit).values(**values, data=dict(data or {}), at=now_ms()))


def submitter(connection: Connection, which: ColumnElement[bool]) -> str | None:
    """Tell by which key the first of these jobs was submitted, as its events do until they are deleted with it."""
    query = select(events.c.actor).join(jobs, jobs.c.id == events.c.job_id).where(which)
    by: str | None = connection.scalar(query.order_by(jobs.c.number, events.c.number).limit(1))
    return by


@dataclass(frozen=True)
class Audit:
    """The audit list of a database."""

    database: Database

    def find(self, account: str | None = None, *, before: int | None = None, limit: int) -> Sequence[Row]:
        """List what was done, the last first; only to what an account has, if one is named."""
        query = select(audit).order_by(audit.c.number.desc()).limit(limit)
        query = query if account is None else query.where(audit.c.account == account)
        query = query if before is None else query.where(audit.c.number < before)
        with self.database.reader.connect() as connection:
            return connection.execute(query).all()
