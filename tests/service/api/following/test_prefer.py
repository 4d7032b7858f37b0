"""Who prefers to wait is answered when what they ask for has ended, and not later; or as it stands in time."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.api.following.prefer import preferences
from service.artifacts import Artifacts
from service.store.store import Store
from tests.records import data, submit, sweep

Asked = Callable[[str], Any]
WAIT = {"Prefer": "wait=600"}  # longer than a test may take


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: what differs between the databases is the store's, whose tests run on both."""
    return sqlite_url


@pytest.fixture
def meanwhile(api: TestClient) -> Iterator[Asked]:
    """Asks for something by another thread, of an API that waits as long as it is asked to."""
    state = api.app.state  # type: ignore[attr-defined]
    settings = state.dependencies.settings.model_copy(update={"max_wait_seconds": 600.0})
    state.dependencies = replace(state.dependencies, settings=settings)
    with ThreadPoolExecutor() as pool:
        yield lambda path: pool.submit(api.get, path, headers=WAIT)


def test_a_job_that_is_waited_for_is_told_of_when_it_ends(meanwhile: Asked, store: Store) -> None:
    job_id = submit(store)
    asked = [meanwhile(f"/jobs/{job_id}") for _ in range(3)]
    store.jobs.pause(job_id)
    store.jobs.cancel(job_id)
    for answer in [one.result() for one in asked]:
        assert (answer.json()["state"], answer.headers["preference-applied"]) == ("cancelled", "wait=600")


def test_a_job_that_is_deleted_while_it_is_waited_for_is_not_there(meanwhile: Asked, store: Store) -> None:
    job_id = submit(store)
    asked = meanwhile(f"/jobs/{job_id}")
    store.jobs.delete(job_id)
    assert asked.result().status_code == 404


def test_a_sweep_that_is_waited_for_is_told_of_when_its_last_job_ends(meanwhile: Asked, store: Store) -> None:
    sweep_id, job_ids = sweep(store)
    asked = meanwhile(f"/sweeps/{sweep_id}?limit=0")
    for job_id in job_ids:
        store.jobs.cancel(job_id)
    answer = asked.result()
    assert (answer.json()["state"], answer.headers["preference-applied"]) == ("failed", "wait=600")


@pytest.mark.parametrize("path", ["/datasets/letters", "/datasets/letters/versions/1"])
def test_a_data_set_that_is_waited_for_is_told_of_when_it_has_been_read(
    meanwhile: Asked, store: Store, artifacts: Artifacts, path: str
) -> None:
    data(store, artifacts, "letters", state="reading")
    asked = meanwhile(path)
    store.datasets.cancel("letters", 1)
    answer = asked.result()
    assert (answer.json()["state"], answer.headers["preference-applied"]) == ("cancelled", "wait=600")


def test_a_list_of_events_that_is_waited_for_comes_with_the_first(meanwhile: Asked, store: Store) -> None:
    submit(store)
    asked = meanwhile("/events?after=1&label=team:a")
    submit(store)
    job_id = submit(store, labels={"team": "a"})
    page = asked.result().json()
    assert [event["job_id"] for event in page["data"]] == [job_id]
    assert page["after"] == 3


def test_what_does_not_end_in_time_is_told_of_as_it_stands(api: TestClient, store: Store) -> None:
    job_id = submit(store)
    answer = api.get(f"/jobs/{job_id}", headers=WAIT)
    assert (answer.json()["state"], answer.headers["preference-applied"]) == ("queued", "wait=0")
    for prefer in ("wait=soon", "wait", "respond-async", "wait=-1", ""):
        answer = api.get(f"/jobs/{job_id}", headers={"Prefer": prefer})
        assert (answer.status_code, "preference-applied" in answer.headers) == (200, False)


def test_preferences_are_read_as_they_may_be_written() -> None:
    assert preferences('respond-async, Wait="5" ; x=y,reuse, wait=7') == {"respond-async": "", "wait": "5", "reuse": ""}
    assert preferences(None) == preferences(",;,") == {}
