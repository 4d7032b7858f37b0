"""Two accounts and every scope over every route of the OpenAPI document: who is let in, and who finds nothing there."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from models.spec import TrainingSpec
from service.access.scopes import SCOPES, Scope
from service.artifacts import Artifacts
from service.settings import Settings
from service.store.scoping import owned
from service.store.shared_columns import EVERYONE, metadata
from service.store.store import Store
from tests.answers import without_paths
from tests.records import data, submit, succeeded, sweep
from tests.service.conftest import fresh_app

_JSON: dict[str, Any] = {}
_ROWS = b"a,b,label\n" + b"1,2,x\n3,4,y\n" * 10
_TUS = {"Tus-Resumable": "1.0.0"}
_PATCH = {**_TUS, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
_IMAGE = {"inputs": [{"name": "image", "shape": [1, 784], "datatype": "FP32", "data": [0.0] * 784}]}

STRANGER: dict[str, tuple[int, dict[str, Any]]] = {
    "POST /jobs": (422, {"json": {"dataset": "secretdata"}}),
    "PUT /jobs/{job_id}": (202, {"json": _JSON}),  # it is a pair: theirs is another job
    "GET /jobs": (200, {}),
    "POST /jobs/{job_id}/continue": (404, {"json": {"epochs": 1}}),
    "POST /jobs/cancel": (200, {"json": {"filter": {"label": ["team:secretlabel"]}}}),
    "POST /jobs/delete": (200, {"json": {"filter": {"name": "secretname"}}}),
    "POST /sweeps": (422, {"json": {"base": {"dataset": "secretdata"}, "grid": {"seed": [1, 2]}}}),
    "GET /sweeps": (200, {}),
    "GET /models": (200, {}),
    "POST /models": (422, {"json": {"name": "m", "members": ["secretmodel/1", "secretmodel/2"]}}),
    "POST /models/{name}/versions": (422, {"json": {"job": "{job_id}"}}),
    "PUT /models/{name}/aliases/{alias}": (404, {"json": {"version": 1}}),
    "POST /evaluations": (422, {"json": {"model": "secretmodel", "dataset": "mnist"}}),
    "GET /evaluations": (200, {}),
    "POST /predict": (404, {"json": {"image": [[0] * 27 + [9]] * 28, "model": "secretmodel"}}),
    "POST /invocations": (404, {"json": {"inputs": [[0.0] * 784]}}),
    "POST /v1/models/{model}:predict": (404, {"json": {"instances": [[0.0] * 784]}}),
    "POST /v1/models/{model}/versions/{version}:predict": (404, {"json": {"instances": [[0.0] * 784]}}),
    "POST /v2/models/{model}/infer": (404, {"json": _IMAGE}),
    "POST /v2/models/{model}/versions/{version}/infer": (404, {"json": _IMAGE}),
    "GET /v2": (200, {}),
    "GET /v2/models": (200, {}),
    "GET /v2/models/stats": (200, {}),
    "GET /v2/models/{model}/stats": (404, {}),
    "POST /v2/repository/index": (200, {"json": {}}),
    "GET /version": (200, {}),
    "GET /datasets": (200, {}),
    "POST /datasets": (202, {"params": {"name": "theirs"}, "content": _ROWS, "headers": {"Content-Type": "text/csv"}}),
    "POST /datasets/preview": (200, {"content": _ROWS, "headers": {"Content-Type": "text/csv"}}),
    "POST /datasets/{name}/versions": (404, {"json": {"from": 1}}),
    "OPTIONS /uploads": (204, {"headers": _TUS}),
    "POST /uploads": (201, {"headers": {**_TUS, "Upload-Length": "3"}}),
    "GET /uploads": (200, {}),
    "GET /uploads/{upload_id}": (404, {"headers": _TUS}),
    "PATCH /uploads/{upload_id}": (404, {"headers": _PATCH, "content": b"abc"}),
    "DELETE /uploads/{upload_id}": (404, {"headers": _TUS}),
    "PUT /models/{name}/shares/{account}": (404, {"json": {}}),
    "GET /events": (200, {}),
    "GET /queue": (200, {}),
    "GET /workers": (200, {}),
    "GET /webhooks": (200, {}),
    "PUT /webhooks/{name}": (422, {"json": {"url": "http://127.0.0.1/"}}),
    "POST /tickets": (201, {"json": {"path": "/jobs"}}),
}
"""What a stranger gets, and how it is asked, where that is not 404 to a request without a body."""

PUBLIC = {"GET /livez", "GET /readyz", "GET /ping", "GET /v2/health/live", "GET /v2/health/ready"}
_AT_ONCE = {"cancel", "delete", "pause", "resume", "finish", "retry", "continue", "rotate", "rollback", "replay"}
"""How paths of changes end for which nobody waits for a worker."""
RULING = ("/keys", "/accounts", "/audit")
SECRETS = ("secretname", "secretlabel", "secretmodel", "secretdata", "secrethook")


@pytest.fixture
def known(settings: Settings, store: Store) -> dict[str, str]:
    """One of everything that an account may have, by the names of the parameters of paths."""
    artifacts = Artifacts(settings.artifacts)
    done = succeeded(store, artifacts, model="secretmodel", name="secretname", labels={"team": "secretlabel"})
    submit(store, name="secretname")
    number = data(store, artifacts, "secretdata")
    sweep_id, _ = sweep(store, name="secretname", labels={"team": "secretlabel"})
    evaluation = store.evaluations.submit({"secret": 1}, ("secretmodel", 1, None), None, ("mnist", None))
    upload = store.uploads.begin(9, "secretname", "")
    store.webhooks.put("secrethook", url="https://secrethook.example", events=["job.*"], labels={}, model=None)
    delivery = store.deliveries.test("secrethook")
    assert delivery is not None
    its = {
        "delivery_id": delivery.id,
        "job_id": done,
        "sweep_id": sweep_id,
        "evaluation_id": evaluation.id,
        "upload_id": upload.id,
    }
    fixed = {"alias": "champion", "version": "1", "number": str(number), "row": "0", "plot": "loss", "form": "onnx"}
    return {**its, **fixed, "model": "secretmodel", "repository": "r", "account": "acme", "key_id": "9f86d081884c"}


@pytest.fixture
def client(settings: Settings, known: dict[str, str]) -> Iterator[TestClient]:
    """A client of an API that asks for keys."""
    app = fresh_app(settings.model_copy(update={"auth": "on"}))
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        client.event_hooks = {"response": [without_paths]}
        yield client


def routes(client: TestClient) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every route by its method and path, with what the document says of it."""
    for path, methods in client.get("/openapi.json").json()["paths"].items():
        for method, route in methods.items():
            yield f"{method.upper()} {path}", route


