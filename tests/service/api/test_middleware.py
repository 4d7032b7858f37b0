"""What is done to every request and every answer."""

import pytest
from fastapi.testclient import TestClient


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: how errors are worded does not depend on the database; the store's tests run on both."""
    return sqlite_url


def test_head_is_get_without_the_body(api: TestClient) -> None:
    head, get = api.head("/jobs"), api.get("/jobs")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]
