"""The history of a job, and what there is of one that has none."""

import pytest
from fastapi.testclient import TestClient

from service.store.store import Store
from tests.answers import problem
from tests.records import submit

BLANK = [[0] * 28] * 28


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: how errors are worded does not depend on the database; the store's tests run on both."""
    return sqlite_url


@pytest.mark.parametrize("path", ["plots/entropy.png", "checkpoints/worst.safetensors", "metrics?max_points=3"])
def test_a_part_of_a_job_that_does_not_exist_is_refused(api: TestClient, store: Store, path: str) -> None:
    assert api.get(f"/jobs/{submit(store)}/{path}").status_code in {404, 422}


def test_a_job_without_an_epoch_has_an_empty_history_and_nothing_to_draw(api: TestClient, store: Store) -> None:
    job_id = submit(store)
    history = api.get(f"/jobs/{job_id}/metrics").json()
    assert (history["losses"], history["epochs"], history["total_points"]) == ([], [], 0)
    assert api.get(f"/jobs/{job_id}/metrics?format=csv").text.splitlines() == [
        "iteration,epoch,loss,moving_average,train_acc,val_acc"
    ]
    assert api.get(f"/jobs/{job_id}/checkpoints").json() == {"data": []}
    problem(api.get(f"/jobs/{job_id}/plots/loss.png"), 409)
    problem(api.get(f"/jobs/{job_id}/examples"), 409)
    problem(api.get(f"/jobs/{job_id}/checkpoints/last.safetensors"), 404)
    problem(api.post("/predict", json={"image": BLANK, "model": job_id}), 409)
