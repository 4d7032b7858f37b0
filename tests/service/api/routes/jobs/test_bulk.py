"""What is done to all jobs that match a filter is done to these alone, and told before, if that is asked for."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.artifacts import Artifacts
from service.store.store import Store
from tests.answers import problem
from tests.records import claim, learn, submit, sweep


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: what the store does is tested on both databases."""
    return sqlite_url


def bulk(api: TestClient, action: str, **body: object) -> dict[str, Any]:
    answer = api.post(f"/jobs/{action}", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def states(store: Store, *job_ids: str) -> list[str | None]:
    return [job and job.state for job in map(store.jobs.get, job_ids)]


def test_those_that_match_and_have_not_ended_are_cancelled(api: TestClient, store: Store) -> None:
    theirs = [submit(store, labels={"team": "a"}) for _ in range(3)]
    other = submit(store, labels={"team": "b"})
    store.jobs.pause(theirs[0])
    claim(store, theirs[2])
    would = bulk(api, "cancel", filter={"label": ["team:a"]}, dry_run=True)
    assert (would["dry_run"], would["done"], would["has_more"]) == (True, 3, False)
    assert states(store, *theirs, other) == ["paused", "queued", "running", "queued"]
    did = bulk(api, "cancel", filter={"label": ["team:a"]})
    assert {**did, "dry_run": True} == would
    assert states(store, *theirs, other) == ["cancelled", "cancelled", "running", "queued"]
    running = store.jobs.get(theirs[2])
    assert running is not None
    assert running.cancel_requested
    assert bulk(api, "cancel", filter={"label": ["team:a"], "state": "queued"})["ids"] == []


def test_jobs_of_a_sweep_are_cancelled_and_many_at_a_time(api: TestClient, store: Store) -> None:
    sweep_id, job_ids = sweep(store, grid={"seed": list(range(130))})
    told = bulk(api, "cancel", filter={"sweep": sweep_id})
    assert (told["done"], told["ids"]) == (130, job_ids[::-1])
    assert set(states(store, *job_ids)) == {"cancelled"}


def test_those_that_match_are_deleted_but_not_those_that_run_or_are_a_sweep_s(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    waiting, running, ended = (submit(store, labels={"team": "a"}) for _ in range(3))
    held = claim(store, ended)
    learn(store, artifacts, held, 1)
    claim(store, running)
    store.jobs.cancel(ended)
    assert store.runs.release(held) == "cancelled"
    sweep(store, labels={"team": "a"}, grid={"seed": [1, 2]})
    would = bulk(api, "delete", filter={"label": ["team:a"]}, dry_run=True)
    did = bulk(api, "delete", filter={"label": ["team:a"]})
    assert {**did, "dry_run": True} == would
    assert set(did["ids"]) == {waiting, ended}
    assert did["skipped"] == {
        "they run: cancel them first": 1,
        "they belong to a sweep, which is deleted whole": 2,
    }
    assert states(store, waiting, running, ended) == [None, "running", None]
    assert not list(artifacts.folder.glob(f"jobs/{ended}/*"))
    again = bulk(api, "delete", filter={"label": ["team:a"]})
    assert (again["done"], again["skipped"]) == (0, did["skipped"])


@pytest.mark.parametrize("action", ["cancel", "delete"])
@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"filter": {}}, "/filter"),
        ({"filter": {"label": []}}, "/filter"),
        ({}, "/filter"),
        ({"filter": {"label": ["a"]}}, "/filter/label"),
        ({"filter": {"status": "queued"}}, "/filter/status"),
        ({"filter": {"state": "queued"}, "dry_run": 1}, "/dry_run"),
        ({"filter": {"state": "queued"}, "dryrun": True}, "/dryrun"),
    ],
)
def test_a_filter_that_means_everything_or_nothing_is_refused(
    api: TestClient, store: Store, action: str, body: object, pointer: str
) -> None:
    job_id = submit(store)
    answer = problem(api.post(f"/jobs/{action}", json=body), 422)
    assert [error["pointer"] for error in answer["errors"]] == [pointer]
    assert states(store, job_id) == ["queued"]


def test_jobs_that_have_ended_cannot_be_cancelled(api: TestClient) -> None:
    answer = problem(api.post("/jobs/cancel", json={"filter": {"state": "failed"}}), 422)
    assert [error["pointer"] for error in answer["errors"]] == ["/filter/state"]
