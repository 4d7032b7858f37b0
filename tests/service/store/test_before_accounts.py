"""A home from before there were accounts: what was there is that of `default`, and goes on as it was."""

import json
from typing import Any

import pytest
from sqlalchemy import select, text

from service.settings import Settings
from service.store.event_tables import events
from service.store.shared_columns import EVERYONE, metadata
from service.store.store import Store
from service.store.tables import evaluations
from tests.homes import at
from tests.records import finished, submit

_LATER = ("accounts", "api_keys", "audit", "grants", "shares")
_AFTER = ("account", "actor", "turn", "together", "charged")
_OF_DATA = {"number": 1, "dataset": "letters", "version": 1, "type": "x", "data": "{}", "created_at": 1}
"""An event of a data set, which then had a count of its own; another was deleted, and its number is not given again."""


def _rows(store: Store) -> dict[str, list[dict[str, Any]]]:
    """Give all that is on record, as it is written."""
    with store.of(EVERYONE).database.reader.connect() as connection:
        return {
            table.name: [
                {
                    name: json.dumps(value) if isinstance(value, dict | list) else value
                    for name, value in row.items()
                    if name not in _AFTER
                }
                for row in connection.execute(text(f"SELECT * FROM {table.name}")).mappings()
            ]
            for table in metadata.sorted_tables
            if table.name not in _LATER
        }


def _data(version: int) -> dict[str, Any]:
    no = {"progress": "{}", "faults": "[]", "created_at": 1, "changed_at": 1, "rung_at": 1, "options": "{}"}
    return {
        "dataset": "letters",
        "version": version,
        "state": "ready",
        "examples": 3,
        "sha256": f"{version}",
        **no,
        "attempt": 0,
        "fruitless_attempts": 0,
        "cancel_requested": False,
    }


def test_what_was_there_belongs_to_default_and_nothing_of_it_is_lost(store: Store, settings: Settings) -> None:
    finished(store, name="nightly", labels={"team": "a"})
    with store.of(EVERYONE).database.writer.begin() as connection:
        connection.execute(
            text("INSERT INTO datasets (name, source, newest, created_at) VALUES ('letters', 'upload', 2, 1)")
        )
        for version in (1, 2):
            names = ", ".join(_data(version))
            places = ", ".join(f":{name}" for name in _data(version))
            connection.execute(text(f"INSERT INTO dataset_versions ({names}) VALUES ({places})"), _data(version))
        measured = "INSERT INTO evaluations (id, state, asked, model, version, dataset, created_at, rung_at, attempt) "
        connection.execute(text(measured + "VALUES ('e', 'queued', '{}', 'mnist', 1, 'mnist', 1, 1, 0)"))
    then = _rows(store)
    assert all(then[name] for name in ("jobs", "events", "epochs", "artifacts", "versions", "moves", "decisions"))
    with store.of(EVERYONE).database.writer.begin() as connection:
        metadata.drop_all(connection)
        connection.execute(text("DROP TABLE alembic_version"))
    own = [{name: row[name] for name in row if name not in {"dataset", "version", "model"}} for row in then["events"]]
    at(settings.database_url, "0016", **{**then, "events": own, "dataset_events": [_OF_DATA]})
    if settings.database_url.startswith("p"):  # rows that bring their numbers along leave its sequences behind
        with store.of(EVERYONE).database.writer.begin() as connection:
            for name in ("jobs", "events", "decisions", "evaluations", "dataset_events"):
                last = 2 if name == "dataset_events" else 99
                connection.execute(
                    text(f"SELECT setval(pg_get_serial_sequence('{name}', 'number'), :last)"), {"last": last}
                )
    else:
        with store.of(EVERYONE).database.writer.begin() as connection:
            connection.execute(text("UPDATE sqlite_sequence SET seq = 2 WHERE name = 'dataset_events'"))
    store.database.migrate()
    now = _rows(store)
    told = now["events"].pop()
    assert {**told, "number": 1} == {**_OF_DATA, "job_id": None, "model": None}
    assert now == then
    with store.of(EVERYONE).database.reader.connect() as connection:
        for table in metadata.sorted_tables:
            if "account" in table.c and table.name not in _LATER:
                assert set(connection.scalars(select(table.c.account))) <= {"default"}
        assert connection.scalar(select(evaluations.c.id)) == "e"
    assert [row.name for row in store.accounts.all()] == ["default"]
    with store.of(EVERYONE).database.writer.begin() as connection:
        later = events.insert().values(account="default", dataset="letters", version=2, type="x", data={}, created_at=1)
        assert connection.scalar(later.returning(events.c.number)) == told["number"] + 1
        connection.execute(text("DELETE FROM dataset_versions WHERE version = 1"))
        assert list(connection.scalars(select(events.c.version).where(events.c.job_id.is_(None)))) == [2]
        connection.execute(text("DELETE FROM versions"))
        assert connection.scalar(select(evaluations.c.id)) is None
    job_id = submit(store)
    job = store.jobs.get(job_id)
    assert job is not None
    assert job.account == "default"


@pytest.mark.parametrize("name", ["models", "datasets", "submissions", "artifacts"])
def test_two_accounts_may_use_one_name(store: Store, name: str) -> None:
    table = metadata.tables[name]
    with store.of(EVERYONE).database.writer.begin() as connection:
        for account in ("default", "acme"):
            row: dict[str, Any] = {}
            for column in table.c:
                if not column.nullable:
                    row[column.name] = "{}" if column.name == "answer" else 1 if column.type.python_type is int else "x"
            connection.execute(table.insert().values(**{**row, "account": account}))
        assert sorted(connection.scalars(select(table.c.account))) == ["acme", "default"]
