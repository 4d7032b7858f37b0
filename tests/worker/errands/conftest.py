"""The API in this process, beside the errands that it asks for, and models that can be measured."""

from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from service.api.app import create_app
from service.artifacts import Artifacts
from service.settings import Settings
from service.store.store import Store
from tests.answers import without_paths
from tests.forms import LETTERS
from tests.worker.evaluations import LABELS, PICTURES, learn, upload


@cache
def _app() -> FastAPI:
    # One for all tests of a process: its first request takes a tenth of a second, for which FastAPI builds all routes.
    return create_app(Settings())


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    """A client of the API; nothing listens at its broker's address."""
    app = _app()
    app.state.settings = settings
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        client.event_hooks = {"response": [without_paths]}
        yield client


@pytest.fixture
def letters(store: Store, artifacts: Artifacts) -> None:
    """A data set of 60 letters, and two versions that have learned from 30 and 40 of them."""
    upload(store, artifacts, LETTERS, PICTURES, LABELS)
    for seed, count in enumerate((30, 40)):
        learn(store, artifacts, seed=seed, rows=np.arange(count), temperature=1.5)
