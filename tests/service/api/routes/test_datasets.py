"""Uploads: kept once, whole or not at all."""

from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from service.settings import Settings
from service.store.store import Store
from tests.answers import problem
from tests.records import submit


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: how errors are worded does not depend on the database; the store's tests run on both."""
    return sqlite_url


def rows(count: int, **changes: str) -> str:
    lines = [",".join([str(number % 10), *["7"] * 784]) for number in range(count)]
    for line, text in changes.items():
        lines[int(line.removeprefix("line")) - 1] = text
    return "\n".join(lines)


def upload(api: TestClient, content: str | bytes, name: str = "mine", kind: str = "text/csv") -> Any:
    return api.post("/datasets", params={"name": name}, content=content, headers={"Content-Type": kind})


def test_a_bad_row_of_an_upload_is_named_by_its_line_and_nothing_is_kept(
    api: TestClient, store: Store, settings: Settings
) -> None:
    assert "line 17" in problem(upload(api, rows(30, line17="1,2,3")), 422)["detail"]
    assert store.datasets.get("mine") is None
    assert not list(settings.artifacts.rglob("*.npy"))


def test_uploads_that_cannot_be_are_refused(api: TestClient) -> None:
    problem(upload(api, rows(30), kind="application/json"), 415)
    problem(upload(api, ""), 422)
    problem(upload(api, rows(30), name="../x"), 422)
    problem(upload(api, rows(30), name="mnist"), 409)
    problem(upload(api, rows(3000)), 413)
    problem(
        api.post("/datasets?name=zip", content=b"x", headers={"Content-Type": "text/csv", "Content-Encoding": "gzip"}),
        415,
    )


def test_a_length_may_have_thousands_of_zeros_in_front(api: TestClient) -> None:
    content = rows(30)
    headers = {"Content-Type": "text/csv", "Content-Length": "0" * 5_000 + str(len(content))}
    answer = api.post("/datasets?name=mine", content=content, headers=headers)
    assert answer.status_code == 201, answer.text


def test_an_upload_is_kept_once_under_its_name_and_deleted_with_its_files(
    api: TestClient, settings: Settings, store: Store
) -> None:
    assert upload(api, rows(30)).status_code == 201
    problem(upload(api, rows(30)), 409)
    (table,) = settings.artifacts.rglob("*.npy")
    assert np.load(table).shape == (30, 785)
    job_id = submit(store, dataset="mine")
    problem(api.delete("/datasets/mine"), 409)
    api.post(f"/jobs/{job_id}/cancel")
    assert api.delete("/datasets/mine").status_code == 204
    assert not list(settings.artifacts.rglob("*.npy"))
    problem(api.delete("/datasets/mnist"), 409)
