"""Tenfold from a client's side, step by step. Read it from top to bottom; each step stands on its own.

`tenfold` is an HTTP client of a service that runs for real: API, database, broker, workers.
"""

import csv
import hashlib
import io
import json
from typing import Any

import httpx
import numpy as np
import pytest
from httpx_sse import connect_sse
from PIL import Image, ImageDraw
from safetensors.numpy import load

from tests.waiting import wait_until


def train(tenfold: httpx.Client, **spec: Any) -> dict[str, Any]:
    """Post a job and wait for its end."""
    job = tenfold.post("/jobs", json={"dataset": "digits", **spec}).raise_for_status().json()
    return finish(tenfold, job["id"])


def finish(tenfold: httpx.Client, job_id: str) -> dict[str, Any]:
    return wait_until(lambda: ended(tenfold, job_id), timeout=60, what="the job to end")


def ended(tenfold: httpx.Client, job_id: str) -> dict[str, Any] | None:
    job: dict[str, Any] = tenfold.get(f"/jobs/{job_id}").raise_for_status().json()
    return job if job["state"] in {"succeeded", "failed", "cancelled"} else None


@pytest.fixture(scope="module")
def trained(tenfold: httpx.Client) -> dict[str, Any]:
    """A network that has been trained."""
    return train(tenfold, name="first", epochs=10, learning_rate=0.01)


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


def test_a_job_is_followed_live_as_a_stream_of_events(tenfold: httpx.Client) -> None:
    job = tenfold.post("/jobs", json={"dataset": "digits", "epochs": 3}).json()
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


def test_the_weights_are_downloaded_and_their_hash_is_on_record(tenfold: httpx.Client, trained: dict[str, Any]) -> None:
    last, best = tenfold.get(trained["links"]["checkpoints"]).json()["data"]
    file = tenfold.get(last["url"])
    digest = hashlib.sha256(file.content).hexdigest()
    assert digest == last["sha256"] == trained["weights_sha256"] == file.headers["etag"].strip('"')
    assert load(file.content)["linear1.weight"].shape == (100, 784)
    assert last["about"]["spec"] == trained["spec"]
    assert set(last["about"]["normalisation"]) == {"mean", "deviation"}
    assert best["epoch"] == trained["result"]["best_epoch"]
    part = tenfold.get(last["url"], headers={"Range": "bytes=8-15"})
    assert (part.status_code, part.content) == (206, file.content[8:16])


def test_the_network_reads_images_that_it_never_saw(tenfold: httpx.Client, trained: dict[str, Any]) -> None:
    examples = tenfold.get(trained["links"]["examples"], params={"limit": 100}).json()
    answer = tenfold.post("/predict", json={"images": examples["images"], "model": trained["id"]}).json()
    read = [prediction["digit"] for prediction in answer["predictions"]]
    assert np.mean(np.array(read) == examples["labels"]) > 0.9
    assert answer["model"]["job_id"] == trained["id"]
    assert answer["model"]["weights_sha256"] == trained["result"]["best_weights_sha256"]


def test_one_image_is_one_answer_however_it_is_sent(tenfold: httpx.Client, trained: dict[str, Any]) -> None:
    image = tenfold.get(trained["links"]["examples"], params={"limit": 1}).json()["images"][0]
    pixels = np.array(image, dtype=np.uint8)
    png = io.BytesIO()
    Image.fromarray(pixels).save(png, "PNG")
    model = {"model": trained["id"]}
    answers = [
        tenfold.post("/predict", json={"image": image, **model}).json(),
        tenfold.post("/predict", params=model, content=png.getvalue(), headers={"Content-Type": "image/png"}).json(),
        tenfold.post(
            "/predict", params=model, content=pixels.tobytes(), headers={"Content-Type": "application/octet-stream"}
        ).json(),
    ]
    assert answers[0] == answers[1] == answers[2]
    assert set(answers[0]) == {"digit", "probabilities", "model"}
    assert sum(answers[0]["probabilities"]) == pytest.approx(1.0, abs=1e-5)


def test_a_drawing_of_any_size_is_read(tenfold: httpx.Client, trained: dict[str, Any]) -> None:
    paper = Image.new("L", (300, 200), 255)
    ImageDraw.Draw(paper).line([(150, 30), (150, 170)], fill=0, width=18)
    png = io.BytesIO()
    paper.save(png, "PNG")
    answer = tenfold.post(
        "/predict",
        params={"model": trained["id"]},
        content=png.getvalue(),
        headers={"Content-Type": "image/png"},
    )
    assert answer.json()["digit"] == 1


