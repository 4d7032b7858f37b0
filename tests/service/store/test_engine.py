"""The databases themselves: opened, migrated, asked for the time, written by many."""

import shutil
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Inspector, delete, inspect, select, text, update

from models.spec import TrainingSpec
from service.settings import Settings
from service.store import engine
from service.store.engine import Database, DatabaseError, now_ms
from service.store.shared_columns import DEFAULT, EVERYONE, metadata
from service.store.store import Store
from service.store.tables import jobs
from tests.homes import at
from tests.records import claim, expire, submit
from tests.waiting import wait_until


def test_the_migrations_make_the_tables_that_the_code_describes(bare_url: str) -> None:
    at(bare_url, "head")
    database = Database.open(bare_url)
    with database.reader.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    database.close()


def test_tables_that_are_made_at_once_are_those_of_the_migrations(bare_url: str) -> None:
    database = Database.open(bare_url)
    at_once = described(database)
    with database.acting(EVERYONE).writer.begin() as connection:
        metadata.drop_all(connection)
        connection.execute(text("DROP TABLE alembic_version"))
    at(bare_url, "head")
    assert described(database) == at_once
    database.close()


def described(database: Database) -> dict[str, Any]:
    """Tell all of a database's tables, in whichever order they and their columns were made, and what is in them."""
    with database.acting(EVERYONE).reader.connect() as connection:
        known: Inspector = inspect(connection)
        found: dict[str, Any] = {}
        for table in known.get_table_names():
            columns = [{**column, "type": str(column["type"])} for column in known.get_columns(table)]
            key, unique = known.get_pk_constraint(table), known.get_unique_constraints(table)
            # What SQLite added to a table with its column has no name: it refers to the same.
            tied = [{**key, "name": None} for key in known.get_foreign_keys(table)]
            indices = [{**index, "dialect_options": _where(index)} for index in known.get_indexes(table)]
            parts = [*columns, key, *unique, *indices, *tied]
            found[table] = sorted(map(repr, parts)), connection.execute(text(f"SELECT * FROM {table}")).all()
        if connection.dialect.name == "sqlite":  # which numbers are never given again
            query = "SELECT name, sql LIKE '%AUTOINCREMENT%' FROM sqlite_master WHERE type = 'table' ORDER BY name"
            found["counted"] = connection.execute(text(query)).all()
        return found


def _where(index: Any) -> list[str]:
    return [f"{name}={value}" for name, value in index.get("dialect_options", {}).items()]


def test_opening_a_database_again_keeps_what_is_in_it(store: Store, settings: Settings) -> None:
    job_id = submit(store)
    again = Store.open(settings).of(DEFAULT)
    assert again.jobs.get(job_id) is not None
    again.database.close()


def test_many_processes_may_open_an_empty_database_at_once(database_url: str) -> None:
    with ThreadPoolExecutor(8) as threads:
        for database in list(threads.map(Database.open, [database_url] * 8)):
            database.close()


def test_our_code_may_lie_in_a_folder_of_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    migrations = tmp_path / "50% %(here)s"
    shutil.copytree(engine._MIGRATIONS, migrations)
    monkeypatch.setattr(engine, "_MIGRATIONS", migrations)
    Database.open(f"sqlite:///{tmp_path}/new.sqlite3").close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("is_old", [False, True])
