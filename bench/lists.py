"""Claim: a page of any list takes at most 20 ms, whatever it is filtered by, at a million jobs on either database.

A home of the revision before the lists had their indices is filled by one statement a table, past the service, and
brought up to date, which is timed. Half of the jobs have one label and name, half another, so that some filters find
half of everything and some that are asked for together nothing at all. Then pages are asked of the API, in its process:
the first, one from the middle and the last, each some times, of which the quickest counts, for the machine may do other
things; printed is the slowest of these for each set of filters.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from alembic import command
from alembic.config import Config
from fastapi.testclient import TestClient
from sqlalchemy import Connection, create_engine, event, make_url, text

from bench.figures import circumstances, met
from bench.submitting import database
from models.spec import TrainingSpec
from service.api.app import create_app
from service.settings import Settings
from service.store.store import Store

LIMIT_MS = 20.0
JOBS, OF_A_SWEEP, SWEEPS = 1_000_000, 1000, 100
BEFORE = "0014"
TIMES = 5

_SERIES = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count) SELECT "
_LABELS = """'{"team": "t' || (i % 10) || '", "' || (CASE i % 2 WHEN 0 THEN 'night' ELSE 'day' END) || '": "x"}'"""
_FILL = {
    "sweeps": "INSERT INTO sweeps (id, spec, name, labels, trials, suggested, cancel_requested, created_at) "
    + _SERIES
    + "'sweep-' || i, {spec}, CASE i % 2 WHEN 0 THEN 'nightly' ELSE 'weekly' END, {labels}, :jobs, :jobs, {no}, 1 "
    "FROM n",
    "jobs": "INSERT INTO jobs (id, state, spec, name, labels, dataset, shape, sweep_id, trial, spec_sha256, "
    "created_at, rung_at, attempt, fruitless_attempts, cancel_requested, last_epoch, bit_identical) "
    + _SERIES
    + "'job-' || i, CASE WHEN i % 20 = 0 THEN 'cancelled' ELSE 'succeeded' END, {spec}, "
    "CASE i % 2 WHEN 0 THEN 'nightly' ELSE 'weekly' END, {labels}, 'mnist', 'shape', "
    "CASE WHEN i <= :sweeps * :jobs THEN 'sweep-' || ((i - 1) / :jobs + 1) END, "
    "CASE WHEN i <= :sweeps * :jobs THEN (i - 1) % :jobs + 1 END, 'hash-' || i, 1, 1, 1, 0, {no}, 3, {yes} FROM n",
    "events": "INSERT INTO events (job_id, type, data, created_at) "
    + _SERIES
    + "'job-' || (i % 1000 + 1), 'state', {data}, 1 FROM n",
    "models": "INSERT INTO models (name, newest, created_at) VALUES ('mnist', :count, 1)",
    "versions": "INSERT INTO versions (model, version, job_id, spec, epoch, weights_sha256, facts, created_at) "
    + _SERIES
    + "'mnist', i, 'job-' || i, {its}, 3, 'w', {data}, 1 FROM n",
    "evaluations": "INSERT INTO evaluations (id, state, asked, model, version, dataset, dataset_version, created_at, "
    "rung_at, attempt) "
    + _SERIES
    + "'e' || i, 'succeeded', {measured}, 'mnist', i % 2 + 1, 'letters', i % 3 + 1, 1, 1, 1 FROM n",
}
_MEASURED = {"model": "mnist/1", "dataset": "letters/1", "metric": "accuracy", "job_id": None, "part": "all"}


def fill(url: str, count: int) -> float:
    """Make a home of an older revision with so many jobs in it; gives the seconds it took."""
    begun = time.perf_counter()
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    engine = create_engine(parsed)
    if parsed.get_backend_name() == "sqlite":

        @event.listens_for(engine, "connect")
        def as_the_service_does(connection: Any, _record: object) -> None:
            connection.execute("PRAGMA synchronous = OFF")  # it is only to be filled

    config = Config()
    config.set_main_option("script_location", "service/store/migrations")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, BEFORE)
        for table, statement in _FILL.items():
            _insert(connection, statement, count=SWEEPS if table == "sweeps" else count)
    engine.dispose()
    return time.perf_counter() - begun


def _insert(connection: Connection, statement: str, count: int) -> None:
    is_postgresql = connection.dialect.name == "postgresql"

    def as_json(what: str) -> str:
        return f"CAST({what} AS JSON)" if is_postgresql else what

    spec = json.dumps(TrainingSpec(dataset="mnist").model_dump(mode="json", exclude={"name", "labels"}))
    places = {"spec": spec, "its": json.dumps({**json.loads(spec), "labels": {}, "name": None}), "data": "{}"}
    places["measured"] = json.dumps({**_MEASURED, "include_learned": False})
    filled = statement.format(
        **{name: as_json(f"'{value}'").replace(":", "\\:") for name, value in places.items()},
        labels=as_json(_LABELS).replace('":', '"\\:'),
        no="FALSE" if is_postgresql else "0",
        yes="TRUE" if is_postgresql else "1",
    )
    for name, number in {"count": count, "jobs": OF_A_SWEEP, "sweeps": SWEEPS}.items():
        filled = filled.replace(f":{name}", str(number))
    connection.execute(text(filled))


def lists() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Give every list with every combination of its filters: what it is called, its path, and its query."""
    labels = [[], ["team:t1"], ["day:x", "night:x"], ["team:t1", "day:x", "team:t2"], ["team:t1", "day:x"], ["no:one"]]
    for state, name, sweep, label in product(
        [None, "succeeded", "failed"], [None, "nightly", "nobody"], [None, "sweep-7"], labels
    ):
        given = {"state": state, "name": name, "sweep": sweep, "label": label or None}
        yield from _named("/jobs", given)
    for name, label in product([None, "nightly", "nobody"], labels):
        yield from _named("/sweeps", {"name": name, "label": label or None})
    for model, dataset in product([None, "mnist", "mnist/1", "job-1"], [None, "letters", "letters/2", "none"]):
        yield from _named("/evaluations", {"model": model, "dataset": dataset})
    for path in ("/models", "/datasets", "/uploads", "/models/mnist/versions", "/jobs/job-1/events"):
        yield from _named(path, {})


