"""What accounts share: a model to ask or to read, a data set to read; and that nothing else comes with it."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.access.scopes import SCOPES, Scope
from service.artifacts import Artifacts
from service.settings import Settings
from service.store.store import Store
from tests.answers import problem
from tests.records import data, succeeded
from tests.service.conftest import fresh_app

IMAGE = [[0] * 27 + [200]] * 28


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: the store's tests run on both."""
    return sqlite_url


@pytest.fixture
def owner(store: Store) -> Store:
    """The account that has something to share."""
    store.accounts.add("acme")
    return store.of("acme")


@pytest.fixture
def client(settings: Settings, store: Store, owner: Store) -> Iterator[TestClient]:
    """A client of an API that asks for keys; acme has models, and a data set."""
    artifacts = Artifacts(settings.artifacts).of("acme")
    for name in ("digits", "other"):
        succeeded(owner, artifacts, model=name)
    data(owner, artifacts, "letters")
    with TestClient(fresh_app(settings.model_copy(update={"auth": "on"})), base_url="http://localhost") as client:
        yield client


def key(store: Store, account: str = "default", scopes: tuple[Scope, ...] = SCOPES) -> dict[str, str]:
    return {"X-Api-Key": store.api_keys.add(account, "test", scopes)[1]}


def asked(client: TestClient, model: str, shown: dict[str, str]) -> Any:
    client.app.state.dependencies.predictor._known.clear()  # type: ignore[attr-defined]  # as after a second
    return client.post("/predict", json={"image": IMAGE, "model": model}, headers=shown)


def test_a_model_that_is_shared_is_asked_by_the_name_of_its_account(client: TestClient, store: Store) -> None:
    mine, theirs = key(store), key(store, "acme")
    assert asked(client, "acme:digits", mine).status_code == 404
    shared = "/models/digits/shares/default"
    assert client.put(shared, json={}, headers=theirs).status_code == 204
    for reference in ("acme:digits", "acme:digits@champion", "acme:digits/1"):
        answer = asked(client, reference, mine)
        assert answer.status_code == 200, answer.text
        assert answer.json()["model"]["name"] == "acme:digits"
        assert answer.json()["model"]["job_id"] is None, "what its owner calls a job is not shared"
    infer = {"inputs": [{"name": "image", "shape": [1, 28, 28], "datatype": "FP32", "data": [0.0] * 783 + [200.0]}]}
    assert client.post("/v2/models/acme:digits/infer", json=infer, headers=mine).status_code == 200
    assert asked(client, "acme:other", mine).status_code == 404, "what is shared is one model"
    assert asked(client, "digits", mine).status_code == 404, "it has a name of its own"
    assert client.get("/models/acme:digits", headers=mine).status_code == 404, "to ask is not to read"
    assert client.get("/models/digits/shares", headers=theirs).json()["data"][0]["account"] == "default"
    assert client.delete(shared, headers=theirs).status_code == 204
    assert client.delete(shared, headers=theirs).status_code == 404
    assert asked(client, "acme:digits", mine).status_code == 404


def test_what_may_be_read_is_read_and_nothing_beside_it(client: TestClient, store: Store) -> None:
    mine, theirs = key(store), key(store, "acme")
    assert client.put("/models/digits/shares/default", json={"right": "read"}, headers=theirs).status_code == 204
    for path in ("", "/versions", "/versions/1", "/versions/1/lineage", "/versions/1/export.safetensors", "/history"):
        answer = client.get(f"/models/acme:digits{path}", headers=mine)
        assert answer.status_code == 200, (path, answer.text)
    assert client.get("/models/acme:digits/shares", headers=mine).status_code == 404, "who else may is none of theirs"
    assert asked(client, "acme:digits", mine).status_code == 200
    assert client.get("/models/acme:other", headers=mine).status_code == 404
    assert client.get("/models/nobody:digits", headers=mine).status_code == 404
    assert client.delete("/models/acme:digits/versions/1", headers=mine).status_code == 422
    assert client.put("/models/acme:digits/aliases/x", json={"version": 1}, headers=mine).status_code == 422
    blind = key(store, scopes=("predict",))
    assert client.get("/models/acme:digits", headers=blind).status_code == 403
    member = {"name": "mine", "members": ["acme:digits/1", "acme:digits/1"]}
    assert client.post("/models", json=member, headers=mine).status_code in {404, 422}
    measured = client.post("/evaluations", json={"model": "acme:digits/1", "dataset": "mnist"}, headers=mine)
    assert "it can be asked, and nothing else" in measured.json()["detail"]


def test_a_data_set_is_shared_to_be_read(client: TestClient, store: Store) -> None:
    mine, theirs = key(store), key(store, "acme")
    assert client.put("/datasets/letters/shares/default", headers=theirs).status_code == 204
    assert client.get("/datasets/acme:letters/versions/1", headers=mine).json()["state"] == "ready"
    for path in ("/shares", "/versions/1/models", "/versions/1/events"):
        assert client.get(f"/datasets/letters{path}", headers=theirs).status_code == 200
        answer = client.get(f"/datasets/acme:letters{path}", headers=mine)
        assert "its owner's alone" in problem(answer, 404)["detail"], path
    assert client.delete("/datasets/letters", headers=theirs).status_code == 204
    assert client.get("/datasets/acme:letters", headers=mine).status_code == 404
    for wrong, status in (("/datasets/mnist/shares/default", 409), ("/datasets/none/shares/default", 404)):
        assert client.put(wrong, headers=theirs).status_code == status
    assert client.put("/models/digits/shares/nobody", json={}, headers=theirs).status_code == 404
    assert client.put("/models/none/shares/default", json={}, headers=theirs).status_code == 404


