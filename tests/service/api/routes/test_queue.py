"""A place in the queue, before and after a job is submitted: what it takes, what it waits for, and when it begins."""

from datetime import datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from service.artifacts import Artifacts
from service.store.store import Store
from service.store.tables import jobs
from tests.records import claim, ended, epoch, finished, submit, sweep

SPEC: dict[str, Any] = {"dataset": "digits", "hidden_sizes": [8], "epochs": 10}


def get(api: TestClient, path: str) -> dict[str, Any]:
    answer = api.get(path)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def dry(api: TestClient, spec: dict[str, Any], path: str = "/jobs", **headers: str) -> dict[str, Any]:
    answer = api.post(f"{path}?dry_run=true", json=spec, headers=headers)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def seconds_until(moment: str, told: dict[str, Any]) -> float:
    return (datetime.fromisoformat(moment) - datetime.fromisoformat(told["at"])).total_seconds()


def took(store: Store, job_id: str, seconds: float) -> None:
    with store.database.writer.begin() as connection:
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(epoch_seconds=seconds))


def test_a_dry_run_tells_what_a_job_takes_and_queues_nothing(api: TestClient, store: Store) -> None:
    told = dry(api, SPEC, **{"Idempotency-Key": "k"})
    assert told["dry_run"]
    assert told["spec"]["stratify"] is False, "it is told as it would be trained"
    assert told["parameters"] == 784 * 8 + 8 + 8 * 10 + 10
    assert told["seconds"]["judged_by"] == "paper"
    assert 0 < told["seconds"]["epoch"] * 10 < told["seconds"]["total"]
    assert told["memory_bytes"] > 4 * told["parameters"]
    assert told["start"] == {"waits_for": "worker", "place": None, "predicted_start": None}
    assert told["quotas"]["queued"] == {"limit": None, "used": 0, "more": 1}
    assert store.jobs.find(limit=1) == []
    assert api.post("/jobs", json=SPEC, headers={"Idempotency-Key": "k"}).status_code == 202, "the key is free"


def test_it_is_judged_by_what_jobs_took_here(api: TestClient, store: Store) -> None:
    store.workers.seen("host:1:abc", "train", slots=1)
    took(store, finished(store, **SPEC), 7.0)
    equal, other = dry(api, SPEC | {"seed": 4}), dry(api, SPEC | {"hidden_sizes": [16], "epochs": 5})
    assert equal["seconds"]["judged_by"] == "equal"
    assert equal["seconds"]["epoch"] == pytest.approx(7.0, rel=0.1)
    assert other["seconds"]["judged_by"] == "others"
    assert 3.0 < other["seconds"]["epoch"] < 14.0
    assert dry(api, SPEC | {"max_seconds": 2.0})["seconds"]["total"] < 4.0
    assert equal["start"]["place"] == 1


def test_a_spec_that_would_be_refused_is_refused(api: TestClient) -> None:
    assert api.post("/jobs?dry_run=true", json={"epochs": 0}).status_code == 422
    answer = api.post("/jobs?dry_run=true", json={"dataset": "nothing"})
    assert answer.json()["errors"][0]["pointer"] == "/dataset"
    answer = api.post("/sweeps?dry_run=true", json={"grid": {"epochs": [1, 0]}})
    assert answer.json()["errors"][0]["pointer"] == "/grid/epochs/1"
    assert api.post("/jobs?dry_run=perhaps", json=SPEC).status_code == 422


