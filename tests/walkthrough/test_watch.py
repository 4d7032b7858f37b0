"""Watching: how a job gets on is told live, and afterwards as a history and as pictures.

The second page. `trained` is a job that has ended; see conftest.py for the few lines that posted it.
"""

import csv
import io
from typing import Any

import httpx
import numpy as np
import pytest
from httpx_sse import connect_sse
from PIL import Image

from tests.walkthrough.steps import train


def test_a_job_is_followed_live_as_a_stream_of_events(tenfold: httpx.Client) -> None:
    job = tenfold.post("/jobs", json={"dataset": "digits", "epochs": 3, "model": "watched"}).json()
    seen = []
    with connect_sse(tenfold, "GET", f"/jobs/{job['id']}/events") as source:
        for event in source.iter_sse():
            if not event.data:
                continue  # a ping, which keeps the connection open while nothing happens
            data = event.json().get("data", {})
            seen.append((event.event, data.get("state") or data.get("epoch")))
    assert seen == [
        ("state", "queued"),
        ("state", "running"),
        ("epoch", 1),
        ("epoch", 2),
        ("epoch", 3),
        ("version.made", None),
        ("alias.moved", None),  # nobody was champion of this model
        ("state", "succeeded"),
        ("end", None),
    ]


def test_a_client_that_lost_the_stream_goes_on_where_it_stopped(tenfold: httpx.Client, trained: dict[str, Any]) -> None:
    events = tenfold.get(f"/jobs/{trained['id']}/events").json()["data"]
    middle = events[4]["id"]
    with connect_sse(tenfold, "GET", f"/jobs/{trained['id']}/events", headers={"Last-Event-ID": str(middle)}) as source:
        ids = [int(event.id) for event in source.iter_sse() if event.event != "end"]
    assert ids == [event["id"] for event in events[5:]]


def test_the_history_holds_every_batch_and_every_epoch(tenfold: httpx.Client, trained: dict[str, Any]) -> None:
    history = tenfold.get(trained["links"]["metrics"]).json()
    batches = 10 * 12  # 1,437 images of the training part in batches of 128
    assert history["iters"] == list(range(1, batches + 1))
    assert len(history["losses"]) == len(history["moving_average"]) == batches
    assert history["moving_average"][8:10] == [None, pytest.approx(np.mean(history["losses"][:10]), rel=1e-4)]
    assert len(history["train_acc"]) == len(history["val_acc"]) == len(history["epochs"]) == 10
    assert history["losses"][-1] < history["losses"][0]
    assert history["reduced"] is False


def test_a_long_history_is_reduced_without_losing_its_extremes(tenfold: httpx.Client, trained: dict[str, Any]) -> None:
    whole = tenfold.get(trained["links"]["metrics"]).json()
    brief = tenfold.get(trained["links"]["metrics"], params={"max_points": 20}).json()
    assert len(brief["iters"]) <= 20
    assert (brief["reduced"], brief["total_points"]) == (True, 120)
    assert {brief["iters"][0], brief["iters"][-1]} == {1, 120}
    assert {min(brief["losses"]), max(brief["losses"])} == {min(whole["losses"]), max(whole["losses"])}


def test_the_history_comes_as_csv_too(tenfold: httpx.Client, trained: dict[str, Any]) -> None:
    answer = tenfold.get(trained["links"]["metrics"], params={"format": "csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == 120
    assert [row["iteration"] for row in rows if row["val_acc"]] == [str(12 * epoch) for epoch in range(1, 11)]
    assert {row["epoch"] for row in rows[:12]} == {"1"}


@pytest.mark.parametrize("plot", ["loss", "accuracy", "confusion", "mistakes"])
def test_plots_are_drawn_when_somebody_asks(tenfold: httpx.Client, trained: dict[str, Any], plot: str) -> None:
    answer = tenfold.get(trained["links"][f"{plot}_plot"])
    assert answer.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(answer.content)).size[0] > 1000
    again = tenfold.get(trained["links"][f"{plot}_plot"], headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


def test_jobs_are_found_again_by_name_label_and_state(tenfold: httpx.Client) -> None:
    ids = [train(tenfold, epochs=1, name="sought", labels={"round": str(number)})["id"] for number in range(3)]
    found = tenfold.get("/jobs", params={"name": "sought", "state": "succeeded"}).json()["data"]
    assert [job["id"] for job in found] == ids[::-1]
    labelled = tenfold.get("/jobs", params={"name": "sought", "label": "round:1"}).json()["data"]
    assert [job["id"] for job in labelled] == [ids[1]]
    page = tenfold.get("/jobs", params={"name": "sought", "limit": 2}).json()
    assert page["has_more"]
    assert [job["id"] for job in tenfold.get(page["next"]).json()["data"]] == [ids[0]]
