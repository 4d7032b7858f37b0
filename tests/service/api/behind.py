"""The API in this process as proxies in front of it see it."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient

from service.api.app import create_app
from service.settings import Settings
from tests.answers import without_paths

PROXY = "10.0.0.9"
_KNOWN = {"allowed_hosts": ("localhost", "tenfold", "ml.example.com"), "max_wait_seconds": 0.1}


@cache
def _app(**changes: Any) -> FastAPI:
    # One for all tests that want it so: its first request takes a tenth of a second.
    return create_app(Settings().model_copy(update=_KNOWN | changes))


@contextmanager
def proxied(settings: Settings, *, peer: str = PROXY, host: str = "tenfold", **changes: Any) -> Iterator[TestClient]:
    """Give a client that asks from the address `peer`, of an API that knows the names localhost and tenfold."""
    app = _app(**changes)
    app.state.settings = settings.model_copy(update=_KNOWN | changes)
    options: dict[str, Any] = {"raise_server_exceptions": False, "follow_redirects": False}
    with TestClient(app, base_url=f"http://{host}", client=(peer, 5000), **options) as client:
        client.event_hooks = {"response": [without_paths]}
        yield client