def ask(client: TestClient, name: str, known: dict[str, str], shown: dict[str, str]) -> Any:
    """Ask a route for what the first account has, by the key that is shown."""
    method, path = name.split()
    called = "secretdata" if path.startswith("/datasets") else "best" if "checkpoints" in path else "secretmodel"
    called = "secrethook" if path.startswith("/webhooks") else called
    plot = "comparison" if path.startswith("/sweeps") else "loss"
    path = path.format(**{**known, "name": called, "plot": plot})
    how = dict(STRANGER.get(name, (404, {}))[1])
    if "job" in how.get("json", {}):
        how["json"] = {"job": known["job_id"]}
    headers = {**how.pop("headers", {}), **shown}
    return client.request(method, path, headers=headers, follow_redirects=False, **how)


def key(store: Store, account: str, *scopes: Scope) -> dict[str, str]:
    return {"X-Api-Key": store.api_keys.add(account, "test", scopes)[1]}


def everything(store: Store) -> dict[str, Any]:
    """Give all rows that belong to the first account."""
    tables = [metadata.tables[name] for name in sorted(owned())]
    with store.of(EVERYONE).database.reader.connect() as connection:
        return {
            table.name: connection.execute(select(table).where(table.c.account == "default")).all() for table in tables
        }


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # it is the gate's, before any database
def test_every_scope_opens_its_routes_and_no_other(client: TestClient, store: Store, known: dict[str, str]) -> None:
    store.accounts.add("acme")
    keys = {scope: key(store, "acme", scope) for scope in SCOPES}
    for name, route in routes(client):
        needed = {scope for each in route["security"] for scope in each["key"]}
        assert bool(needed) == (name not in PUBLIC), name
        without = ask(client, name, known, {}).status_code
        assert (without == 401) == bool(needed), (name, without)
        for scope, shown in keys.items():
            status = ask(client, name, known, shown).status_code
            assert status != 401, (name, scope)
            assert (status == 403) == bool(needed and scope not in needed), (name, scope, status)


def test_a_stranger_finds_nothing_and_changes_nothing(client: TestClient, store: Store, known: dict[str, str]) -> None:
    store.accounts.add("acme")
    everybody: list[Scope] = [scope for scope in SCOPES if scope != "admin"]
    theirs = key(store, "acme", *everybody)
    before = everything(store)
    wrong: dict[str, tuple[int, str]] = {}
    ids = [value for name, value in known.items() if name.endswith("_id")]
    # By the id that it chooses, a stranger then has a job of its own.
    for name, _ in sorted(routes(client), key=lambda route: route[0] == "PUT /jobs/{job_id}"):
        if name in PUBLIC or name.split()[1].startswith(RULING):
            continue
        answer = ask(client, name, known, theirs)
        expected = STRANGER.get(name, (404, {}))[0]
        if answer.status_code != expected:
            wrong[name] = answer.status_code, answer.text[:200]
        asked = str(answer.request.url) + answer.request.content.decode("latin-1")
        told = [secret for secret in (*SECRETS, *ids) if secret in answer.text and secret not in asked]
        assert told == [], name
    assert wrong == {}, "\n".join(f"{name} {told}" for name, told in wrong.items())
    assert everything(store) == before


def test_who_calls_everything_alike_changes_what_is_its_own_alone(
    client: TestClient, settings: Settings, store: Store, known: dict[str, str]
) -> None:
    store.accounts.add("acme")
    acme, files = store.of("acme"), Artifacts(settings.artifacts).of("acme")
    acme.submissions.put(known["job_id"], TrainingSpec(model="secretmodel", hidden_sizes=(20,), epochs=1))
    assert succeeded(acme, files, job_id=known["job_id"]) == known["job_id"]
    data(acme, files, "secretdata")
    acme.webhooks.put("secrethook", url="https://acme.example", events=["job.*"], labels={}, model=None)
    theirs, before = key(store, "acme", "train", "data", "models"), everything(store)
    answers = {}
    for name, route in routes(client):
        needed = {scope for each in route["security"] for scope in each["key"]}
        verb = name.rpartition("/")[2]
        if needed & {"train", "data", "models"} and (not name.startswith("POST") or verb in _AT_ONCE):
            answers[name] = ask(client, name, known, theirs).status_code
    assert everything(store) == before
    deleted = ("/jobs/{job_id}", "/models/{name}", "/datasets/{name}", "/webhooks/{name}")
    gone = {acme.jobs.get(known["job_id"]), acme.datasets.get("secretdata"), acme.webhooks.get("secrethook")}
    assert gone == {None}, {name: answers[f"DELETE {name}"] for name in deleted}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_every_line_is_of_a_route_that_there_is(client: TestClient) -> None:
    there = {name for name, _ in routes(client)}
    assert STRANGER.keys() | PUBLIC <= there
