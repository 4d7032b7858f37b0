"""Keys by which accounts ask: made, looked up, revoked; of each only a digest is kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, func, insert, select, update

from service.access import key_text
from service.access.scopes import FIRST, Scope
from service.store.account_errors import NoSuchAccount
from service.store.account_tables import accounts, api_keys
from service.store.audit import note
from service.store.engine import Database, Row, locked, now_ms
from service.store.shared_columns import DEFAULT

_AT_A_TIME = 500
"""Keys that are asked for by one query."""

_USED_AGAIN_MS = 60_000
"""That a key was used is written down once a minute at most."""


@dataclass(frozen=True)
class ApiKeys:
    """The keys of a database."""

    database: Database

    def add(self, account: str, name: str, scopes: Sequence[Scope], *, days: float | None = None) -> tuple[Row, str]:
        """Make a key; gives its row, and its text, which nobody can look up later. Raises NoSuchAccount."""
        with self.database.writer.begin() as connection:
            if connection.scalar(select(accounts.c.name).where(accounts.c.name == account)) is None:
                raise NoSuchAccount(account)
            return _made(connection, account, name, scopes, days)

    def first(self, keep: Callable[[str], None]) -> str | None:
        """Make the first key, which may do everything, and have its text kept before it is good.

        Gives the text; None where there is a key on record, good for anything or not.
        """
        with self.database.writer.begin() as connection:
            locked(connection, select(accounts.c.name).where(accounts.c.name == DEFAULT))
            if connection.scalar(select(func.count()).select_from(api_keys)):
                return None
            _, text = _made(connection, DEFAULT, "first", FIRST, None)
            keep(text)
            return text

    def get(self, key_id: str) -> Row | None:
        """Look a key up that is good for anything now, with the limits of its account."""
        with self.database.reader.connect() as connection:
            query = select(api_keys, accounts.c.limits).join(accounts, accounts.c.name == api_keys.c.account)
            return connection.execute(query.where(api_keys.c.id == key_id, _is_good())).one_or_none()

    def good(self, key_ids: Sequence[str]) -> set[str]:
        """Give those of some keys that are good for anything now."""
        with self.database.reader.connect() as connection:
            return {
                key_id
                for begin in range(0, len(key_ids), _AT_A_TIME)
                for key_id in connection.scalars(
                    select(api_keys.c.id).where(api_keys.c.id.in_(key_ids[begin : begin + _AT_A_TIME]), _is_good())
                )
            }

    def all(self, account: str | None = None) -> Sequence[Row]:
        """List the keys, of all accounts or of one, the newest first."""
        query = select(api_keys).order_by(api_keys.c.created_at.desc(), api_keys.c.id)
        query = query if account is None else query.where(api_keys.c.account == account)
        with self.database.reader.connect() as connection:
            return connection.execute(query).all()

    def revoke(self, key_id: str) -> bool:
        """Revoke a key, for good; gives whether there is one of this id."""
        with self.database.writer.begin() as connection:
            row = connection.execute(select(api_keys).where(api_keys.c.id == key_id)).one_or_none()
            if row is not None and row.revoked_at is None:
                connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(revoked_at=now_ms()))
                note(connection, "key.revoke", key_id, {"name": row.name}, of=row.account)
            return row is not None

    def used(self, row: Row) -> None:
        """Note that a key was used just now."""
        with self.database.writer.begin() as connection:
            long_ago = api_keys.c.used_at.is_(None) | (api_keys.c.used_at < now_ms() - _USED_AGAIN_MS)
            this = update(api_keys).where(api_keys.c.id == row.id, long_ago)
            connection.execute(this.values(used_at=now_ms()))


def _is_good() -> ColumnElement[bool]:
    return api_keys.c.revoked_at.is_(None) & (api_keys.c.expires_at.is_(None) | (api_keys.c.expires_at > now_ms()))


def _made(
    connection: Connection, account: str, name: str, scopes: Sequence[Scope], days: float | None
) -> tuple[Row, str]:
    key, text = key_text.made()
    values = {"id": key.id, "account": account, "name": name, "scopes": list(scopes), "secret_sha256": key.digest}
    until = None if days is None else now_ms() + int(days * 24 * 3_600_000)
    connection.execute(insert(api_keys).values(**values, created_at=now_ms(), expires_at=until))
    note(connection, "key.add", key.id, {"name": name, "scopes": list(scopes)}, of=account)
    return connection.execute(select(api_keys).where(api_keys.c.id == key.id)).one(), text
