"""The API in this process: the real app on a real store, with a doorbell whose broker may be missing."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from models.spec import TrainingSpec
from service.api.app import create_app
from service.settings import Settings
from service.store.store import Store
from tests.answers import without_paths

_QUICK = {"max_wait_seconds": 0.2, "max_upload_bytes": 2_000_000}


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


def submit(store: Store, **fields: Any) -> str:
    """Put a job on record without asking the API."""
    (job_id,) = store.submissions.submit([TrainingSpec(**fields)])
    return job_id
