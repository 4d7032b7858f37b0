"""One database, SQLite or PostgreSQL: how it is opened, migrated, asked for the time, and rows of it held."""

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import sqlalchemy
from sqlalchemy import (
    URL,
    BigInteger,
    Connection,
    CursorResult,
    Engine,
    Select,
    create_engine,
    event,
    inspect,
    make_url,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import Insert
from sqlalchemy.sql.expression import FunctionElement
from sqlalchemy.sql.schema import Table

from service.access.account_limits import Limits
from service.store import vacuum
from service.store.scoping import LIMITS, Compiled, caches, guard
from service.store.shared_columns import ACCOUNT, ACTOR, EVERYONE
from service.store.turns import PATIENCE_SECONDS, Turns

DatabaseError = SQLAlchemyError
"""What the store raises when the database cannot be reached, stays locked, or all connections are taken."""

Row = sqlalchemy.Row[Any]
"""A row of any table: what the store gives to those who ask; columns are attributes."""

# As many as the API has threads for requests (anyio's default), so that none waits for a connection.
_POOL: dict[str, Any] = {"pool_size": 5, "max_overflow": 35}

_MIGRATIONS = Path(__file__).parent / "migrations"
_LONGEST_SILENCE_SECONDS = 5
_MIGRATING_PATIENCE = "10min"  # what is on record is worked on in between, on a machine that may be slow
_MIGRATION_LOCK = 0x7E4F01D  # any number, as long as no other program on the database takes it

# Below this version a WAL file may be corrupted when several processes write: https://sqlite.org/wal.html#walresetbug
_FIRST_SQLITE_WITH_SAFE_WAL = (3, 51, 3)


def cause(error: Exception) -> str:
    """Say in the driver's words what went wrong, without the statement and the data in it."""
    return str(getattr(error, "orig", None) or error)


_JOURNAL_BYTES = 16 * 2**20

_NO_ROOM = {13, "53100"}  # SQLITE_FULL; disk_full of PostgreSQL
_UNUSABLE = {8, 10, 14, "25006", "58030"}  # SQLITE_READONLY, _IOERR, _CANTOPEN; read_only_sql_transaction, io_error
_DAMAGED = {11, 26, "XX001", "XX002"}  # SQLITE_CORRUPT, _NOTADB; data_corrupted, index_corrupted


def trouble(error: DatabaseError) -> Literal["full", "unusable", "damaged", "other"]:
    """Tell whether the database's disk is full, or cannot be read or written, or what is on it is no longer whole."""
    driver = getattr(error, "orig", None)
    code = getattr(driver, "sqlstate", None) or getattr(driver, "sqlite_errorcode", 0) & 0xFF  # without the extension
    if code in _NO_ROOM:
        return "full"
    return "unusable" if code in _UNUSABLE else "damaged" if code in _DAMAGED else "other"


@dataclass(frozen=True)
class Database:
    """`writer` begins transactions that may write, `reader` those that do not."""

    writer: Engine
    reader: Engine
    compiled: Compiled = field(default_factory=caches, repr=False, compare=False)
    """Statements as they are written for one account, and for all of them."""

    @classmethod
    def open(cls, url: str) -> "Database":
        """Open the database at a SQLAlchemy URL and bring its tables up to date."""
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            Path(parsed.database or "").parent.mkdir(parents=True, exist_ok=True)
        database = cls._at(parsed)
        try:
            database.migrate()
        except BaseException:
            database.close()
            raise
        return database

    @classmethod
    def _at(cls, url: URL) -> "Database":
        engine = guard(_sqlite(url) if url.get_backend_name() == "sqlite" else _postgresql(url))
        return cls(writer=engine, reader=engine.execution_options(read_only=True))

    def acting(self, account: str, actor: str | None = None, limits: Limits | None = None) -> "Database":
        """Give this database as it is for one account, or for EVERYONE, who acts by a key; see scoping.py."""
        about = {ACCOUNT: account, ACTOR: actor, LIMITS: limits, "compiled_cache": self.compiled[account == EVERYONE]}
        return replace(
            self, writer=self.writer.execution_options(**about), reader=self.reader.execution_options(**about)
        )

    @classmethod
    def is_there(cls, url: str) -> bool:
        """Whether there is a database of ours at a URL; none is made. Raises DatabaseError if it cannot be read."""
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            file = Path(parsed.database or "")
            if not file.is_file() or file.stat().st_size == 0:
                return False
        database = cls._at(parsed)
        try:
            return database._revision() is not None
        finally:
            database.close()

    def migrate(self) -> None:
        """Bring the tables up to date; one process does it while others wait.

        Raises ValueError if they are of a later version than this.
        """
        found, newest = self._revision() or "", _newest_revision()
        if found == newest:
            return
        if found > newest:
            raise ValueError(
                f"its tables are of a later version of Tenfold, revision {found}, and this one knows {newest}; start "
                f"that version, or name another database"
            )
        # Imported late: it takes a while, and is needed at the first start, or after an update.
        from service.store import creation

        with self.acting(EVERYONE).writer.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text(f"SET LOCAL idle_in_transaction_session_timeout = '{_MIGRATING_PATIENCE}'"))
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
            if creation.is_empty(connection):
                creation.make(connection, newest)
                return
            from alembic import command
            from alembic.config import Config

            config = Config()
            config.set_main_option(
                "script_location", str(_MIGRATIONS).replace("%", "%%")
            )  # or it would be interpolated
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def _revision(self) -> str | None:
        """Give the revision of the tables that are there, if any are."""
        with self.reader.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
            return revision

    def give_back(self, *, whole: bool = False) -> int:
        """Give pages that nothing needs any more back to the disk; gives how many bytes these were.

        SQLite does it bit by bit, others may write in between; a database from before it did so, only with `whole`,
        which writes it anew. What keeps it from that, now, does no harm: whoever calls this has deleted what was to be
        deleted. PostgreSQL uses such pages again by itself.
        """
        if (file := self.file) is None:
            return 0
        with suppress(OSError):
            before = file.stat().st_size
            with suppress(DatabaseError, sqlite3.Error):
                vacuum.give_back(self.writer, whole=whole)
            return max(0, before - file.stat().st_size)
        return 0

    @property
    def file(self) -> Path | None:
        """Give the file in which the database lies, if it is one of ours."""
        url = self.writer.url
        return Path(url.database).absolute() if url.get_backend_name() == "sqlite" and url.database else None

    def is_alive(self) -> bool:
        """Whether the database answers."""
        try:
            with self.reader.connect() as connection:
                connection.execute(text("SELECT 1"))
        except DatabaseError:
            return False
        return True

    def close(self) -> None:
        """Close all connections."""
        self.writer.dispose()


