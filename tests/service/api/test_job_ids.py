"""`night` of acme, of globex and of `default`: three jobs, each with all that a job may have, on both databases."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient

from models.spec import TrainingSpec
from service.access.scopes import SCOPES
from service.artifacts import Artifacts
from service.cli.gc import collect, collectable
from service.settings import Settings
from service.store import owners
from service.store.job_ids import own, owner_within, whole
from service.store.shared_columns import EVERYONE
from service.store.store import Store
from tests.answers import without_paths
from tests.service.conftest import fresh_app
from tests.worker.training import SMALL
from worker.errands.draw_job import draw
from worker.errands.evaluate import evaluate
from worker.train.run import run

ACCOUNTS = ("default", "acme", "globex")
UUID = "5f0c0f0e-3d6b-4b8e-9d8e-0a1b2c3d4e5f"
SPEC: dict[str, Any] = {**SMALL, "hidden_sizes": [8], "epochs": 2, "model": "digits"}


@pytest.fixture
def workers(settings: Settings, store: Store) -> Iterator[Store]:
    """What is on record as workers see it, who act for nobody."""
    workers = Store.open(settings)
    yield workers
    workers.database.close()


@pytest.fixture
def keys(store: Store) -> dict[str, dict[str, str]]:
    """The headers by which each account shows a key."""
    for name in ACCOUNTS[1:]:
        store.accounts.add(name)
    scopes = [scope for scope in SCOPES if scope != "admin"]
    return {name: {"X-Api-Key": store.api_keys.add(name, "test", scopes)[1]} for name in ACCOUNTS}


@pytest.fixture
def client(settings: Settings, keys: dict[str, dict[str, str]]) -> Iterator[TestClient]:
    """A client of an API that asks for keys."""
    with TestClient(fresh_app(settings.model_copy(update={"auth": "on"})), base_url="http://localhost") as client:
        client.event_hooks = {"response": [without_paths]}
        yield client


def put(client: TestClient, keys: dict[str, dict[str, str]], job_id: str = "night", **more: Any) -> None:
    for seed, (name, shown) in enumerate(keys.items()):
        answer = client.put(f"/jobs/{job_id}", headers=shown, json=SPEC | {"seed": seed, "name": name} | more)
        assert (answer.status_code, answer.json()["id"]) == (202, job_id)
        assert answer.headers["location"] == f"/jobs/{job_id}"


def test_an_owner_of_files_is_read_as_it_is_said(store: Store, artifacts: Artifacts) -> None:
    store.accounts.add("acme")
    for name in ("default", "acme"):
        its = store.of(name)
        (job_id,) = its.submissions.submit([TrainingSpec()])
        owner = owners.of_job(job_id)
        its.files.publish(owner, [artifacts.of(name).write(owner, "a.json", b"{}")])
        file = its.files.get(owner, "a.json")
        assert file is not None
        assert file.owner == owner


@pytest.mark.parametrize("job_id", ["night", UUID])
def test_what_an_account_calls_a_job_is_its_own(
    client: TestClient, keys: dict[str, dict[str, str]], store: Store, job_id: str
) -> None:
    put(client, keys, job_id)
    acme = keys["acme"]
    assert client.put(f"/jobs/{job_id}", headers=acme, json=SPEC | {"seed": 1, "name": "acme"}).status_code == 200
    assert client.put(f"/jobs/{job_id}", headers=acme, json=SPEC | {"seed": 9}).status_code == 409
    assert client.get(f"/jobs/{whole('globex', job_id)}", headers=acme).status_code == 404
    assert client.post(f"/jobs/{job_id}/cancel", headers=acme).json()["state"] == "cancelled"
    retried = client.post(f"/jobs/{job_id}/retry", params={"id": "again"}, headers=acme).json()
    assert (retried["id"], retried["origin"]["job_id"]) == ("again", job_id)
    assert client.get("/jobs/again", headers=keys["globex"]).status_code == 404
    asked = {"filter": {"name": "acme"}, "dry_run": False}
    assert client.post("/jobs/delete", headers=keys["globex"], json=asked).json()["done"] == 0
    gone = client.post("/jobs/delete", headers=acme, json=asked).json()
    assert sorted(gone["ids"]) == sorted([job_id, "again"])
    for name, shown in keys.items():
        answer = client.get(f"/jobs/{job_id}", headers=shown)
        assert answer.status_code == (404 if name == "acme" else 200)
        if name != "acme":
            assert (answer.json()["name"], answer.json()["state"]) == (name, "queued")
        told = client.get("/events", headers=shown).json()["data"]
        assert {event["job_id"] for event in told} <= {job_id, "again"}
        assert ("again" in {event["job_id"] for event in told}) == (name == "acme")
    put(client, {"acme": acme}, job_id)  # it is free again
    (deleted, *_) = [row for row in store.audit.find("acme", limit=9) if row.action == "job.delete"]
    assert own(deleted.subject) == deleted.subject


def test_three_are_trained_together_and_each_has_its_files_and_figures(
    client: TestClient, keys: dict[str, dict[str, str]], store: Store, workers: Store, artifacts: Artifacts,
    settings: Settings,
) -> None:  # fmt: skip
    for name in ACCOUNTS:
        kinds = ["job.*", "version.made"]
        store.of(name).webhooks.put("mine", url="https://example.com", events=kinds, labels={}, model=None)
    put(client, keys)
    workers.workers.seen("host:1:abc", "train", slots=1)
    place = {name: client.get("/queue", headers=shown).json()["data"] for name, shown in keys.items()}
    assert all([job["id"] for job in its] == ["night"] and its[0]["place"] for its in place.values())
    waiting = client.get("/jobs/night", headers=keys["acme"]).json()["waiting"]
    assert waiting["place"] is not None
    assert run(None, workers, artifacts, settings, owner="host:1:abc/7") == []
    hashes = set()
    for name, shown in keys.items():
        job = client.get("/jobs/night", headers=shown).json()
        assert (job["id"], job["state"], job["name"]) == ("night", "succeeded", name)
        assert len(client.get("/jobs/night/metrics", headers=shown).json()["epochs"]) == 2
        listed = client.get("/jobs/night/checkpoints", headers=shown).json()["data"]
        hashes |= {file["sha256"] for file in listed if file["name"] == "best"}
        version = client.get("/models/digits/versions/1", headers=shown).json()
        assert (version["job_id"], version["links"]["job"]) == ("night", "/jobs/night")
        assert client.get("/models/digits/lineage", headers=shown).json()["data"][0]["job_id"] == "night"
        events = client.get("/jobs/night/events", headers=shown).json()["data"]
        assert [event["type"] for event in events].count("epoch") == 2
        streamed = client.get("/jobs/night/events", headers={**shown, "accept": "text/event-stream"}).text
        assert streamed.count("event: epoch") == 2
        told = [json.loads(row.body)["data"] for row in store.of(name).deliveries.of("mine", limit=100)]
        assert {data["state"] for data in told if "state" in data} == {"queued", "running", "succeeded"}
        assert {its.get("id", its.get("job_id", "night")) for its in told} == {"night"}
        draw(whole(name, "night"), "loss", workers, artifacts)
        assert client.get("/jobs/night/plots/loss.png", headers=shown).status_code == 200
    assert len(hashes) == 3, "each has learned from its own seed"
    store.accounts.add("late")
    late = {"X-Api-Key": store.api_keys.add("late", "test", ["train", "read"])[1]}
    for shown, known in ((keys["acme"], "equal"), (late, "others")):
        plan = client.post("/jobs", params={"dry_run": True}, headers=shown, json=SPEC).json()
        assert plan["seconds"]["judged_by"] == known, "nobody is told that another has trained the same"
    keys_of_files = [row.key for row in store.of(EVERYONE).files.all()]
    assert len({key.partition("/")[2].partition("/")[0] for key in keys_of_files if key.startswith("jobs/")}) == 3
    assert all(artifacts.path(key).exists() for key in keys_of_files)
    assert store.of(EVERYONE).files.of_strangers(keys_of_files) == []


def test_who_follows_one_is_told_of_its_end(client: TestClient, keys: dict[str, dict[str, str]]) -> None:
    put(client, keys)
    acme = {**keys["acme"], "accept": "text/event-stream"}
    with ThreadPoolExecutor(1) as thread:
        stream = thread.submit(client.get, "/jobs/night/events", headers=acme)
        assert client.post("/jobs/night/cancel", headers=keys["acme"]).status_code == 202
        told = stream.result(timeout=30).text  # it ends with the job
    assert (told.count("event: state"), told.count("event: end")) == (2, 1)
    assert "acme:" not in told


def test_what_follows_from_a_job_finds_that_of_its_account(
    client: TestClient, keys: dict[str, dict[str, str]], store: Store, workers: Store, artifacts: Artifacts,
    settings: Settings,
) -> None:  # fmt: skip
    put(client, keys, promote="never")
    run(None, workers, artifacts, settings, owner="host:1:abc/7")
    acme = keys["acme"]
    assert client.delete("/models/digits", headers=acme, params={"force": True}).status_code == 204
    asked = client.post(
        "/evaluations",
        headers=acme,
        json={"model": "night", "dataset": "digits", "part": "all", "include_learned": True},
    )
    assert asked.status_code == 202, asked.text
    evaluate(asked.json()["id"], workers, artifacts, settings, owner="errands")
    done = client.get(f"/evaluations/{asked.json()['id']}", headers=acme).json()
    assert done["state"] == "succeeded", done
    assert "acme:" not in json.dumps(done)
    assert [its["id"] for its in client.get("/evaluations", headers=acme, params={"model": "night"}).json()["data"]]
    assert not client.get("/evaluations", headers=keys["globex"], params={"model": "night"}).json()["data"]
    goes_on = client.post("/jobs/night/continue", headers=acme, json={"epochs": 1}).json()
    run(None, workers, artifacts, settings, owner="host:1:abc/7")
    then = client.get(f"/jobs/{goes_on['id']}", headers=acme).json()
    assert (then["state"], then["origin"]["job_id"], then["progress"]["epoch"]) == ("succeeded", "night", 3)
    assert client.delete("/jobs/night", headers=acme).status_code == 204
    assert len(client.get(f"/jobs/{goes_on['id']}/metrics", headers=acme).json()["epochs"]) == 3
    assert client.get("/jobs/night", headers=keys["globex"]).json()["state"] == "succeeded"
    everyone, rest = store.of(EVERYONE), {whole("globex", "night"), "night", whole("acme", goes_on["id"])}
    old = collectable(everyone, days=0, last=0)
    assert {job.id for job in old} == rest
    for job in old:
        assert collect(job, everyone, artifacts)
    assert client.get("/jobs/night", headers=keys["globex"]).status_code == 404
    assert all(artifacts.path(row.key).exists() for row in everyone.files.all()), "versions keep what they have"


def test_a_whole_id_is_said_once_and_means_the_same_to_all() -> None:
    for account, its in (("default", "night"), (None, "night"), ("acme", "acme:night")):
        assert whole(account, "night") == whole(account, its) == its
        assert own(its) == "night"
    assert owner_within("acme", "jobs/night") == owners.within("acme", "jobs/night") == "jobs/acme:night"
    assert owner_within("acme", "models/night/1") == "models/night/1"
