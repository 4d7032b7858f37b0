"""A home from before lists had their indices: its jobs and sweeps are found as those that are new, after a kill too."""

import json
import os
import signal
import subprocess
import sys
from typing import Any

import pytest
from sqlalchemy import Connection, event, select, text

from models.spec import TrainingSpec
from service.settings import Settings
from service.store.posting_tables import postings, sweep_postings
from service.store.shared_columns import DEFAULT, EVERYONE, metadata
from service.store.store import Store
from service.store.tables import versions
from service.sweeps.expand import expand
from service.sweeps.spec import SweepSpec
from tests.homes import at, job
from tests.records import finished, sweep

_KILLED = """
import os, signal, sys
from sqlalchemy import event
from sqlalchemy.engine import Engine
from service.store.engine import Database

@event.listens_for(Engine, "before_cursor_execute")
def kill(_connection, _cursor, statement, _parameters, _context, _many):
    if statement.startswith(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

Database.open(sys.argv[1])
"""


def filed(store: Store) -> dict[str, list[Any]]:
    with store.database.reader.connect() as connection:
        tables = (postings, sweep_postings)
        return {table.name: sorted(map(tuple, connection.execute(select(table)))) for table in tables}


def _written(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict | list) else value


def test_what_was_there_is_filed_as_what_is_new(store: Store, settings: Settings) -> None:
    many = {f"k{number}": "v" for number in range(9)}
    for labels in ({}, {"team": "a", "stage": "x y"}, many):
        finished(store, name="nightly", labels=labels)
        sweep(store, name="weekly" if labels else None, labels=labels)
    trials = SweepSpec(trials=[{"name": "one"}, {"name": "two"}], labels={"team": "a"})
    store.sweeps.submit(trials, expand(trials, {"mnist"}))
    then = filed(store)
    assert then["postings"]
    assert then["sweep_postings"]
    later = {"account", "actor", "turn", "end_told"}
    with store.of(EVERYONE).database.writer.begin() as connection:  # as it was
        rows = {
            table: [
                {name: _written(value) for name, value in row.items() if name not in later | ({"dataset"} & gone)}
                for row in connection.execute(text(f"SELECT * FROM {table}")).mappings()
            ]
            for table, gone in (("sweeps", set()), ("jobs", set()), ("models", set()), ("versions", {"dataset"}))
        }
        metadata.drop_all(connection)
        connection.execute(text("DROP TABLE alembic_version"))
    at(settings.database_url, "0014", **rows)
    store.database.migrate()
    assert filed(store) == then
    with store.database.reader.connect() as connection:
        assert set(connection.execute(select(versions.c.dataset)).scalars()) == {"mnist"}


@pytest.mark.parametrize("before", ["INSERT INTO postings", "UPDATE alembic_version"])
def test_a_home_whose_update_was_killed_is_brought_up_to_date_by_the_next(
    bare_url: str, settings: Settings, before: str
) -> None:
    spec = TrainingSpec(dataset="mnist")
    rows = [job(spec, state) | {"labels": '{"team": "a"}', "name": "nightly"} for state in ("queued", "failed")]
    at(bare_url, "0014", jobs=rows)
    command = [sys.executable, "-c", _KILLED, bare_url, before]
    assert subprocess.run(command, env=os.environ, check=False).returncode == -signal.SIGKILL
    store = Store.open(settings).of(DEFAULT)
    assert [row.id for row in store.jobs.find(labels=[("team", "a")], name="nightly", limit=9)] == ["failed", "queued"]
    assert [row.id for row in store.jobs.find(labels=[("team", "a")], state="failed", limit=9)] == ["failed"]
    assert store.jobs.find(labels=[("team", "b")], limit=9) == []
    store.database.close()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_an_update_may_be_slow_and_sessions_after_it_are_bounded_again(store: Store) -> None:
    asked = text("SHOW idle_in_transaction_session_timeout")
    with store.database.writer.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0015'"))
    seen = list[str]()

    def stop(connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        if "CREATE TABLE processors" in statement:
            seen.append(str(connection.scalar(asked)))
            raise InterruptedError

    event.listen(store.database.writer, "before_cursor_execute", stop)
    with pytest.raises(InterruptedError):
        store.database.migrate()
    event.remove(store.database.writer, "before_cursor_execute", stop)
    with store.database.reader.connect() as connection:
        assert (seen, connection.scalar(asked)) == (["10min"], "2min")
