"""What is done to every request and every answer."""

import pytest
from fastapi.testclient import TestClient

from tests.answers import problem


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: how errors are worded does not depend on the database; the store's tests run on both."""
    return sqlite_url


def test_head_is_get_without_the_body(api: TestClient) -> None:
    head, get = api.head("/jobs"), api.get("/jobs")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]


def test_a_host_name_that_is_not_ours_is_refused(api: TestClient) -> None:
    assert "TENFOLD_ALLOWED_HOSTS" in problem(api.get("/livez", headers={"Host": "evil.example"}), 400)["detail"]