def test_a_dry_run_names_the_job_that_would_be_used_again(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    job_id = ended(store, artifacts)
    spec = {"dataset": "digits", "hidden_sizes": [8], "epochs": 3}
    assert dry(api, spec, Prefer="reuse")["reuses"] == job_id
    assert dry(api, spec)["reuses"] is None


def test_a_dry_run_of_a_sweep_sums_its_jobs(api: TestClient, store: Store) -> None:
    store.workers.seen("host:1:abc", "train", slots=2)
    took(store, finished(store, **SPEC), 1.0)
    base = {"base": SPEC, "grid": {"learning_rate": [0.1, 0.01]}, "seeds": 2}
    told = dry(api, base, "/sweeps")
    assert (told["trials"], told["jobs"], told["start"]["place"]) == (2, 4, 1)
    one = dry(api, SPEC)["seconds"]["total"]
    assert told["seconds"]["total"] == pytest.approx(4 * one, rel=0.05)
    assert told["predicted_end"] > told["start"]["predicted_start"]
    learning = dry(api, {"base": SPEC, "tpe": {"trials": 40, "ranges": {"seed": {"integer": [0, 99]}}}}, "/sweeps")
    assert learning["seconds"]["total"] == pytest.approx(40 * one, rel=0.05)
    assert learning["predicted_end"] is None, "its trials are not known yet"
    assert store.sweeps.find(limit=1) == []


def test_a_job_that_waits_tells_its_place_and_when_it_begins(api: TestClient, store: Store) -> None:
    store.workers.seen("host:1:abc", "train", slots=1)
    took(store, finished(store, **SPEC), 2.0)
    first = claim(store, submit(store, **SPEC), "host:1:abc/7")
    store.runs.record_epoch(first, epoch(4, seconds=2.0), [])
    second, third = submit(store, **SPEC, seed=2), submit(store, hidden_sizes=(9,), dataset="digits", priority=9)
    urgent = get(api, f"/jobs/{third}")["waiting"]
    waits = get(api, f"/jobs/{second}")["waiting"]
    assert (urgent["waits_for"], urgent["place"], waits["place"]) == ("turn", 1, 2)
    told = get(api, "/queue")
    assert [job["id"] for job in told["data"]] == [third, second]
    assert seconds_until(told["data"][0]["predicted_start"], told) == pytest.approx(12.0, abs=0.1)
    assert told["data"][1]["predicted_start"] > told["data"][0]["predicted_start"]
    assert get(api, f"/jobs/{first.job_id}")["waiting"] is None
    assert (told["processes"], told["busy"]) == (1, 1)
    assert told["yours"] == {"account": "default", "weight": 1.0, "waiting": 2, "running": 1, "processes": 1}
    assert told["others"] == {"accounts": 0, "waiting": 0, "running": 0}
    assert told["data"][0]["priority"] == 9


def test_a_job_says_what_it_waits_for(api: TestClient, store: Store) -> None:
    job_id = submit(store, **SPEC)
    assert get(api, f"/jobs/{job_id}")["waiting"]["waits_for"] == "worker"
    _, (at_rung, *_) = sweep(store, base={"dataset": "digits"}, halving={"synchronous": True})
    store.runs.release(claim(store, at_rung), waits_at_rung=True)
    assert get(api, f"/jobs/{at_rung}")["waiting"] == {"waits_for": "rung", "place": None, "predicted_start": None}


def test_the_queue_has_pages(api: TestClient, store: Store) -> None:
    store.workers.seen("host:1:abc", "train", slots=1)
    ids = [submit(store, **SPEC, seed=seed) for seed in range(5)]
    first = get(api, "/queue?limit=3")
    second = get(api, first["next"])
    assert [job["id"] for page in (first, second) for job in page["data"]] == ids
    assert (first["has_more"], second["has_more"], second["next"]) == (True, False, None)
    assert api.get("/queue?limit=0").status_code == 422


def test_workers_are_listed_with_what_they_train(api: TestClient, store: Store) -> None:
    store.workers.seen("host:1:abc", "train", slots=2)
    store.workers.seen("host:2:def", "errands", slots=0)
    held = claim(store, submit(store, **SPEC), "host:1:abc/7")
    store.workers.drain("host:2:def")
    its = {worker["id"]: worker for worker in get(api, "/workers")["data"]}
    one, other = its["host:1:abc"], its["host:2:def"]
    assert (one["role"], one["processes"], one["busy"], one["running"], one["jobs"]) == (
        "train",
        2,
        1,
        1,
        [held.job_id],
    )
    assert (one["state"], one["leaving"], other["leaving"], other["jobs"]) == ("alive", False, True, [])
