"""What needs a worker, while none can be asked."""

import pytest
from fastapi.testclient import TestClient

from tests.answers import problem


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: how errors are worded does not depend on the database; the store's tests run on both."""
    return sqlite_url


def test_what_needs_a_worker_says_so_while_the_broker_is_away(api: TestClient) -> None:
    answer = api.get("/datasets/digits")
    assert "broker" in problem(answer, 503)["detail"]
    assert int(answer.headers["retry-after"]) > 0
    ready = api.get("/readyz")
    assert ready.status_code == 503
    assert ready.json() == {"database": True, "broker": False, "worker": False}
    assert api.get("/livez").status_code == 200