def _named(path: str, given: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    query = {name: value for name, value in given.items() if value is not None}
    yield f"{path}{'?' if query else ''}{'&'.join(query)}", path, query


def slowest(client: TestClient, count: int) -> dict[str, tuple[float, str]]:
    """Give for each list and set of filters its slowest page, in milliseconds, and its address."""
    found: dict[str, tuple[float, str]] = {}
    for name, path, query in lists():
        for after in (None, count // 2, 3):
            if after is not None and path in {"/models", "/datasets"}:
                continue
            address = f"{path}?{urlencode(query | ({} if after is None else {'after': after}), doseq=True)}"
            taken = []
            for _ in range(TIMES):
                begun = time.perf_counter()
                answered = client.get(address)
                taken.append((time.perf_counter() - begun) * 1000)
                if answered.status_code != 200:
                    raise SystemExit(f"{address} is answered with {answered.status_code}: {answered.text[:200]}")
            found[name] = max(found.get(name, (0.0, "")), (min(taken), address))
    return found


@contextmanager
def api(home: Path, url: str) -> Iterator[TestClient]:
    """Run the API in this process."""
    app = create_app(Settings(home=home, database_url=url, broker_url="redis://127.0.0.1:1/0"))
    with TestClient(app, base_url="http://localhost") as client:
        yield client


def measure(kind: str, count: int) -> bool:
    """Measure one database; gives whether the claim is met."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        home = Path(name)
        home.chmod(0o755)  # PostgreSQL runs as another user
        with database(kind, home) as url:
            print(
                f"{kind}: {count:,} jobs, {SWEEPS * OF_A_SWEEP:,} of them of sweeps, filled in {fill(url, count):.0f} s"
            )
            begun = time.perf_counter()
            Store.open(Settings(home=home, database_url=url)).database.close()
            print(f"brought up to date in {time.perf_counter() - begun:.1f} s", flush=True)
            with api(home, url) as client:
                client.get("/jobs")
                found = slowest(client, count)
    print(f"{'list and filters':<40}{'slowest page':>14}   its address")
    for what, (taken, address) in found.items():
        print(f"{what:<40}{taken:>11.1f} ms   {address}")
    worst = max(taken for taken, _ in found.values())
    print(f"claim {met(worst <= LIMIT_MS)}: a page takes at most {LIMIT_MS:g} ms: {worst:.1f} ms\n")
    return worst <= LIMIT_MS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=JOBS, help="on SQLite (1,000,000)")
    parser.add_argument("--jobs-postgresql", type=int, default=JOBS // 2, help="on PostgreSQL (500,000)")
    parser.add_argument("--only", choices=["sqlite", "postgresql"], help="one of the databases")
    asked = parser.parse_args()
    print(circumstances(threads=1))
    for kind, count in (("sqlite", asked.jobs), ("postgresql", asked.jobs_postgresql)):
        if asked.only in {None, kind}:
            measure(kind, count)


if __name__ == "__main__":
    main()
