"""The history of a job, and what there is of one that has none."""

import csv
import json

import numpy as np
import pytest
from fastapi.testclient import TestClient
from numpy.typing import NDArray
from sqlalchemy import delete, insert

from models.downsampling import downsample
from models.moving_average import moving_average
from service.api.routes.jobs.metrics import _json
from service.errors import NotYet
from service.refusals import as_problem
from service.store.errors import HistoryChanged
from service.store.history import History
from service.store.store import Store
from service.store.tables import epochs
from tests.answers import problem
from tests.records import submit

BLANK = [[0, 255] * 14] * 28


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


def recorded(store: Store, lengths: list[int]) -> tuple[str, NDArray[np.float32]]:
    """Put a job with epochs of so many batches on record; gives its id and its losses, some of which are no numbers."""
    job_id, random, batches, all_losses = submit(store), np.random.default_rng(0), 0, []
    with store.database.writer.begin() as connection:
        for epoch, length in enumerate(lengths, start=1):
            losses = random.exponential(0.3, length).astype("<f4")
            losses[random.integers(0, length, 3)] = [np.nan, np.inf, 1e-7]
            all_losses.append(losses)
            batches += length
            about = {"loss": 0.5, "train_accuracy": 0.25, "val_accuracy": 0.125, "seconds": 1.0, "complete": True}
            row = {"job_id": job_id, "epoch": epoch, "attempt": 1, "iterations": batches, "losses": losses.tobytes()}
            connection.execute(insert(epochs).values(**row, **about, recorded_at=0))
    return job_id, np.concatenate(all_losses)


def rounded(values: NDArray[np.floating]) -> list[float | None]:
    return [float(f"{value:.7g}") if np.isfinite(value) else None for value in values.tolist()]


@pytest.mark.parametrize("max_points", [None, 4, 15_001])
def test_a_long_history_is_answered_in_pieces_and_is_the_same_as_at_once(
    api: TestClient, store: Store, max_points: int | None
) -> None:
    job_id, losses = recorded(store, [5, 3, 12_000, 1, 7000, 991])
    kept = np.arange(len(losses)) if max_points is None else downsample(losses, max_points)
    average, query = moving_average(losses), {} if max_points is None else {"max_points": max_points}
    answer = api.get(f"/jobs/{job_id}/metrics", params=query)
    history = answer.json()
    assert history["iters"] == (kept + 1).tolist()
    assert history["losses"] == rounded(losses[kept])
    assert history["moving_average"] == rounded(average[kept])
    assert (history["total_points"], history["reduced"]) == (20_000, len(kept) < 20_000)
    assert answer.content == json.dumps(history, separators=(",", ":")).encode()
    table = api.get(f"/jobs/{job_id}/metrics", params={**query, "format": "csv"}).text
    rows = list(csv.DictReader(table.splitlines()))
    assert [int(row["iteration"]) for row in rows] == history["iters"]
    assert [float(row["loss"] or "nan") if row["loss"] else None for row in rows] == history["losses"]
    ends = {row["iteration"]: row["epoch"] for row in rows if row["train_acc"]}
    assert set(ends.items()) <= {("5", "1"), ("8", "2"), ("12008", "3"), ("12009", "4"), ("19009", "5"), ("20000", "6")}
    assert len(ends) == 6 or max_points is not None


def test_a_head_says_what_a_get_would_and_makes_none_of_it(api: TestClient, store: Store) -> None:
    for lengths in ([100], [30_000]):
        job_id, _ = recorded(store, lengths)
        for form in ("json", "csv"):
            path = f"/jobs/{job_id}/metrics?format={form}"
            head, get = api.head(path), api.get(path)
            assert (head.status_code, head.content, dict(head.headers)) == (200, b"", dict(get.headers))


def test_a_history_that_is_deleted_while_it_is_read_has_no_end(api: TestClient, store: Store) -> None:
    job_id, _ = recorded(store, [30_000, 30_000])
    pieces = _json(History.of(store.database, job_id), None)
    assert next(pieces) == b'{"iters":['
    with store.database.writer.begin() as connection:
        connection.execute(delete(epochs).where(epochs.c.job_id == job_id, epochs.c.epoch == 2))
    with pytest.raises(HistoryChanged) as changed:
        list(pieces)
    assert isinstance(as_problem(changed.value), NotYet)