def test_a_model_made_anew_under_a_name_is_not_shared(client: TestClient, store: Store, owner: Store) -> None:
    theirs = key(store, "acme")
    assert client.put("/models/digits/shares/default", json={}, headers=theirs).status_code == 204
    assert client.delete("/models/digits?force=true", headers=theirs).status_code == 204
    assert owner.grants.of("model", "digits") == []
    told = [entry.action for entry in store.audit.find("acme", limit=9)]
    assert told[:2] == ["model.delete", "alias.move"]
    assert "model.share" in told


def test_what_is_shared_is_named_in_specs_sweeps_and_evaluations_by_its_account(
    client: TestClient, store: Store, owner: Store
) -> None:
    mine, theirs = key(store), key(store, "acme")
    spec = {"dataset": "acme:letters"}
    refused = client.post("/jobs", json=spec, headers=mine)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/dataset")
    assert "acme shares no data set called 'letters' with this one" in refused.json()["detail"]
    assert client.put("/datasets/letters/shares/default", headers=theirs).status_code == 204
    job = client.post("/jobs", json=spec, headers=mine).json()
    assert (job["spec"]["dataset"], job["spec"]["model"]) == ("acme:letters/1", "letters")
    planned = client.post("/jobs?dry_run=true", json=spec, headers=mine)
    assert planned.status_code == 200, planned.text
    assert client.get(f"/jobs/{job['id']}", headers=theirs).status_code == 404
    own = client.post("/jobs", json=spec, headers=theirs).json()
    assert own["spec"]["dataset"] == "letters/1", "it is one's own"
    sweep = {"base": {"epochs": 1}, "grid": {"dataset": ["acme:letters", "digits"]}}
    made = client.post("/sweeps", json=sweep, headers=mine)
    assert made.status_code == 202, made.text
    jobs = client.get(f"/jobs?sweep={made.json()['id']}", headers=mine).json()["data"]
    assert {one["spec"]["dataset"] for one in jobs} == {"acme:letters/1", "digits"}
    wrong = client.post("/sweeps", json={"grid": {"dataset": ["acme:none", "digits"]}}, headers=mine)
    assert (wrong.status_code, "acme:none" in wrong.json()["detail"]) == (422, True)
    compared = client.post("/jobs", json={"dataset": "acme:letters", "evaluate_on": "acme:letters/1"}, headers=mine)
    assert compared.json()["spec"]["evaluate_on"] == "acme:letters/1"
    for version in ("acme:letters/9", "acme:mnist", "nobody:letters", f"{'a' * 60}:{'b' * 70}"):
        assert client.post("/jobs", json={"dataset": version}, headers=mine).status_code == 422, version
    assert client.delete("/datasets/letters", headers=theirs).status_code == 409, "by the owner's own job"
    store.of("acme").jobs.cancel(own["id"])
    assert client.delete("/datasets/letters", headers=theirs).status_code == 204, "and by nobody else's"
    assert client.post("/jobs", json=spec, headers=mine).status_code == 422


def test_what_is_shared_is_measured_on(client: TestClient, store: Store, settings: Settings) -> None:
    succeeded(store, Artifacts(settings.artifacts), model="own")
    mine, theirs = key(store), key(store, "acme")
    asked = {"model": "own/1", "dataset": "acme:letters", "part": "all"}
    assert client.post("/evaluations", json=asked, headers=mine).status_code == 422
    assert client.put("/datasets/letters/shares/default", headers=theirs).status_code == 204
    made = client.post("/evaluations", json=asked, headers=mine)
    assert made.status_code == 202, made.text
    there = made.json()["links"]["dataset"]
    assert there == "/datasets/acme:letters/versions/1"
    assert client.get(there, headers=mine).status_code == 200
    found = client.get("/evaluations?dataset=acme:letters/1", headers=mine).json()["data"]
    assert [one["id"] for one in found] == [made.json()["id"]]


def test_links_of_what_is_shared_lead_to_it(client: TestClient, store: Store) -> None:
    mine, theirs = key(store), key(store, "acme")
    assert client.put("/datasets/letters/shares/default", headers=theirs).status_code == 204
    assert client.put("/models/digits/shares/default", json={"right": "read"}, headers=theirs).status_code == 204
    for path in ("/datasets/acme:letters", "/datasets/acme:letters/versions/1", "/models/acme:digits"):
        links = client.get(path, headers=mine).json()["links"]
        assert links["self"] == path
        named = [link for link in links.values() if link.startswith(("/datasets/", "/models/"))]
        assert all(link.startswith(("/datasets/acme:letters", "/models/acme:digits")) for link in named), links
        assert client.get(path.replace("acme:", ""), headers=theirs).json()["links"]["self"] == path.replace(
            "acme:", ""
        )
    assert (
        client.get("/datasets/acme:letters/versions/9", headers=mine).json()["instance"].startswith("/datasets/acme:")
    )
    ticket = client.post("/tickets", json={"path": "/datasets/acme:letters"}, headers=mine).json()["ticket"]
    assert client.get(f"/datasets/acme:letters?ticket={ticket}").status_code == 200
    assert client.get(f"/datasets/letters?ticket={ticket}").status_code == 401
