"""Submitting jobs and listing them: what can not be is refused, and nothing of it is on record."""

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.artifacts import Artifacts
from service.store.store import Store
from tests.answers import pointers, problem
from tests.records import submit, succeeded


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: how errors are worded does not depend on the database; the store's tests run on both."""
    return sqlite_url


SPECS: list[tuple[dict[str, Any], str]] = [
    ({"epochs": 0}, "/epochs"),
    ({"epochs": 10**30}, "/epochs"),
    ({"epochs": "3"}, "/epochs"),
    ({"epochs": True}, "/epochs"),
    ({"learning_rate": 0}, "/learning_rate"),
    ({"hidden_sizes": []}, "/hidden_sizes"),
    ({"hidden_sizes": [100, 0]}, "/hidden_sizes/1"),
    ({"hidden_sizes": [0]}, "/hidden_sizes/0"),
    ({"hidden_sizes": [1] * 9}, "/hidden_sizes"),
    ({"hidden_sizes": [4096] * 8}, "/hidden_sizes"),
    ({"dropout": 0.5}, "/dropout"),
    ({"momentum": 0.9}, "/momentum"),
    ({"optimizer": "lion"}, "/optimizer"),
    ({"name": "../../etc/passwd"}, "/name"),
    ({"name": "\ud800"}, "/name"),
    ({"labels": {f"key{number}": "x" for number in range(17)}}, "/labels"),
    ({"labels": {"a/b": "x"}}, "/labels/a~1b/[key]"),
    ({"dataset": "cifar10"}, "/dataset"),
    ({"dataset": "../mnist"}, "/dataset"),
    ({"surprise": 1}, "/surprise"),
]


@pytest.mark.parametrize(("spec", "pointer"), SPECS)
def test_a_spec_that_cannot_be_is_refused_with_a_pointer_to_the_field(
    api: TestClient, store: Store, spec: dict[str, Any], pointer: str
) -> None:
    answer = api.post("/jobs", content=json.dumps(spec), headers={"Content-Type": "application/json"})
    assert pointers(answer) == {pointer}
    assert store.jobs.find(limit=1) == []


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none_are_refused(api: TestClient, number: str) -> None:
    answer = api.post("/jobs", content=f'{{"learning_rate": {number}}}', headers={"Content-Type": "application/json"})
    assert pointers(answer) == {"/learning_rate"}


@pytest.mark.parametrize(
    "body", ["", "{", "nonsense", "[" * 60_000, '{"a":' * 12_000, "\x00", '{"epochs": ' + "9" * 5000 + "}"]
)
@pytest.mark.parametrize("path", ["/jobs", "/predict"])
def test_a_body_that_is_no_json_is_refused(api: TestClient, path: str, body: str) -> None:
    answer = api.post(path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 422}
    problem(answer, answer.status_code)


def test_a_spec_of_another_media_type_is_refused(api: TestClient) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        problem(api.post("/jobs", content="{}", headers={"Content-Type": kind}), 415)
    problem(api.post("/jobs", content=b"\xff\xd8"), 415)


def test_a_body_over_the_limit_is_refused(api: TestClient) -> None:
    padding = json.dumps({"name": "x" * (2 * 2**20)})
    answer = api.post("/jobs", content=padding, headers={"Content-Type": "application/json"})
    assert problem(answer, 413)["detail"]
    chunks = (b"x" * 65536 for _ in range(200))
    problem(api.post("/predict", content=chunks, headers={"Content-Type": "application/octet-stream"}), 413)


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=101", "limit=x", "after=-1", "after=x", "state=sleeping", "label=novalue", "label=a/b:c"],
)
def test_a_query_that_cannot_be_is_refused(api: TestClient, query: str) -> None:
    (pointer,) = pointers(api.get(f"/jobs?{query}"))
    assert pointer == f"#query/{query.partition('=')[0]}" or pointer.startswith("#query/label")


def test_a_job_is_taken_on_while_the_broker_is_away(api: TestClient, store: Store) -> None:
    answer = api.post("/jobs", json={"dataset": "digits"})
    assert answer.status_code == 202
    job = store.jobs.get(answer.json()["id"])
    assert job is not None
    assert job.state == "queued"


def test_a_body_full_of_faults_costs_one_error(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    succeeded(store, artifacts)
    answer = api.post("/predict", json={"images": [[["x"] * 28] * 28] * 300})
    assert len(problem(answer, 422)["errors"]) == 1
    problem(api.post("/jobs", json={"hidden_sizes": [0] * 20_000}), 422)
    problem(api.post("/jobs", json={"hidden_sizes": [0] * 40_000}), 413)


def test_a_label_is_sought_with_all_its_values(api: TestClient, store: Store) -> None:
    submit(store, labels={"a": "2"})
    assert len(api.get("/jobs?label=a:2").json()["data"]) == 1
    assert api.get("/jobs?label=a:1&label=a:2").json()["data"] == []
