"""What pages of others cannot do, and browsers are told."""

import pytest
from fastapi.testclient import TestClient

from service.store.store import Store
from tests.answers import problem


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: how errors are worded does not depend on the database; the store's tests run on both."""
    return sqlite_url


def test_a_page_of_another_site_can_change_nothing(api: TestClient, store: Store) -> None:
    for origin in ("http://evil.example", "null", "http://localhost:1", "http://[", "http://]", "[", "//", ""):
        problem(api.post("/jobs", json={"dataset": "digits"}, headers={"Origin": origin}), 403)
    for site in ("cross-site", "same-site"):
        problem(api.post("/jobs", json={"dataset": "digits"}, headers={"Sec-Fetch-Site": site}), 403)
    assert store.jobs.find(limit=1) == []
    assert api.post("/jobs", json={"dataset": "digits"}, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 202


def test_answers_tell_browsers_to_be_careful(api: TestClient) -> None:
    headers = api.get("/jobs").headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
