"""What accounts share: a model or a data set, with a named account, to be read, or a model only to predict.

Who it is shared with calls it by the name of its account: `acme:digits`, `acme:digits@champion`, `acme:digits/3`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import ColumnElement, Connection, and_, delete, select

from service.store.account_errors import NoSuchAccount
from service.store.account_tables import accounts, grants
from service.store.audit import note
from service.store.engine import Database, Row, insert_or, now_ms
from service.store.scoping import account_of

Kind = Literal["model", "dataset"]
Right = Literal["read", "predict"]
"""To read is to predict as well."""


@dataclass(frozen=True)
class Grants:
    """What an account shares, and what others share with it."""

    database: Database

    def give(self, kind: Kind, name: str, grantee: str, right: Right) -> bool:
        """Share something with an account; gives whether that is new. Raises NoSuchAccount."""
        with self.database.writer.begin() as connection:
            if connection.scalar(select(accounts.c.name).where(accounts.c.name == grantee)) is None:
                raise NoSuchAccount(grantee)
            this = {"account": account_of(connection), "kind": kind, "name": name, "grantee": grantee}
            before = connection.scalar(select(grants.c.right).where(_this(connection, kind, name, grantee)))
            new = insert_or(connection, grants).values(**this, right=right, created_at=now_ms())
            key = ["account", "kind", "name", "grantee"]
            connection.execute(new.on_conflict_do_update(index_elements=key, set_={"right": right}))
            if before != right:
                note(connection, f"{kind}.share", name, {"with": grantee, "right": right})
            return before is None

    def take_back(self, kind: Kind, name: str, grantee: str) -> bool:
        """Share something no more with an account; gives whether it was."""
        with self.database.writer.begin() as connection:
            gone = delete(grants).where(_this(connection, kind, name, grantee)).returning(grants.c.name)
            if connection.scalar(gone) is None:
                return False
            note(connection, f"{kind}.unshare", name, {"with": grantee})
            return True

    def of(self, kind: Kind, name: str) -> Sequence[Row]:
        """List with whom something is shared, by account."""
        with self.database.reader.connect() as connection:
            its = and_(grants.c.account == account_of(connection), grants.c.kind == kind, grants.c.name == name)
            return connection.execute(select(grants).where(its).order_by(grants.c.grantee)).all()

    def right(self, owner: str, kind: Kind, name: str, grantee: str) -> Right | None:
        """Tell to what an account may use what another has."""
        with self.database.reader.connect() as connection:
            return right_of(connection, owner, kind, name, grantee)


def right_of(connection: Connection, owner: str, kind: Kind, name: str, grantee: str | None) -> Right | None:
    """Tell to what an account may use what another has, in a transaction of whoever calls."""
    its = and_(grants.c.account == owner, grants.c.kind == kind, grants.c.name == name, grants.c.grantee == grantee)
    right: Right | None = connection.scalar(select(grants.c.right).where(its))
    return right


def forget(connection: Connection, kind: Kind, name: str) -> None:
    """Share something no more with anybody, as it is deleted: another of its name is shared only when somebody does."""
    its = and_(grants.c.account == account_of(connection), grants.c.kind == kind, grants.c.name == name)
    connection.execute(delete(grants).where(its))


def _this(connection: Connection, kind: Kind, name: str, grantee: str) -> ColumnElement[bool]:
    its = and_(grants.c.kind == kind, grants.c.name == name, grants.c.grantee == grantee)
    return and_(grants.c.account == account_of(connection), its)
