"""Accounts: to whom what is on record belongs, and what each may take of this machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, update

from service.access.account_limits import Limits
from service.store.account_errors import NoSuchAccount
from service.store.account_tables import accounts
from service.store.audit import note
from service.store.engine import Database, Row, insert_or, locked, now_ms
from service.store.quotas import bytes_today, stored_bytes
from service.store.tables import jobs


@dataclass(frozen=True)
class Accounts:
    """The accounts of a database."""

    database: Database

    def all(self) -> Sequence[Row]:
        """List the accounts by name."""
        with self.database.reader.connect() as connection:
            return connection.execute(select(accounts).order_by(accounts.c.name)).all()

    def get(self, name: str) -> Row | None:
        """Look an account up."""
        with self.database.reader.connect() as connection:
            return connection.execute(select(accounts).where(accounts.c.name == name)).one_or_none()

    def add(self, name: str) -> bool:
        """Add an account without limits; gives whether it is new."""
        new = insert_or(self.database.writer, accounts).values(name=name, limits={}, created_at=now_ms())
        with self.database.writer.begin() as connection:
            added = new.on_conflict_do_nothing(index_elements=["name"]).returning(accounts.c.name)
            if connection.scalar(added) is None:
                return False
            note(connection, "account.add", name, of=name)
            return True

    def change(self, name: str, *, limits: Limits | None = None, weight: float | None = None) -> Row:
        """Change what an account may take, and its share where all have jobs that wait; raises NoSuchAccount."""
        with self.database.writer.begin() as connection:
            this = accounts.c.name == name
            before = locked(connection, select(accounts).where(this)).one_or_none()
            if before is None:
                raise NoSuchAccount(name)
            values: dict[str, Any] = {} if limits is None else {"limits": limits.written()}
            values |= {} if weight is None else {"weight": weight}
            if values:
                connection.execute(update(accounts).where(this).values(values))
                note(connection, "account.change", name, values, of=name)
            return connection.execute(select(accounts).where(this)).one()

    def usage(self, name: str) -> dict[str, int]:
        """Tell how much an account takes now of what may be limited."""
        with self.database.acting(name).reader.connect() as connection:
            rows = connection.execute(select(jobs.c.state, func.count().label("number")).group_by(jobs.c.state)).all()
            states = {str(row.state): int(row.number) for row in rows}
            return {
                "queued": states.get("queued", 0) + states.get("paused", 0),
                "running": states.get("running", 0),
                "stored_bytes": stored_bytes(connection),
                "bytes_a_day": bytes_today(connection),
            }
