"""The API in this process: the real app on a real store, with a doorbell whose broker may be missing."""

import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from models.spec import TrainingSpec
from service.api.app import create_app
from service.artifacts import Artifacts
from service.settings import Settings
from service.store.shared_columns import DEFAULT
from service.store.store import Store
from tests.answers import without_paths

Fill = Callable[[Store, Artifacts], str]
MadeOnce = Callable[[str, Fill], str]

_QUICK = {"max_wait_seconds": 0.2, "max_upload_bytes": 2_000_000}


def fresh_app(settings: Settings) -> Any:
    """Give an API of its own."""
    app = create_app(settings)
    app.state.settings = settings.model_copy(update=_QUICK)
    return app


@cache
def _app() -> FastAPI:
    # One for all tests of a process: its first request takes a tenth of a second, for which FastAPI builds all routes.
    return create_app(Settings().model_copy(update=_QUICK))


@pytest.fixture
def api(settings: Settings) -> Iterator[TestClient]:
    """A client of the API; nothing listens at its broker's address."""
    app = _app()
    app.state.settings = settings.model_copy(update=_QUICK)
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        client.event_hooks = {"response": [without_paths]}
        yield client


@pytest.fixture(scope="session")
def _homes() -> dict[tuple[str, str], tuple[Path, str]]:
    """Homes in which something is on record, with its name, by the module that asked for it."""
    return {}


@pytest.fixture
def made_once(
    _homes: dict[tuple[str, str], tuple[Path, str]],
    request: pytest.FixtureRequest,
    migrated: Path,
    sqlite_url: str,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> MadeOnce:
    """Gives this test's home what is put on record under a name: filled once for a module, copied from then on.

    To be called before the database is opened. A copy costs no write that has to reach the disk.
    """

    def made(name: str, fill: Fill) -> str:
        key = (request.module.__name__, name)
        if key not in _homes:
            home = tmp_path_factory.mktemp("home")
            own = f"sqlite:///{shutil.copy(migrated, home / Path(sqlite_url).name)}"
            settings = Settings(home=home, database_url=own)
            store = Store.open(settings).of(DEFAULT)
            _homes[key] = home, fill(store, Artifacts(settings.artifacts))
            store.database.close()
        home, given = _homes[key]
        shutil.copytree(home, tmp_path, dirs_exist_ok=True)
        return given

    return made


@pytest.fixture
def url_of_model(request: pytest.FixtureRequest, sqlite_url: str) -> str:
    """SQLite alone: which database it is makes no difference to what is predicted. The test's model is in it."""
    if "model" in request.fixturenames:
        request.getfixturevalue("model")
    return sqlite_url


def submit(store: Store, **fields: Any) -> str:
    """Put a job on record without asking the API."""
    (job_id,) = store.submissions.submit([TrainingSpec(**fields)])
    return job_id
