"""Submissions that are repeated, one after the other and all at once; on both databases."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from models.spec import TrainingSpec
from service.artifacts import Artifacts
from service.store import owners
from service.store.small_tables import submissions
from service.store.store import Store
from service.store.tables import jobs
from tests.records import SPEC, data, ended

SWEEP = {"base": {"dataset": "digits"}, "grid": {"learning_rate": [0.1, 0.01], "hidden_sizes": [[8], [9]]}}


def test_equal_requests_with_one_key_make_one_job(api: TestClient, store: Store) -> None:
    def post(_: int) -> tuple[int, bytes]:
        answer = api.post("/jobs", json=SPEC, headers={"Idempotency-Key": "order-1"})
        return answer.status_code, answer.content

    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(post, range(24)))
    ((status, _),) = answers
    assert status == 202
    (job,) = store.jobs.find(limit=10)
    # And as it was the first time, also when the job has gone on meanwhile.
    store.jobs.cancel(job.id)
    assert {post(0)} == answers


def test_a_key_is_not_taken_for_another_job(api: TestClient, store: Store) -> None:
    headers = {"Idempotency-Key": "order-1"}
    assert api.post("/jobs", json=SPEC, headers=headers).status_code == 202
    answer = api.post("/jobs", json=SPEC | {"seed": 1}, headers=headers)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "#header/Idempotency-Key"
    assert api.post("/jobs", json=SPEC, headers={"Idempotency-Key": "order-2"}).status_code == 202
    assert len(store.jobs.find(limit=10)) == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "with space"])
def test_a_key_that_cannot_be_kept_is_refused(api: TestClient, key: str) -> None:
    answer = api.post("/jobs", json=SPEC, headers={"Idempotency-Key": key})
    assert answer.status_code == 422
    assert "idempotency-key" in answer.json()["detail"].lower()


def test_a_job_is_put_under_an_id_of_the_clients(api: TestClient, store: Store) -> None:
    assert api.put("/jobs/order-1", json=SPEC).status_code == 202
    again = api.put("/jobs/order-1", json=SPEC)
    assert (again.status_code, again.json()["id"]) == (200, "order-1")
    assert api.put("/jobs/order-1", json=SPEC | {"seed": 1}).status_code == 409
    for bad in (".hidden", "x" * 37, "a%20b"):
        assert api.put(f"/jobs/{bad}", json=SPEC).status_code == 422
    assert len(store.jobs.find(limit=10)) == 1


def test_many_who_put_one_id_at_once_make_one_job(api: TestClient, store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda _: api.put("/jobs/order-1", json=SPEC).status_code, range(16)))
    assert sorted(codes) == [200] * 15 + [202]
    assert len(store.jobs.find(limit=10)) == 1


def test_a_finished_job_is_used_again_when_that_is_preferred(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    job_id = ended(store, artifacts, name="first")
    assert api.post("/jobs", json=SPEC).json()["id"] != job_id, "only when it is preferred"
    answer = api.post("/jobs", json=SPEC, headers={"Prefer": "respond-async, reuse"})
    assert (answer.status_code, answer.json()["id"]) == (200, job_id)
    assert answer.headers["Preference-Applied"] == "reuse"
    for other in ({"seed": 1}, {"epochs": 4}):
        assert api.post("/jobs", json=SPEC | other, headers={"Prefer": "reuse"}).status_code == 202


def test_nothing_is_used_again_that_was_trained_on_other_data(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    ended(store, artifacts)
    store.datasets.ask_for("digits")
    held = store.readings.claim(("default", "digits", 1), "host:1:token/1")
    assert held is not None
    store.readings.finish(held, {"sha256": "e" * 64, "examples": 1797}, [])
    assert api.post("/jobs", json=SPEC, headers={"Prefer": "reuse"}).status_code == 202


def test_equal_specs_have_equal_digests_whatever_they_are_called() -> None:
    spec = TrainingSpec.model_validate(SPEC)
    same = TrainingSpec.model_validate(SPEC | {"name": "a", "labels": {"b": "c"}, "max_seconds": 9.0})
    assert spec.digest == same.digest
    assert spec.digest != TrainingSpec.model_validate(SPEC | {"seed": 1}).digest


@pytest.mark.parametrize("kind", ["continue", "fine_tune"])
def test_nothing_is_used_again_that_did_not_begin_at_the_beginning(
    api: TestClient, store: Store, artifacts: Artifacts, kind: str
) -> None:
    job_id = ended(store, artifacts)
    with store.database.writer.begin() as connection:
        connection.execute(update(jobs).values(origin={"kind": kind, "job_id": "another"}))
    assert api.post("/jobs", json=SPEC, headers={"Prefer": "reuse"}).json()["id"] != job_id


@pytest.mark.parametrize("reason", ["halving", "max_seconds"])
def test_nothing_is_used_again_that_was_stopped(
    api: TestClient, store: Store, artifacts: Artifacts, reason: str
) -> None:
    job_id = ended(store, artifacts)
    job = store.jobs.get(job_id)
    assert job is not None
    with store.database.writer.begin() as connection:
        connection.execute(update(jobs).values(result=job.result | {"stopped_early": reason}))
    assert api.post("/jobs", json=SPEC, headers={"Prefer": "reuse"}).json()["id"] != job_id


def test_nothing_is_used_again_whose_weights_are_gone_or_whose_upload_has_other_examples(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    data(store, artifacts, sha256="e" * 64)
    ended(store, artifacts, dataset="mine/1", stratify=True, model="mine")
    assert api.post("/jobs", json=SPEC | {"dataset": "mine"}, headers={"Prefer": "reuse"}).status_code == 202
    pointer = store.files.get(owners.of_job(ended(store, artifacts)), "best.safetensors")
    assert pointer is not None
    artifacts.path(pointer.key).unlink()
    assert api.post("/jobs", json=SPEC, headers={"Prefer": "reuse"}).status_code == 202


def test_a_repetition_is_answered_whatever_has_become_of_the_data_or_is_preferred(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    data(store, artifacts)
    spec, headers = SPEC | {"dataset": "mine"}, {"Idempotency-Key": "order-1", "Prefer": "reuse"}
    first = api.post("/jobs", json=spec, headers=headers)
    assert api.put("/jobs/order-1", json=spec).status_code == 202
    for job in store.jobs.find(limit=10):
        store.jobs.cancel(job.id)
    assert api.delete("/datasets/mine").status_code == 204
    assert api.post("/jobs", json=spec, headers=headers).content == first.content
    assert api.put("/jobs/order-1", json=spec).status_code == 200
    assert api.put("/jobs/order-2", json=spec).status_code == 422
    other = api.post("/jobs", json=SPEC, headers=headers | {"Idempotency-Key": "order-2"})
    ended(store, artifacts)
    assert api.post("/jobs", json=SPEC, headers=headers | {"Idempotency-Key": "order-2"}).content == other.content


def test_a_sweep_that_is_sent_again_under_its_key_is_the_same_sweep(api: TestClient, store: Store) -> None:
    def post(_: int) -> Any:
        return api.post("/sweeps", json=SWEEP, headers={"Idempotency-Key": "a-sweep"})

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(post, range(8)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(store.jobs.find(limit=100)) == 4
    assert len(store.sweeps.find(limit=100)) == 1


def test_the_key_of_a_sweep_is_not_taken_for_another_sweep_nor_for_a_job(api: TestClient, store: Store) -> None:
    headers = {"Idempotency-Key": "a-key"}
    assert api.post("/sweeps", json=SWEEP, headers=headers).status_code == 202
    others = [("/sweeps", SWEEP | {"name": "another"}), ("/jobs", {"dataset": "digits"})]
    for path, body in others:
        answer = api.post(path, json=body, headers=headers)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "#header/Idempotency-Key"
    assert len(store.jobs.find(limit=100)) == 4


def test_a_key_is_forgotten_after_two_days(api: TestClient, store: Store) -> None:
    headers = {"Idempotency-Key": "order-1"}
    first = api.post("/jobs", json=SPEC, headers=headers).json()
    with store.database.writer.begin() as connection:
        connection.execute(update(submissions).values(created_at=submissions.c.created_at - 48 * 3600 * 1000))
    again = api.post("/jobs", json=SPEC | {"seed": 1}, headers=headers)
    assert again.status_code == 202
    assert again.json()["id"] != first["id"]


def test_the_key_of_a_sweep_that_was_deleted_makes_no_second_one(api: TestClient, store: Store) -> None:
    headers = {"Idempotency-Key": "a-sweep"}
    sweep_id = api.post("/sweeps", json=SWEEP, headers=headers).json()["id"]
    api.post(f"/sweeps/{sweep_id}/cancel")
    assert api.delete(f"/sweeps/{sweep_id}").status_code == 204
    again = api.post("/sweeps", json=SWEEP, headers=headers)
    assert again.status_code == 409
    assert "take a new key" in again.json()["detail"]
    assert store.sweeps.find(limit=10) == []