def test_what_a_database_needs_no_more_is_the_disk_s_again(settings: Settings, database_url: str, is_old: bool) -> None:
    if is_old:  # made before freed pages were given back
        with closing(sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
            connection.execute("PRAGMA auto_vacuum = NONE")
            connection.execute("VACUUM")
    store = Store.open(settings).of(DEFAULT)
    file = store.database.file
    assert file is not None
    before = file.stat().st_size
    ids = store.submissions.submit([TrainingSpec(labels={f"k{n}": "v" * 128 for n in range(16)})] * 300)
    grown = file.stat().st_size
    assert grown > before + 500_000
    with store.database.writer.begin() as connection:
        connection.execute(delete(jobs).where(jobs.c.id.in_(ids)))
    if is_old:
        assert (store.database.give_back(), file.stat().st_size) == (0, grown)
    assert store.database.give_back(whole=True) > 500_000
    assert file.stat().st_size < before + 200_000
    store.submissions.submit([TrainingSpec()])
    store.database.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_who_reads_keeps_nobody_from_a_write_ahead_log(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_FIRST_SQLITE_WITH_SAFE_WAL", (3,))
    monkeypatch.setattr("service.store.turns.Turns.commit", lambda *_: pytest.fail("it would wait for those who read"))
    store = Store.open(settings).of(DEFAULT)
    with store.database.reader.connect() as connection:
        connection.execute(select(jobs.c.id))
        assert store.jobs.get(submit(store)) is not None
        assert connection.execute(select(jobs.c.id)).all() == []
    store.database.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_was_deleted_past_a_write_ahead_log_is_the_disk_s_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Where SQLite is older than that, several processes must not write so; here only one does.
    monkeypatch.setattr(engine, "_FIRST_SQLITE_WITH_SAFE_WAL", (3,))
    store = Store.open(settings).of(DEFAULT)
    file = store.database.file
    assert file is not None
    ids = store.submissions.submit([TrainingSpec(labels={f"k{n}": "v" * 128 for n in range(16)})] * 300)
    with store.database.reader.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
        connection.rollback()
        connection.connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    grown = file.stat().st_size
    with store.database.writer.begin() as connection:
        connection.execute(delete(jobs).where(jobs.c.id.in_(ids)))
    given = store.database.give_back()
    assert given > 500_000
    assert file.stat().st_size == grown - given
    store.database.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("trouble", ["damaged", "gone", "unusable"])
def test_what_cannot_be_given_back_now_is_no_trouble_to_who_has_deleted(store: Store, trouble: str) -> None:
    file = store.database.file
    assert file is not None
    store.database.close()
    if trouble == "damaged":
        file.write_bytes(b"garbage!" * 1000)
    else:
        file.unlink()
        if trouble == "unusable":
            file.mkdir()
    assert store.database.give_back(whole=True) == 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_journals_of_the_database_are_bounded(store: Store) -> None:
    with store.database.reader.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_size_limit").scalar_one() == 16 * 2**20
        assert connection.exec_driver_sql("PRAGMA auto_vacuum").scalar_one() == 2


def test_the_clock_of_the_database_is_now(store: Store) -> None:
    with store.database.reader.connect() as connection:
        assert abs(connection.execute(select(now_ms())).scalar_one() - time.time() * 1000) < 5_000


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_who_freezes_within_a_transaction_does_not_keep_its_job(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    # On SQLite whoever does this keeps everybody from writing, until it is killed.
    job_id = submit(store)
    claim(store, job_id)
    expire(store, job_id)
    monkeypatch.setattr(engine, "_LONGEST_SILENCE_SECONDS", 1)
    store.database.close()  # what is opened from now on has it
    with store.database.writer.connect() as frozen:
        frozen.execute(select(jobs).where(jobs.c.id == job_id).with_for_update())
        assert store.stalled.release_expired() == []
        wait_until(lambda: store.stalled.release_expired() == [job_id], timeout=30, what="the lock to be given up")
        with pytest.raises(DatabaseError):
            frozen.execute(select(jobs))


def test_writers_that_read_first_lose_no_update(store: Store) -> None:
    job_id = submit(store)

    def count_up(_: int) -> None:
        for _ in range(10):
            with store.database.writer.begin() as connection:
                query = select(jobs.c.fruitless_attempts).where(jobs.c.id == job_id).with_for_update()
                seen = int(connection.execute(query).scalars().one() or 0)
                connection.execute(update(jobs).where(jobs.c.id == job_id).values(fruitless_attempts=seen + 1))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(count_up, range(4)))
    job = store.jobs.get(job_id)
    assert job is not None
    assert job.fruitless_attempts == 40
