"""Models and jobs are named so that a reference means one of them."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.artifacts import Artifacts
from service.store.store import Store
from tests.answers import pointers, problem
from tests.records import SPEC, claim, ended, learn, submit, succeeded

UUID = "8a6e0804-2bd0-4672-b79d-d97027f9071a"


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: what may be called how does not depend on the database."""
    return sqlite_url


@pytest.mark.parametrize("name", [UUID, UUID.upper(), "order-1"])
def test_a_model_is_not_called_as_a_job_is(api: TestClient, store: Store, artifacts: Artifacts, name: str) -> None:
    assert api.put("/jobs/order-1", json=SPEC).status_code == 202
    job_id = ended(store, artifacts)
    succeeded(store, artifacts, model="mine")
    count = len(store.jobs.find(limit=10))
    requests: list[tuple[str, str, dict[str, Any], str]] = [
        ("POST", "/jobs", SPEC | {"model": name}, "/model"),
        ("PUT", "/jobs/order-2", SPEC | {"model": name}, "/model"),
        ("POST", f"/jobs/{job_id}/continue", {"epochs": 1, "changes": {"model": name}}, "/changes/model"),
        ("POST", "/sweeps", {"base": SPEC | {"model": name}, "grid": {"seed": [1, 2]}}, "/base/model"),
        ("POST", "/sweeps", {"base": SPEC, "trials": [{"model": name}, {"seed": 1}]}, "/trials"),
        ("POST", "/models", {"name": name, "members": ["mine/1", "mine/1"]}, "/name"),
        ("PUT", f"/models/mine/aliases/{name}", {"version": 1}, "#path/alias"),
    ]
    for method, path, body, pointer in requests:
        answer = api.request(method, path, json=body)
        assert answer.status_code == 422, (path, answer.text)
        assert pointers(answer) == {pointer}
        assert "a reference could mean either" in answer.json()["detail"]
    assert len(store.jobs.find(limit=10)) == count


def test_a_job_is_not_called_as_a_model_is(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    job_id = succeeded(store, artifacts, model="mine")
    assert "model called mine" in problem(api.put("/jobs/mine", json=SPEC), 409)["detail"]
    assert "model called mine" in problem(api.post(f"/jobs/{job_id}/retry?id=mine"), 409)["detail"]
    assert pointers(api.put("/jobs/yours", json=SPEC | {"model": "yours"})) == {"/model"}
    assert api.put("/jobs/yours", json=SPEC | {"model": "mine"}).status_code == 202


def test_a_model_that_is_called_so_already_is_read(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    name = UUID
    job_id = succeeded(store, artifacts, model=name)
    assert api.get(f"/models/{name}").status_code == 200
    assert api.post("/predict", json={"image": [[0, 255] * 14] * 28, "model": name}).status_code == 200
    assert api.post(f"/jobs/{job_id}/retry").status_code == 202


def test_a_job_is_not_called_as_a_model_will_be(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    job_id = ended(store, artifacts)
    submissions: dict[str, tuple[str, dict[str, Any]]] = {
        "alone": ("/jobs", SPEC | {"model": "alone"}),
        "base": ("/sweeps", {"base": SPEC | {"model": "base"}, "grid": {"seed": [1, 2]}}),
        "trial": ("/sweeps", {"base": SPEC, "trials": [{"model": "trial"}, {"seed": 1}]}),
    }
    for name, (path, body) in submissions.items():
        assert api.post(path, json=body).status_code == 202
        for refused in (api.put(f"/jobs/{name}", json=SPEC), api.post(f"/jobs/{job_id}/retry?id={name}")):
            assert f"will be a version of the model {name}" in problem(refused, 409)["detail"]
    (waiting,) = (job.id for job in store.jobs.find(limit=100) if job.spec["model"] == "alone")
    api.post(f"/jobs/{waiting}/cancel")
    assert api.put("/jobs/alone", json=SPEC).status_code == 202, "nothing will be called so any more"
    for again in (f"/jobs/{waiting}/retry", f"/jobs/{waiting}/retry?id=other"):
        assert "submit its spec with another model" in problem(api.post(again), 409)["detail"]


def test_a_job_does_not_go_on_for_a_model_that_is_a_job_by_now(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    held = claim(store, submit(store, **SPEC | {"model": "mine"}))
    learn(store, artifacts, held, 1)
    store.jobs.cancel(held.job_id)
    store.runs.finish(held)
    assert api.put("/jobs/mine", json=SPEC).status_code == 202
    goes_on = f"/jobs/{held.job_id}/continue"
    problem(api.post(goes_on, json={"epochs": 1}), 409)
    assert pointers(api.post(goes_on, json={"epochs": 1, "changes": {"model": "mine"}})) == {"/changes/model"}
    assert api.post(goes_on, json={"epochs": 1, "changes": {"model": "yours"}}).status_code == 202