def test_who_names_no_network_asks_the_one_that_succeeded_last(tenfold: httpx.Client) -> None:
    newest = train(tenfold, epochs=1)
    answer = tenfold.post("/predict", content=bytes(784), headers={"Content-Type": "application/octet-stream"})
    assert answer.json()["model"]["job_id"] == newest["id"]


def test_jobs_are_found_again_by_name_label_and_state(tenfold: httpx.Client) -> None:
    ids = [train(tenfold, epochs=1, name="sought", labels={"round": str(number)})["id"] for number in range(3)]
    found = tenfold.get("/jobs", params={"name": "sought", "state": "succeeded"}).json()["data"]
    assert [job["id"] for job in found] == ids[::-1]
    labelled = tenfold.get("/jobs", params={"name": "sought", "label": "round:1"}).json()["data"]
    assert [job["id"] for job in labelled] == [ids[1]]
    page = tenfold.get("/jobs", params={"name": "sought", "limit": 2}).json()
    assert page["has_more"]
    assert [job["id"] for job in tenfold.get(page["next"]).json()["data"]] == [ids[0]]


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


@pytest.fixture(scope="module")
def swept(tenfold: httpx.Client) -> dict[str, Any]:
    """A sweep that has ended: three learning rates, each with two seeds."""
    answer = tenfold.post(
        "/sweeps",
        json={
            "name": "rates",
            "base": {"dataset": "digits", "hidden_sizes": [30], "epochs": 3},
            "grid": {"learning_rate": [0.00001, 0.001, 0.01]},
            "seeds": 2,
        },
    )
    assert answer.status_code == 202
    sweep = answer.json()
    assert answer.headers["location"] == f"/sweeps/{sweep['id']}"
    assert sweep["progress"]["trials"] == 3
    assert sum(sweep["jobs"].values()) == 6
    return wait_until(lambda: sweep_ended(tenfold, sweep["id"]), timeout=90, what="the sweep to end")


def sweep_ended(tenfold: httpx.Client, sweep_id: str) -> dict[str, Any] | None:
    sweep: dict[str, Any] = tenfold.get(f"/sweeps/{sweep_id}").raise_for_status().json()
    return sweep if sweep["state"] != "running" else None


def test_a_sweep_ranks_its_trials_by_what_their_seeds_reached(tenfold: httpx.Client, swept: dict[str, Any]) -> None:
    assert (swept["state"], swept["jobs"]["succeeded"]) == ("succeeded", 6)
    assert swept["progress"]["fraction"] == 1.0
    rates = [trial["overrides"]["learning_rate"] for trial in swept["trials"]]
    assert rates == [0.01, 0.001, 0.00001], "so small a rate learns nothing in three epochs"
    best = swept["trials"][0]
    assert best["trial"] == swept["best_trial"] == 3
    assert (
        best["best_val_accuracy"]["lowest"] <= best["best_val_accuracy"]["mean"] <= best["best_val_accuracy"]["highest"]
    )
    job = tenfold.get(f"/jobs/{swept['best_job']}").json()
    assert job["sweep_id"] == swept["id"]
    assert job["result"]["best_val_accuracy"] == max(trial["best_val_accuracy"]["highest"] for trial in swept["trials"])


def test_the_jobs_of_a_sweep_are_jobs_like_any_other(tenfold: httpx.Client, swept: dict[str, Any]) -> None:
    jobs = tenfold.get("/jobs", params={"sweep": swept["id"]}).json()["data"]
    assert [(job["name"], job["trial"], job["spec"]["seed"]) for job in jobs[::-1]] == [
        ("rates-1", 1, 0),
        ("rates-1", 1, 1),
        ("rates-2", 2, 0),
        ("rates-2", 2, 1),
        ("rates-3", 3, 0),
        ("rates-3", 3, 1),
    ]
    alone = train(tenfold, hidden_sizes=[30], epochs=3, learning_rate=0.01, seed=1)
    assert alone["weights_sha256"] == jobs[0]["weights_sha256"], "the company of others changes nothing"


def test_a_sweep_comes_as_a_table_with_a_line_a_job(tenfold: httpx.Client, swept: dict[str, Any]) -> None:
    rows = list(csv.DictReader(io.StringIO(tenfold.get(swept["links"]["table"]).text)))
    assert [(row["trial"], row["seed"], row["learning_rate"]) for row in rows[:3]] == [
        ("1", "0", "1e-05"),
        ("1", "1", "1e-05"),
        ("2", "0", "0.001"),
    ]
    best = next(row for row in rows if row["job_id"] == swept["best_job"])
    assert float(best["val_accuracy"]) > 0.8


