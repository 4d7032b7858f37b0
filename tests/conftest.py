"""Fixtures that all tests share: real databases, a real store, a real broker, real files."""

import itertools
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from xdist.scheduler import LoadFileScheduling

from service.artifacts import Artifacts
from service.broker import embedded
from service.processes.process import Program
from service.processes.supervisor import Supervisor, free_port
from service.settings import Settings
from service.start.variables import leave_out
from service.store import engine
from service.store.engine import Database
from service.store.shared_columns import DEFAULT
from service.store.store import Store
from tests.postgres import postgres_server

_numbers = itertools.count()

_WALKTHROUGH = "tests/walkthrough/"
_LONGEST = ("tests/test_readme.py", "tests/acceptance/", _WALKTHROUGH)

# Settings come from the tests; what the shell says must not change what they see.
for name in [name for name in os.environ if name.startswith("TENFOLD_") and name != "TENFOLD_DATA"]:
    del os.environ[name]
leave_out()

# A test that waits for a core amid a transaction has not frozen, however long the others take: its session stays.
engine._LONGEST_SILENCE_SECONDS = 120


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a PostgreSQL server."""
    with postgres_server() as url:
        yield url


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite database with all tables, and nothing in them."""
    file = tmp_path_factory.mktemp("migrated") / "tenfold.sqlite3"
    Database.open(f"sqlite:///{file}").close()
    return file


@pytest.fixture(scope="session")
def migrated_postgres(postgres: str) -> str:
    """URL of the same on a PostgreSQL server."""
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("CREATE DATABASE tenfold")
    url = f"{postgres.rpartition('/')[0]}/tenfold"
    Database.open(url).close()
    return url


@pytest.fixture
def sqlite_url(migrated: Path, tmp_path: Path) -> str:
    """URL of an empty SQLite database, where it makes no difference which kind it is."""
    return _copied(migrated, tmp_path)


def _copied(migrated: Path, folder: Path) -> str:
    # A copy of one that has its tables is as good as an empty database, and made a hundred times faster.
    return f"sqlite:///{shutil.copy(migrated, folder / 'tenfold.sqlite3')}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of an empty database; each test that asks for it runs on both kinds."""
    with fresh_database(request, tmp_path) as url:
        yield url


@pytest.fixture
def bare_url(database_url: str) -> str:
    """URL of a database that has no tables either."""
    if database_url.startswith("sqlite:///"):
        Path(database_url.removeprefix("sqlite:///")).unlink()
    else:
        with psycopg.connect(database_url) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
    return database_url


@contextmanager
def fresh_database(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """Give the URL of a copy of a database that has its tables, and nothing in them."""
    if request.param == "sqlite":
        yield _copied(request.getfixturevalue("migrated"), folder)
        return
    url: str = request.getfixturevalue("migrated_postgres")
    name = f"test_{next(_numbers)}"
    with psycopg.connect(request.getfixturevalue("postgres"), autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE tenfold STRATEGY FILE_COPY").format(sql.Identifier(name))
        )
        yield f"{url.rpartition('/')[0]}/{name}"
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def broker_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a Valkey server."""
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"
    folder = tmp_path_factory.mktemp("broker")
    server = Program("broker", embedded.command(port, folder), is_ready=lambda: embedded.is_ready(url))
    with Supervisor([server], folder):
        yield url


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Settings with an empty database and an empty home."""
    return Settings(
        home=tmp_path, database_url=database_url, broker_url=f"redis://127.0.0.1:{free_port()}/0", group_size=16
    )


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    """A store with nothing in it, as it is for the account that every home has."""
    store = Store.open(settings)
    yield store.of(DEFAULT)
    store.database.close()


@pytest.fixture
def artifacts(settings: Settings) -> Artifacts:
    """An empty folder for files."""
    return Artifacts(settings.artifacts)


@pytest.fixture(autouse=True)
def denormals() -> Iterator[None]:
    """Numbers near zero are as they always are: training flushes them, and that lasts as long as its process."""
    yield
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_flush_denormal(False)


class _Together(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """Keeps the tests of a file together, and the pages of the walkthrough: they share what was started for them."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return _WALKTHROUGH if file.startswith(_WALKTHROUGH) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _Together:
    """Have processes take whole files."""
    return _Together(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest: if they came last, one process would wait for the other."""
    items.sort(key=lambda item: not item.nodeid.startswith(_LONGEST))
