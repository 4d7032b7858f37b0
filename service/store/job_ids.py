"""A job's id is a pair with its account: `night` of acme is `acme:night` on record, and `night` to acme.

What acts for an account says and reads its own names; what acts for everyone, as workers claim and `tenfold gc` tidies
up, has the whole one, which means the same whoever says it. Those of `default` are what they were before there were
accounts. The columns see to it: an id is completed as it is bound, and shortened as it is read.
"""

import threading
from typing import Any

from sqlalchemy import Dialect, String, type_coerce
from sqlalchemy.types import TypeDecorator, TypeEngine

from service.store.shared_columns import DEFAULT

_JOBS = "jobs/"


class _Asking(threading.local):
    account: str | None = None


asking = _Asking()
"""For which account the statement is that this thread is about to send; scoping.py says it."""


def whole(account: str | None, job_id: str) -> str:
    """Give the id that a job has in the whole house, by what its account calls it; of a whole one, that."""
    return job_id if account in {None, DEFAULT} or ":" in job_id else f"{account}:{job_id}"


def own(job_id: str) -> str:
    """Give what its account calls a job, by its whole id."""
    return job_id.rpartition(":")[2]


def owner_within(account: str | None, owner: str) -> str:
    """Give the name of an owner of files in the whole house: that of a job has its whole id."""
    return f"{_JOBS}{whole(account, owner.removeprefix(_JOBS))}" if owner.startswith(_JOBS) else owner


class _OwnId(TypeDecorator[str]):
    """An id of a job, read by its account."""

    impl, cache_ok = String, True

    def process_result_value(self, value: str | None, _dialect: object) -> str | None:
        """Shorten it."""
        return None if value is None else own(value)


class _OwnOwner(TypeDecorator[str]):
    """An owner of files, read by its account."""

    impl, cache_ok = String, True

    def process_result_value(self, value: str | None, _dialect: object) -> str | None:
        """Shorten it, if it is a job."""
        return value if value is None or not value.startswith(_JOBS) else f"{_JOBS}{own(value.removeprefix(_JOBS))}"


class JobId(TypeDecorator[str]):
    """An id of a job: 36 characters of its own, a colon, and 64 of its account at most."""

    impl, cache_ok = String, True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str]:
        """Say how long it may be; SQLite counts no letters, and need not make its tables anew for it."""
        return dialect.type_descriptor(String(36 if dialect.name == "sqlite" else 101))

    def process_bind_param(self, value: str | None, _dialect: object) -> str | None:
        """Complete it."""
        return None if value is None else whole(asking.account, value)

    def column_expression(self, column: Any) -> Any:
        """Read it by the type for whom it is read; statements are compiled for one account, or for all."""
        return column if asking.account is None else type_coerce(column, _OwnId())


class Owner(TypeDecorator[str]):
    """A name under which files are kept, in which an id of a job may stand."""

    impl, cache_ok = String, True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str]:
        """Say how long it may be."""
        return dialect.type_descriptor(String(255))

    def process_bind_param(self, value: str | None, _dialect: object) -> str | None:
        """Complete it."""
        return None if value is None else owner_within(asking.account, value)

    def column_expression(self, column: Any) -> Any:
        """Read it by the type for whom it is read."""
        return column if asking.account is None else type_coerce(column, _OwnOwner())
