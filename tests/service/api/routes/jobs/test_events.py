"""The stream of what happened to a job."""

import pytest
from fastapi.testclient import TestClient

from service.store.store import Store
from tests.answers import problem
from tests.records import submit


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: how errors are worded does not depend on the database; the store's tests run on both."""
    return sqlite_url


def test_the_stream_of_a_job_that_ended_and_was_seen_is_closed_for_good(api: TestClient, store: Store) -> None:
    job_id = submit(store)
    store.jobs.cancel(job_id)
    accept = {"Accept": "text/event-stream"}
    stream = api.get(f"/jobs/{job_id}/events", headers=accept)
    assert [line for line in stream.text.splitlines() if line.startswith("event:")] == [
        "event: state",
        "event: state",
        "event: end",
    ]
    last = store.jobs.events(job_id)[-1].number
    again = api.get(f"/jobs/{job_id}/events", headers={**accept, "Last-Event-ID": str(last)})
    assert again.status_code == 204
    problem(api.get(f"/jobs/{job_id}/events", headers={**accept, "Last-Event-ID": "x"}), 422)