@pytest.mark.parametrize("plot", ["curves", "comparison", "parallel"])
def test_a_sweep_is_drawn_when_somebody_asks(tenfold: httpx.Client, swept: dict[str, Any], plot: str) -> None:
    answer = tenfold.get(swept["links"][f"{plot}_plot"])
    assert answer.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(answer.content)).size[0] > 700
    again = tenfold.get(swept["links"][f"{plot}_plot"], headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


def test_a_sweep_may_learn_from_its_trials_what_to_try_next(tenfold: httpx.Client) -> None:
    ranges = {"learning_rate": {"log_uniform": [0.0001, 0.1]}, "hidden_sizes": {"choice": [[10], [20, 10]]}}
    base = {"dataset": "digits", "epochs": 1}
    sweep = tenfold.post("/sweeps", json={"base": base, "tpe": {"trials": 4, "parallel": 2, "ranges": ranges}}).json()
    assert sweep["progress"]["trials_chosen"] == 2
    sweep = wait_until(lambda: sweep_ended(tenfold, sweep["id"]), timeout=90, what="the sweep to end")
    assert (sweep["state"], sweep["jobs"]["succeeded"]) == ("succeeded", 4)


def test_jobs_that_fall_behind_the_others_of_their_sweep_are_stopped_early(tenfold: httpx.Client) -> None:
    sweep = tenfold.post(
        "/sweeps",
        json={
            "base": {"dataset": "digits", "epochs": 4},
            "grid": {"learning_rate": [0.01, 0.000001]},
            "halving": {"reduction": 2, "min_epochs": 1},
        },
    ).json()
    sweep = wait_until(lambda: sweep_ended(tenfold, sweep["id"]), timeout=90, what="the sweep to end")
    assert (sweep["state"], sweep["best_trial"], sweep["progress"]["fraction"]) == ("succeeded", 1, 1.0)
    jobs = tenfold.get(sweep["links"]["jobs"]).json()["data"]
    told = {job["trial"]: (job["result"]["epochs"], job["result"]["stopped_early"]) for job in jobs}
    assert told == {1: (4, None), 2: (1, "halving")}


def test_a_sweep_that_is_no_longer_wanted_is_cancelled_and_deleted(tenfold: httpx.Client) -> None:
    base = {"dataset": "digits", "epochs": 1000, "batch_size": 2}
    sweep = tenfold.post("/sweeps", json={"base": base, "trials": [{"seed": seed} for seed in range(20)]}).json()
    link = sweep["links"]["self"]
    wait_until(lambda: tenfold.get(link).json()["progress"]["epochs_done"] >= 1, timeout=60, what="an epoch")
    assert tenfold.delete(link).status_code == 409

    assert tenfold.post(sweep["links"]["cancel"]).json()["cancel_requested"]
    sweep = wait_until(lambda: sweep_ended(tenfold, sweep["id"]), timeout=60, what="the sweep to stop")
    assert (sweep["state"], sweep["jobs"]["cancelled"]) == ("cancelled", 20)
    assert tenfold.delete(link).status_code == 204
    assert tenfold.get("/jobs", params={"sweep": sweep["id"]}).json()["data"] == []


def test_a_sweep_with_a_mistake_is_refused_as_a_whole(tenfold: httpx.Client) -> None:
    answer = tenfold.post("/sweeps", json={"name": "refused", "grid": {"learning_rate": [0.1, -1], "epoch": [3]}})
    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/grid/learning_rate/1", "/grid/epoch"}
    assert tenfold.get("/sweeps", params={"name": "refused"}).json()["data"] == []


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
    assert answer.status_code == 201
    described = tenfold.get(answer.headers["location"]).json()
    assert described["description"]["class_counts"][:3] == [100, 100, 0]
    job = train(tenfold, dataset="dark-or-bright", epochs=5)
    assert job["result"]["val_accuracy"] == 1.0
    assert tenfold.delete("/datasets/dark-or-bright").status_code == 204


def test_what_can_not_be_trained_is_refused_with_the_field_and_the_remedy(tenfold: httpx.Client) -> None:
    answer = tenfold.post("/jobs", json={"learning_rate": -1, "epoch": 3})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/learning_rate", "/epoch"}


def test_a_job_that_diverges_says_so(tenfold: httpx.Client) -> None:
    job = train(tenfold, optimizer="sgd", learning_rate=10.0, hidden_sizes=[500, 500, 500], epochs=5)
    assert job["state"] == "failed"
    assert job["error"]["type"] == "DivergenceError"
    assert "lower learning_rate" in job["error"]["message"]


def test_the_documentation_is_served_without_the_internet(tenfold: httpx.Client) -> None:
    page = tenfold.get("/docs").text
    assert "http://" not in page
    assert "https://" not in page
    for asset in ("swagger-ui-bundle.js", "swagger-ui.css"):
        assert tenfold.get(f"/static/swagger-ui/{asset}").status_code == 200
    document = json.loads(tenfold.get("/openapi.json").content)
    assert document["openapi"].startswith("3.1")


def test_a_better_network_is_promoted_and_taken_back(tenfold: httpx.Client) -> None:
    for epochs in (1, 5):
        train(tenfold, model="walk", epochs=epochs, learning_rate=0.01, promote="never")
    champion = "/models/walk/aliases/champion"
    made = tenfold.put(champion, json={"version": 1}, headers={"If-None-Match": "*"})
    assert made.status_code == 201
    moved = tenfold.put(champion, json={"version": 2}, headers={"If-Match": made.headers["etag"]})
    assert moved.json()["versions"] == {"2": 1.0}

    def answers() -> int:
        form = {"Content-Type": "application/octet-stream"}
        answer = tenfold.post("/predict", params={"model": "walk"}, content=bytes(784), headers=form)
        return int(answer.raise_for_status().json()["model"]["version"])

    assert answers() == 2
    assert tenfold.post(f"{champion}/rollback").json()["versions"] == {"1": 1.0}
    wait_until(lambda: answers() == 1, timeout=10, what="every process to follow")
    page = tenfold.get("/models/walk/versions/2/card", headers={"Accept": "text/markdown"})
    assert page.headers["content-type"].startswith("text/markdown")
    assert page.text.startswith("# Model card")
    assert tenfold.get("/models/walk/versions/2/lineage").json()["dataset"] == "digits"


@pytest.fixture(scope="module")
def versions(tenfold: httpx.Client) -> list[dict[str, Any]]:
    """Three networks that differ by their seed alone: versions of one model."""
    spec = {"hidden_sizes": [60, 30], "epochs": 5, "batch_size": 32, "learning_rate": 0.003, "model": "reader"}
    jobs = [tenfold.post("/jobs", json={"dataset": "digits", **spec, "seed": seed}).json() for seed in range(3)]
    for job in jobs:
        finish(tenfold, job["id"])
    page: list[dict[str, Any]] = tenfold.get("/models/reader/versions").json()["data"]
    return page


def test_several_versions_answer_together_better_than_most_of_them_alone(
    tenfold: httpx.Client, versions: list[dict[str, Any]]
) -> None:
    body = {"name": "readers", "members": ["reader/1", "reader/2", "reader/3"]}
    ensemble = tenfold.post("/models", json=body)
    assert ensemble.status_code == 201, ensemble.text
    alone = sorted(version["val_accuracy"] for version in versions)
    assert ensemble.json()["val_accuracy"] >= alone[0]
    assert tenfold.post("/models", json=body).status_code == 200, "asked again, it is the same"

    examples = tenfold.get(f"/jobs/{versions[0]['job_id']}/examples", params={"limit": 100}).json()
    answer = tenfold.post("/predict", params={"model": "readers"}, json={"images": examples["images"]}).json()
    assert (answer["model"]["name"], answer["model"]["members"]) == ("readers", 3)
    read = [prediction["digit"] for prediction in answer["predictions"]]
    assert sum(a == b for a, b in zip(read, examples["labels"], strict=True)) > 85


def test_an_answer_tells_how_far_it_can_be_believed(tenfold: httpx.Client, versions: list[dict[str, Any]]) -> None:
    examples = tenfold.get(f"/jobs/{versions[0]['job_id']}/examples", params={"limit": 50}).json()
    noise = [[(37 * row + 91 * column) % 256 for column in range(28)] for row in range(28)]
    asked: dict[str, Any] = {"model": "reader", "details": True, "reject_below": 0.6, "explain": "gradient"}
    images = [*examples["images"], noise]
    *digits, strange = tenfold.post("/predict", params=asked, json={"images": images}).json()["predictions"]
    assert strange["novelty"] < 0.01, "no image of the data set looks like this"
    assert sum(digit["novelty"] > 0.05 for digit in digits) > 40
    assert all(digit["rejected"] == (max(digit["probabilities"]) < 0.6) for digit in digits)
    assert len(strange["gradient"]) == 28
