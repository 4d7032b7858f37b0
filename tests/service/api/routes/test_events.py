"""What happens to everything, or to some of it, as a list."""

import pytest
from fastapi.testclient import TestClient

from service.artifacts import Artifacts
from service.store.events import AT_A_TIME
from service.store.store import Store
from tests.answers import pointers, problem
from tests.records import data, log_many, submit, succeeded, sweep


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: what differs between the databases is the store's, whose tests run on both."""
    return sqlite_url


def listed(api: TestClient, query: str = "") -> list[tuple[str, str | None]]:
    """Give the types of events, and what they are about."""
    page = api.get(f"/events{query}").json()
    assert not page["has_more"]
    return [(event["type"], event["dataset"] or event["job_id"]) for event in page["data"]]


def test_everything_is_listed_in_order_under_the_ids_of_each_job_and_each_version(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    first, second = submit(store), submit(store)
    data(store, artifacts, "letters")
    store.jobs.cancel(first)
    page = api.get("/events").json()
    assert [(event["type"], event["job_id"], event["dataset"]) for event in page["data"]] == [
        ("state", first, None),
        ("state", second, None),
        ("data.reading", None, "letters/1"),
        ("data.ready", None, "letters/1"),
        ("state", first, None),
    ]
    assert (page["has_more"], page["next"], page["after"]) == (False, None, page["data"][-1]["id"])
    its = api.get(f"/jobs/{first}/events").json()["data"]
    assert its == [
        {name: event[name] for name in ("id", "type", "created_at", "actor", "data")}
        for event in page["data"]
        if event["job_id"] == first
    ]
    assert api.get(f"/events?after={page['after']}").json()["data"] == []


def test_some_are_chosen_by_label_sweep_model_and_type(api: TestClient, store: Store) -> None:
    labelled = submit(store, labels={"team": "a"}, model="digits")
    other = submit(store)
    sweep_id, trials = sweep(store, grid={"seed": [1, 2]}, labels={"team": "a"})
    store.jobs.cancel(labelled)
    assert listed(api, "?label=team:a") == [("state", job_id) for job_id in (labelled, *trials, labelled)]
    assert listed(api, f"?sweep={sweep_id}") == [("state", job_id) for job_id in trials]
    assert listed(api, "?model=digits") == [("state", labelled)] * 2
    assert listed(api, "?model=digits&label=team:b") == []
    assert listed(api, "?type=epoch") == []
    assert len(listed(api, "?type=epoch&type=state")) == 5
    assert ("state", other) in listed(api)
    assert pointers(api.get("/events?label=a")) == {"#query/label"}


def test_what_was_deleted_is_told_with_what_it_was(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    job_id = submit(store, labels={"team": "a"}, model="digits")
    store.jobs.delete(job_id)
    data(store, artifacts, "letters")
    store.datasets.delete("letters")
    assert listed(api) == [("job.deleted", job_id), ("data.deleted", "letters/1")]
    assert listed(api, "?label=team:a&model=digits") == [("job.deleted", job_id)]


def test_pages_follow_each_other_also_where_few_of_many_are_wanted(api: TestClient, store: Store) -> None:
    job_id, wanted = submit(store), submit(store, labels={"team": "a"})
    log_many(store, job_id, AT_A_TIME * 6)
    store.jobs.cancel(wanted)
    found, pages, path = [], 0, "/events?label=team:a"
    while path is not None:
        page = api.get(path).json()
        found += page["data"]
        path, pages = page["next"], pages + 1
        assert page["has_more"] == (path is not None)
    assert [event["data"]["state"] for event in found] == ["queued", "cancelled"]
    assert pages == 2
    first = api.get("/events?limit=3").json()
    assert len(first["data"]) == 3
    assert first["after"] == first["data"][-1]["id"]
    assert api.get(first["next"]).json()["data"][0]["id"] == first["after"] + 1


def test_what_cannot_be_asked_for_is_refused(api: TestClient) -> None:
    assert pointers(api.get("/events?after=-1")) == {"#query/after"}
    assert pointers(api.get("/events?type=no%20type")) == {"#query/type/0"}
    problem(api.get("/events", headers={"Last-Event-ID": "x"}), 422)


def test_what_happens_to_a_model_by_hand_is_told_as_well(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    for seed in (1, 2):
        succeeded(store, artifacts, seed=seed, promote="always")
    begin = api.get("/events?limit=1000").json()["after"]
    api.put("/models/mnist/aliases/champion", json={"version": 1})
    api.post("/models/mnist/aliases/champion/rollback")
    api.post("/models", json={"name": "both", "members": ["mnist/1", "mnist/2"]})
    told = api.get(f"/events?model=mnist&after={begin}").json()["data"]
    assert [(event["type"], event["job_id"], event["data"]["why"]) for event in told] == [
        ("alias.moved", None, "set"),
        ("alias.moved", None, "rolled_back"),
    ]
    assert told[0]["data"]["targets_before"] == told[1]["data"]["targets"] == {"versions": {"2": 1.0}}