def _newest_revision() -> str:
    return max(file.name[:4] for file in (_MIGRATIONS / "versions").glob("[0-9]*.py"))


def _postgresql(url: URL) -> Engine:
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_pre_ping=True,
        # A host that is gone without a word is noticed within 10 s, and not when the system's patience ends.
        connect_args={
            "connect_timeout": 5,
            "tcp_user_timeout": 10_000,
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
        },
        **_POOL,
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        # Whoever freezes within a transaction would hold its locks, and nobody could take its jobs; ours take no time.
        with connection.cursor() as cursor:
            cursor.execute(f"SET idle_in_transaction_session_timeout = '{_LONGEST_SILENCE_SECONDS}s'")
        connection.commit()

    return engine


def _sqlite(url: URL) -> Engine:
    engine = create_engine(url, connect_args={"timeout": PATIENCE_SECONDS}, **_POOL)
    turns, has_wal = Turns(), sqlite3.sqlite_version_info >= _FIRST_SQLITE_WITH_SAFE_WAL

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        # The driver's own BEGIN is deferred and comes too late; ours is written below.
        connection.isolation_level = None
        cursor = connection.cursor()
        if cursor.execute("PRAGMA page_count").fetchone()[0] == 0:  # it is only now made; elsewhere this would write
            cursor.execute(f"PRAGMA auto_vacuum = {vacuum.INCREMENTAL}")
        cursor.execute(f"PRAGMA journal_size_limit = {_JOURNAL_BYTES}")
        cursor.execute(f"PRAGMA journal_mode = {'WAL' if has_wal else 'DELETE'}")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # Deferred, one that first reads and then writes fails, or loses updates, when another writes between.
        read_only = connection.get_execution_options().get("read_only", False)
        (turns.read if read_only else turns.write)(connection.info)
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    if not has_wal:
        event.listen(engine, "commit", lambda connection: turns.commit(connection.info))
    event.listen(engine, "checkin", lambda _connection, record: turns.end(record.info))
    return engine


class now_ms(FunctionElement[int]):  # noqa: N801 - reads as the SQL function that it is
    """The database's clock: milliseconds since 1970. Clocks of hosts may differ; this one decides leases."""

    type = BigInteger()
    inherit_cache = True


@compiles(now_ms, "postgresql")
def _now_postgresql(_element: now_ms, _compiler: object, **_: object) -> str:
    # now() would be the time at which the transaction began.
    return "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)"


@compiles(now_ms, "sqlite")
def _now_sqlite(_element: now_ms, _compiler: object, **_: object) -> str:
    # unixepoch('subsec') came with SQLite 3.42; this works with every version.
    return "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"


def insert_or(connection: Connection | Engine, table: Table) -> "postgresql.Insert | sqlite.Insert":
    """Give the dialect's INSERT that knows ON CONFLICT."""
    dialect: Callable[[Table], Insert] = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    return dialect(table)  # type: ignore[return-value]


def locked(
    connection: Connection, query: Select[Any], *, shared: bool = False, skip_locked: bool = False
) -> CursorResult[Any]:
    """Look rows up, and keep others from changing them until the transaction ends.

    `shared`: others may lock them so as well. `skip_locked`: rows that others have locked are left out.
    """
    # SQLite writes no such clause: there one transaction at a time may write at all, from its beginning.
    return connection.execute(query.with_for_update(read=shared, skip_locked=skip_locked))


def moment(milliseconds: int) -> datetime:
    """Turn the database's milliseconds into a time in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
