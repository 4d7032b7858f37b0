"""Evaluations are made once, whoever dies over them, and go with what they are of; on both databases."""

import pytest
from fastapi.testclient import TestClient

from service.artifacts import Artifacts
from service.settings import Settings
from service.store.errors import LeaseLost
from service.store.store import Store
from tests.answers import pointers, problem
from tests.worker.evaluations import Bell, ask, expire, made
from worker.errands.evaluate import evaluate
from worker.reconcile import ask_for_evaluations


@pytest.mark.usefixtures("letters")
def test_a_checkpoint_that_is_no_version_is_measured_and_goes_with_its_job(
    client: TestClient, store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    version = store.models.version("letters", 2)
    assert version is not None
    job_id = version.job_id
    store.aliases.delete("letters", "champion")
    artifacts.remove(store.models.delete("letters", 2) or ())
    found = made(client, store, artifacts, settings, model=job_id, against="letters/1")
    assert found["state"] == "succeeded", found
    assert (found["model"]["model"], found["model"]["job_id"]) == (None, job_id)
    assert found["links"]["job"] == f"/jobs/{job_id}"
    assert [its["id"] for its in client.get(f"/evaluations?model={job_id}").json()["data"]] == [found["id"]]
    assert client.delete(f"/jobs/{job_id}").status_code == 204
    assert problem(client.get(f"/evaluations/{found['id']}"), 404)


@pytest.mark.usefixtures("letters")
def test_an_evaluation_is_made_once_however_often_it_is_asked_for(
    client: TestClient, store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    found = made(client, store, artifacts, settings)
    evaluate(found["id"], store, artifacts, settings, owner="w/2")
    assert client.get(f"/evaluations/{found['id']}").json() == found


@pytest.mark.usefixtures("letters")
def test_an_evaluation_whose_worker_died_is_made_by_the_next_and_by_it_alone(
    client: TestClient, store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    waiting, bell = ask(client).json()["id"], Bell()
    dead = store.evaluations.claim(waiting, "w/1")
    assert dead is not None
    assert client.get(f"/evaluations/{waiting}").json()["state"] == "running"
    evaluate(waiting, store, artifacts, settings, owner="w/2")  # it is held
    assert client.get(f"/evaluations/{waiting}").json()["state"] == "running"
    expire(store)
    ask_for_evaluations(store, bell, ring_again_seconds=60)  # type: ignore[arg-type]
    assert bell.rung == [waiting]
    evaluate(waiting, store, artifacts, settings, owner="w/2")
    done = client.get(f"/evaluations/{waiting}").json()
    assert done["state"] == "succeeded"
    with pytest.raises(LeaseLost):
        store.evaluations.succeed(dead, {})
    assert client.get(f"/evaluations/{waiting}").json() == done


@pytest.mark.usefixtures("letters")
def test_what_brings_down_its_worker_again_and_again_is_given_up(client: TestClient, store: Store) -> None:
    waiting = ask(client).json()["id"]
    for _ in range(5):
        assert store.evaluations.claim("another", "w/1") is not None
        expire(store)
        store.evaluations.release_expired()
    found = client.get(f"/evaluations/{waiting}").json()
    assert (found["state"], found["error"]["type"]) == ("failed", "worker_lost")


@pytest.mark.usefixtures("letters")
def test_what_nobody_heard_of_is_asked_for_again(client: TestClient, store: Store) -> None:
    waiting, bell = ask(client).json()["id"], Bell()
    ask_for_evaluations(store, bell, ring_again_seconds=60)  # type: ignore[arg-type]
    assert bell.rung == []
    expire(store)
    ask_for_evaluations(store, bell, ring_again_seconds=60)  # type: ignore[arg-type]
    ask_for_evaluations(store, bell, ring_again_seconds=60)  # type: ignore[arg-type]
    assert bell.rung == [waiting]


@pytest.mark.usefixtures("letters")
def test_evaluations_are_listed_linked_and_deleted_and_none_dangles(
    client: TestClient, store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    ids = [made(client, store, artifacts, settings, model=f"letters/{number}")["id"] for number in (1, 2, 1)]

    def listed(query: str = "") -> list[str]:
        return [its["id"] for its in client.get(f"/evaluations{query}").json()["data"]]

    assert listed() == ids[::-1]
    assert listed("?model=letters/1") == [ids[2], ids[0]]
    assert listed("?model=letters&dataset=letters/1") == ids[::-1]
    assert listed("?dataset=letters/2") == listed("?model=nobody") == []
    first = client.get("/evaluations?limit=2&model=letters").json()
    assert first["has_more"]
    assert [its["id"] for its in client.get(first["next"]).json()["data"]] == [ids[0]]
    for wrong in ("letters/x", "letters/02", "letters@champion"):
        assert pointers(client.get(f"/evaluations?model={wrong}")) == {"#query/model"}
    link = client.get("/models/letters/versions/1").json()["links"]["evaluations"]
    assert listed(link.removeprefix("/evaluations")) == [ids[2], ids[0]]
    assert client.delete(f"/evaluations/{ids[2]}").status_code == 204
    problem(client.delete(f"/evaluations/{ids[2]}"), 404)
    assert client.delete("/models/letters/versions/1").status_code == 204
    assert listed() == [ids[1]]


@pytest.mark.usefixtures("letters")
def test_under_one_key_one_evaluation_is_asked_for(client: TestClient, store: Store) -> None:
    body, key = {"model": "letters/1", "dataset": "letters"}, {"Idempotency-Key": "once"}
    first, second = (client.post("/evaluations", json=body, headers=key) for _ in range(2))
    assert first.json() == second.json()
    assert first.headers["location"] == second.headers["location"]
    assert len(store.evaluations.find(limit=9)) == 1
    assert problem(client.post("/evaluations", json=body | {"part": "train"}, headers=key), 422)
