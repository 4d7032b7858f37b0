"""Keys of clients (Idempotency-Key): what is asked for under one is done once, in the transaction that does it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, delete, select, update

from service.store.engine import Database, Row, insert_or, now_ms
from service.store.errors import KeyReused, Repeated
from service.store.small_tables import submissions
from service.store.states import JOB
from service.store.tables import jobs

T = TypeVar("T")

_REMEMBERED_MS = 48 * 3600 * 1000


@dataclass(frozen=True)
class Key:
    """What makes a request repeatable: a name that the client gave it, a digest of what it asks for, and its answer.

    `answer` gives from what was done what to answer with, also when it is asked for again.
    """

    name: str
    body_sha256: str
    answer: Callable[[Any], dict[str, Any]]


def claim(connection: Connection, key: Key | None) -> None:
    """Take a key, before anything is done under it. Without one nothing is remembered.

    Raises Repeated if it was done before, and KeyReused if that was something else.
    """
    if key is None:
        return
    connection.execute(delete(submissions).where(submissions.c.created_at < now_ms() - _REMEMBERED_MS))
    new = insert_or(connection, submissions).values(
        key=key.name, body_sha256=key.body_sha256, answer={}, created_at=now_ms()
    )
    # Another request under this key, not yet committed, is waited for here.
    if connection.scalar(new.on_conflict_do_nothing().returning(submissions.c.key)) is None:
        _look(connection, key)


def keep(connection: Connection, key: Key | None, done: T) -> T:
    """Remember the answer to what was done under a key that was claimed; gives what was done."""
    if key is not None:
        connection.execute(update(submissions).where(submissions.c.key == key.name).values(answer=key.answer(done)))
    return done


def keep_job(connection: Connection, key: Key | None, job_id: str) -> Row:
    """Remember a job, as it is now, as what was done under a key that was claimed; gives it."""
    return keep(connection, key, connection.execute(select(*JOB).where(jobs.c.id == job_id)).one())


@dataclass(frozen=True)
class Keys:
    """The keys of a database."""

    database: Database

    def look_up(self, key: Key) -> None:
        """Raise Repeated or KeyReused, as `claim` does, if anything was done under a key."""
        with self.database.reader.connect() as connection:
            _look(connection, key)

    def keep(self, key: Key | None, done: T) -> T:
        """Remember the answer to what was done elsewhere, and would not be done twice; raises as `claim` does."""
        with self.database.writer.begin() as connection:
            claim(connection, key)
            return keep(connection, key, done)


def _look(connection: Connection, key: Key) -> None:
    since = now_ms() - _REMEMBERED_MS
    query = select(submissions).where(submissions.c.key == key.name, submissions.c.created_at >= since)
    row = connection.execute(query).one_or_none()
    if row is not None and row.body_sha256 != key.body_sha256:
        raise KeyReused
    if row is not None:
        raise Repeated(dict(row.answer))
