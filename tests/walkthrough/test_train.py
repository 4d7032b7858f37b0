"""Training: a job is posted, trained in its own time, and may be paused, gone on from, repeated or cancelled.

The first page of the walkthrough. `tenfold` is an HTTP client of a service that runs for real: API, database, broker,
workers. What is done here, `curl` can do; each step stands on its own.
"""

import io
import json
from typing import Any

import httpx
import numpy as np
from PIL import Image

from tests.waiting import wait_until
from tests.walkthrough.steps import ended, finish, train


def test_the_documentation_is_served_without_the_internet(tenfold: httpx.Client) -> None:
    page = tenfold.get("/docs").text
    assert "http://" not in page
    assert "https://" not in page
    for asset in ("swagger-ui-bundle.js", "swagger-ui.css"):
        assert tenfold.get(f"/static/swagger-ui/{asset}").status_code == 200
    document = json.loads(tenfold.get("/openapi.json").content)
    assert document["openapi"].startswith("3.1")


def test_a_job_is_accepted_at_once_and_trained_in_its_own_time(tenfold: httpx.Client) -> None:
    answer = tenfold.post("/jobs", json={"dataset": "digits", "hidden_sizes": [100, 50], "epochs": 10})
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["location"] == f"/jobs/{job['id']}"
    assert job["state"] == "queued"
    assert job["parameters"] == 84_060

    job = wait_until(lambda: ended(tenfold, job["id"]), timeout=60, what="the job to end")
    assert job["state"] == "succeeded"
    assert job["progress"] == {"epoch": 10, "epochs": 10, "fraction": 1.0, "eta_seconds": 0.0}
    assert job["result"]["val_accuracy"] > 0.9


def test_what_cannot_be_trained_is_refused_with_the_field_and_the_remedy(tenfold: httpx.Client) -> None:
    answer = tenfold.post("/jobs", json={"learning_rate": -1, "epoch": 3})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/learning_rate", "/epoch"}


def test_a_data_set_is_described_and_shown(tenfold: httpx.Client) -> None:
    digits = tenfold.get("/datasets/digits").json()
    assert (digits["state"], digits["source"]) == ("ready", "builtin")
    assert digits["description"]["examples"] == sum(digits["description"]["class_counts"]) == 1797
    assert Image.open(io.BytesIO(tenfold.get(digits["links"]["samples"]).content)).size == (1000, 1000)
    assert "mnist" in {dataset["name"] for dataset in tenfold.get("/datasets").json()["data"]}


def test_an_uploaded_csv_is_a_data_set_like_any_other(tenfold: httpx.Client) -> None:
    random = np.random.default_rng(0)
    labels = np.arange(200) % 2
    pixels = random.integers(0, 100, (200, 784)) + 100 * labels[:, None]  # zeros are dark, ones are bright
    header = ",".join(["label", *(f"pixel{number}" for number in range(784))])
    rows = "\n".join(",".join(map(str, [label, *row])) for label, row in zip(labels, pixels, strict=True))
    answer = tenfold.post(
        "/datasets",
        params={"name": "dark-or-bright"},
        content=f"{header}\n{rows}\n",
        headers={"Content-Type": "text/csv"},
    )
    assert answer.status_code == 202
    described = tenfold.get(answer.headers["location"]).json()
    assert (described["state"], described["description"]["class_counts"]) == ("ready", [100, 100])
    job = train(tenfold, dataset="dark-or-bright", epochs=5)
    assert job["result"]["val_accuracy"] == 1.0
    assert tenfold.delete("/datasets/dark-or-bright").status_code == 204


def test_equal_jobs_end_with_equal_weights(tenfold: httpx.Client) -> None:
    spec = {"architecture": "nmlp", "hidden_sizes": [30, 5], "dropout": 0.5, "epochs": 2, "seed": 3}
    first, second = train(tenfold, **spec), train(tenfold, **spec)
    assert first["weights_sha256"] == second["weights_sha256"]


