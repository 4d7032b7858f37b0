"""Checkpoints over HTTP, when their files are not what they were."""

import pytest
from fastapi.testclient import TestClient

from service.artifacts import Artifacts
from service.store import owners
from service.store.store import Store
from tests.answers import problem
from tests.records import submit

BLANK = [[0, 255] * 14] * 28


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: how errors are worded does not depend on the database; the store's tests run on both."""
    return sqlite_url


def test_a_checkpoint_that_was_damaged_is_told_as_such(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    job_id = submit(store)
    file = artifacts.write(owners.of_job(job_id), "best.safetensors", b"weights", epoch=1)
    store.files.publish(owners.of_job(job_id), [file])
    assert "cannot be used" in problem(api.post("/predict", json={"image": BLANK, "model": job_id}), 500)["detail"]
