"""What tables share: how their constraints are named, how rows are numbered, and the account to which a row belongs."""

from typing import Any, Final

from sqlalchemy import BigInteger, Column, Integer, MetaData, String
from sqlalchemy.exc import DontWrapMixin

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite numbers rows by itself only where the key is called INTEGER.
Number = BigInteger().with_variant(Integer(), "sqlite")

DEFAULT = "default"
"""The account of a home that knows no others, and of what was on record before there were any."""


ACCOUNT = "account"
"""What the column is called, and the option of connections that act for one."""


EVERYONE: Final = "*"
"""In place of an account: what is asked for the whole house, to count, to claim, to tidy up, and says so."""


class Unbound(DontWrapMixin, Exception):  # noqa: N818 - it says what is wrong with a statement
    """A statement on what belongs to accounts says none."""


ACTOR = "actor"
"""The option of connections that act by a key, and the column that says by which."""


def actor() -> Column[str | None]:
    """Give the column that says by which key something was done; none where no key was asked for, or nobody did it."""
    return Column(ACTOR, String(64), default=lambda context: context.execution_options.get(ACTOR))


def account(**about: Any) -> Column[str]:
    """Give the column that says to whom a row belongs: to whom its statement acts for, unless that says another."""
    return Column(ACCOUNT, String(64), nullable=False, default=_acting, server_default=DEFAULT, **about)


def _acting(context: Any) -> str:
    its: str | None = context.execution_options.get(ACCOUNT)
    if its in {None, EVERYONE}:
        raise Unbound("what is inserted belongs to nobody")
    return str(its)