def test_a_job_is_paused_and_goes_on_as_if_nothing_had_been(tenfold: httpx.Client) -> None:
    job = tenfold.post("/jobs", json={"dataset": "digits", "epochs": 1000, "batch_size": 2}).json()
    assert tenfold.post(f"/jobs/{job['id']}/pause").status_code == 202
    wait_until(
        lambda: tenfold.get(f"/jobs/{job['id']}").json()["state"] == "paused", timeout=60, what="the job to be paused"
    )
    assert tenfold.post(f"/jobs/{job['id']}/resume").json()["state"] == "queued"
    tenfold.post(f"/jobs/{job['id']}/cancel").raise_for_status()
    job = finish(tenfold, job["id"])
    assert job["state"] == "cancelled"
    assert job["cancellation"]["how"] in {"waiting", "stopped"}


def test_a_job_is_trained_for_more_epochs_and_tuned(tenfold: httpx.Client, trained: dict[str, Any]) -> None:
    more = tenfold.post(f"/jobs/{trained['id']}/continue", json={"epochs": 1}).json()
    assert more["origin"] == {
        "kind": "continue",
        "job_id": trained["id"],
        "epoch": trained["result"]["epochs"],
        "weights_sha256": None,
    }
    assert finish(tenfold, more["id"])["result"]["epochs"] == trained["result"]["epochs"] + 1
    tuned = tenfold.post(
        f"/jobs/{trained['id']}/continue", json={"epochs": 1, "changes": {"learning_rate": 0.0001}}
    ).json()
    tuned = finish(tenfold, tuned["id"])
    assert tuned["result"]["epochs"] == 1
    assert tuned["result"]["val_accuracy"] > trained["result"]["val_accuracy"] - 0.05


def test_a_network_can_be_verified(tenfold: httpx.Client, trained: dict[str, Any]) -> None:
    again = tenfold.post(f"/jobs/{trained['id']}/verify").json()
    assert finish(tenfold, again["id"])["verified"] is True


def test_a_request_may_be_repeated_until_it_is_answered(tenfold: httpx.Client) -> None:
    headers = {"Idempotency-Key": "3f0c7d1e-an-order"}
    answers = [tenfold.post("/jobs", json={"dataset": "digits", "epochs": 1}, headers=headers) for _ in range(3)]
    assert len({answer.json()["id"] for answer in answers}) == 1
    # Or under an id of the client's own.
    assert [tenfold.put("/jobs/order-17", json={"dataset": "digits", "epochs": 1}).status_code for _ in range(2)] == [
        202,
        200,
    ]
    assert finish(tenfold, "order-17")["state"] == "succeeded"


def test_a_job_that_diverges_says_so(tenfold: httpx.Client) -> None:
    job = train(tenfold, optimizer="sgd", learning_rate=10.0, hidden_sizes=[500, 500, 500], epochs=5)
    assert job["state"] == "failed"
    assert job["error"]["type"] == "DivergenceError"
    assert "lower learning_rate" in job["error"]["message"]


def test_a_job_that_is_no_longer_wanted_is_cancelled_and_deleted(tenfold: httpx.Client) -> None:
    job = tenfold.post("/jobs", json={"dataset": "digits", "epochs": 1000, "batch_size": 2}).json()
    wait_until(lambda: tenfold.get(f"/jobs/{job['id']}").json()["progress"]["epoch"] >= 1, timeout=60, what="an epoch")
    assert tenfold.get(job["links"]["loss_plot"]).status_code == 200, "a running job can be looked at"
    assert tenfold.delete(f"/jobs/{job['id']}").status_code == 409

    assert tenfold.post(job["links"]["cancel"]).status_code == 202
    job = wait_until(lambda: ended(tenfold, job["id"]), timeout=30, what="the job to stop")
    assert job["state"] == "cancelled"
    assert job["result"]["epochs"] >= 1
    assert tenfold.get(f"/jobs/{job['id']}/checkpoints/best.safetensors").status_code == 200

    assert tenfold.delete(f"/jobs/{job['id']}").status_code == 204
    assert tenfold.get(f"/jobs/{job['id']}").status_code == 404
