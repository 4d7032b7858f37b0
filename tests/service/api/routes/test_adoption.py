"""POST and DELETE below /models: checkpoints as versions, models that go, and what a history tells; on the real app."""

from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from service.artifacts import Artifacts
from service.cli.doctor import examine
from service.store import owners
from service.store.promotion import Promotion
from service.store.store import Store
from service.store.versions import Findings
from tests.answers import pointers, problem
from tests.records import claim, ended, in_state, learn, submit, succeeded

IMAGE = np.random.default_rng(3).integers(0, 256, (28, 28), np.uint8).tolist()


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: what the store does on both databases is tested below the API."""
    return sqlite_url


def cancelled(store: Store, artifacts: Artifacts) -> str:
    job_id = submit(store, dataset="digits", hidden_sizes=[8], epochs=3)
    held = claim(store, job_id)
    for number in (1, 2):
        learn(store, artifacts, held, number)
    store.jobs.cancel(job_id)
    store.runs.finish(held)
    return job_id


def adopt(api: TestClient, model: str = "kept", **body: Any) -> Any:
    return api.post(f"/models/{model}/versions", json=body)


def test_a_checkpoint_that_is_a_version_is_given_and_a_new_one_is_asked_for(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    job_id = cancelled(store, artifacts)
    waiting = adopt(api, job=job_id, checkpoint="last")
    assert (waiting.status_code, "broker does not answer" in waiting.json()["detail"]) == (503, True)
    assert store.models.adopt("kept", job_id, "last", Findings("d" * 64), Promotion("always")) == 1
    for body in ({}, {"checkpoint": "last"}, {"checkpoint": 2}, {"checkpoint": "best", "promote": "never"}):
        answer = adopt(api, job=job_id, **body)
        assert (answer.status_code, answer.json()["version"]) == (200, 1)
        assert answer.headers["Location"] == "/models/kept/versions/1"
    shown = api.get("/models/kept/versions/1").json()
    assert (shown["job_id"], shown["links"]["job"], shown["epoch"]) == (job_id, f"/jobs/{job_id}", 2)
    job = api.get(f"/jobs/{job_id}").json()
    assert (job["state"], job["version"]["promoted"]) == ("cancelled", True)
    assert job["links"]["version"] == "/models/kept/versions/1"
    key = {"Idempotency-Key": "once"}
    first = api.post("/models/kept/versions", json={"job": job_id}, headers=key)
    assert api.post("/models/kept/versions", json={"job": job_id}, headers=key).json() == first.json()
    assert api.post("/models/kept/versions", json={"job": job_id, "checkpoint": 2}, headers=key).status_code == 422


def test_what_cannot_be_a_version_is_refused_with_the_field_and_the_remedy(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    job_id = cancelled(store, artifacts)
    for body, pointer in (
        ({"job": "nobody"}, "/job"),
        ({"job": job_id, "checkpoint": 1}, "/checkpoint"),
        ({"job": job_id, "checkpoint": "first"}, "/checkpoint"),
        ({"job": job_id, "promote": "perhaps"}, "/promote"),
        ({"job": job_id, "evaluate_on": "nothing"}, "/evaluate_on"),
        ({"job": job_id, "evaluate_on": "nothing/3"}, "/evaluate_on"),
        ({"checkpoint": "best"}, "/job"),
    ):
        answer = adopt(api, **body)
        assert answer.status_code == 422, body
        assert {each.rpartition("/")[0] or each for each in pointers(answer)} | pointers(answer) >= {pointer}, body
    assert "those of epochs 2 (best), 2 (last) are there" in adopt(api, job=job_id, checkpoint=1).json()["detail"]
    assert adopt(api, model=job_id, job=job_id).status_code == 422, "the name of a model is no job's id"
    for state in ("queued", "running", "paused"):
        answer = adopt(api, job=in_state(state, store, artifacts))
        assert (answer.status_code, "wait for its end" in answer.json()["detail"]) == (409, True)
    nothing = adopt(api, job=in_state("failed", store, artifacts))
    assert (nothing.status_code, "has no checkpoint" in nothing.json()["detail"]) == (409, True)
    file = store.files.get(owners.of_job(job_id), "best.safetensors")
    assert file is not None
    artifacts.path(file.key).write_bytes(b"something else")
    assert problem(adopt(api, job=job_id), 500)


def test_a_job_that_is_finished_is_rung_for_and_one_that_learned_nothing_is_not(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    job_id = in_state("paused", store, artifacts)
    refused = api.post(f"/jobs/{job_id}/finish")
    assert refused.status_code == 409
    assert refused.json()["detail"] == (
        f"job {job_id} is paused and has learned nothing yet that it could succeed with; let it run for a batch first, "
        f"or cancel it with POST /jobs/{job_id}/cancel"
    )
    held = claim(store, submit(store, dataset="digits", hidden_sizes=[8], epochs=3))
    learn(store, artifacts, held, 1)
    store.jobs.pause(held.job_id)
    store.runs.release(held)
    answer = api.post(f"/jobs/{held.job_id}/finish")
    assert (answer.status_code, answer.json()["state"], answer.json()["finish_requested"]) == (202, "queued", True)
    assert api.post(f"/jobs/{held.job_id}/finish").status_code == 202
    assert "about to" in api.post(f"/jobs/{held.job_id}/pause").json()["detail"]
    assert claim(store, held.job_id).is_to_finish
    lost = api.post(f"/jobs/{cancelled(store, artifacts)}/finish")
    assert (lost.status_code, "POST /models/{name}/versions" in lost.json()["detail"]) == (409, True)


def test_a_model_goes_with_its_versions_and_its_numbers_are_not_given_again(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    jobs = [succeeded(store, artifacts, seed=seed, model="reader", val_accuracy=0.8 + seed / 100) for seed in (0, 1)]
    assert api.post("/predict", json={"model": "reader", "image": IMAGE}).status_code == 200
    assert store.ensembles.make(
        "both", [("reader", 1), ("reader", 2)], Findings(), val_accuracy=None, promotion=Promotion("never")
    )
    refused = api.delete("/models/reader")
    assert refused.status_code == 409
    assert refused.json()["detail"] == (
        "model reader answers by its aliases (champion); delete them first, or it with them: "
        "DELETE /models/reader?force=true"
    )
    assert api.delete("/models/reader?force=true").status_code == 204
    for path in ("", "/versions", "/versions/1", "/history", "/lineage", "/aliases/champion"):
        assert api.get(f"/models/reader{path}").status_code == 404, path
    assert [its["name"] for its in api.get("/models").json()["data"]] == ["both"]
    assert api.delete("/models/reader?force=true").status_code == 404
    api.app.state.dependencies.predictor._known.clear()  # type: ignore[attr-defined]  # as after a second
    gone = api.post("/predict", json={"model": "reader", "image": IMAGE})
    assert (gone.status_code, "no model" in gone.json()["detail"]) == (404, True)
    assert api.post("/predict", json={"model": "both", "image": IMAGE}).status_code == 200, "an ensemble stays"
    assert api.get(f"/jobs/{jobs[0]}/checkpoints/best.safetensors").status_code == 200, "files stay with their job"
    assert list(examine(store, artifacts, young_seconds=-1)) == []

    succeeded(store, artifacts, model="reader")
    again = api.get("/models/reader").json()
    assert (again["newest_version"], again["aliases"][0]["versions"]) == (3, {"3": 1.0})
    assert again["aliases"][0]["revision"] == 4
    history = api.get("/models/reader/history").json()
    assert [move["why"] for move in history["data"]] == ["if_better", "deleted", "if_better", "if_better"]
    assert [its["version"] for its in history["decisions"]] == [3, 2, 1]
    assert api.delete("/models/both").status_code == 204, "it has no alias"
    for job_id in [*jobs, *(row.id for row in store.jobs.ended(before_days=-1, skip=0))]:
        artifacts.remove(store.jobs.delete(job_id) or ())
    assert api.delete("/models/reader?force=1").status_code == 204
    assert [path for path in artifacts.folder.rglob("*") if path.is_file()] == []


def test_a_history_tells_what_was_decided_with_both_figures(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    for accuracy in (0.8, 0.9, 0.85):
        succeeded(store, artifacts, val_accuracy=accuracy)
    ended(store, artifacts, promote="never", dataset="mnist")
    never, refused, better, first = api.get("/models/mnist/history").json()["decisions"]
    assert (never["promoted"], never["not_promoted_because"], never["comparison"]) == (False, "promote is never", None)
    assert refused["not_promoted_because"] == (
        "its accuracy on 100 examples (validation of mine/1), 0.8500, does not exceed that of the champion, version 2, "
        "0.9000"
    )
    assert refused["comparison"] | {"champion": 2, "value": 0.85, "champion_value": 0.9} == refused["comparison"]
    assert (better["promoted"], better["comparison"]["champion"], first["comparison"]["champion"]) == (True, 1, None)
    assert api.get("/models/mnist/versions/3").json()["facts"]["comparison"] == refused["comparison"]


def test_examples_that_cannot_decide_are_refused_when_the_job_is_submitted(api: TestClient) -> None:
    spec = {"dataset": "digits", "epochs": 1}
    missing = api.post("/jobs", json={**spec, "evaluate_on": "nowhere"})
    assert (missing.status_code, pointers(missing)) == (422, {"/evaluate_on"})
    assert api.post("/jobs", json={**spec, "evaluate_on": "mnist"}).json()["spec"]["evaluate_on"] == "mnist"
    assert api.post("/jobs", json={**spec, "promote_min_value": -1}).status_code == 422
    sweep = {"base": {**spec, "evaluate_on": "nowhere"}, "grid": {"seed": [1, 2]}}
    assert api.post("/sweeps", json=sweep).status_code == 422
