"""A home from before lists had their indices: its jobs and sweeps are found as those that are new, after a kill too."""

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
from service.store.store import Store
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


def test_what_was_there_is_filed_as_what_is_new(store: Store) -> None:
    many = {f"k{number}": "v" for number in range(9)}
    for labels in ({}, {"team": "a", "stage": "x y"}, many):
        finished(store, name="nightly", labels=labels)
        sweep(store, name="weekly" if labels else None, labels=labels)
    trials = SweepSpec(trials=[{"name": "one"}, {"name": "two"}], labels={"team": "a"})
    store.sweeps.submit(trials, expand(trials, {"mnist"}))
    then = filed(store)
    assert then["postings"]
    assert then["sweep_postings"]
    with store.database.writer.begin() as connection:  # as it was
        for table in ("postings", "sweep_postings", "processors"):
            connection.execute(text(f"DROP TABLE {table}"))
        for name, table, columns in (
            ("ix_jobs_name_number", "jobs", "name, number"),
            ("ix_sweeps_name_number", "sweeps", "name, number"),
            ("ix_jobs_spec_sha256_number", "jobs", "spec_sha256, number"),
        ):
            connection.execute(text(f"CREATE INDEX {name} ON {table} ({columns})"))
        new = ["jobs_sweep_id_state_number", "jobs_spec_sha256_state_number", "versions_dataset_model_version"]
        new += ["versions_dataset_data_sha256_model_version", "evaluations_model_number"]
        new += [
            f"evaluations_{of}_dataset{version}_number"
            for of in ("model", "job_id", "model_version")
            for version in ("", "_dataset_version")
        ]
        for name in [*new, "evaluations_dataset_dataset_version_number"]:
            connection.execute(text(f"DROP INDEX ix_{name}"))
        connection.execute(text("ALTER TABLE versions DROP COLUMN dataset"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0014'"))
    store.database.migrate()
    assert filed(store) == then
    with store.database.reader.connect() as connection:
        assert set(connection.execute(text("SELECT dataset FROM versions")).scalars()) == {"mnist"}


@pytest.mark.parametrize("before", ["INSERT INTO postings", "UPDATE alembic_version"])
def test_a_home_whose_update_was_killed_is_brought_up_to_date_by_the_next(
    bare_url: str, settings: Settings, before: str
) -> None:
    spec = TrainingSpec(dataset="mnist")
    rows = [job(spec, state) | {"labels": '{"team": "a"}', "name": "nightly"} for state in ("queued", "failed")]
    at(bare_url, "0014", jobs=rows)
    command = [sys.executable, "-c", _KILLED, bare_url, before]
    assert subprocess.run(command, env=os.environ, check=False).returncode == -signal.SIGKILL
    store = Store.open(settings)
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
