"""Sweeps: one request trains many networks that differ by a few settings, and ranks them.

The fourth page. `swept` is a sweep that has ended.
"""

import csv
import io
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.waiting import wait_until
from tests.walkthrough.steps import train


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


def test_the_seeds_of_a_sweep_may_share_one_order_of_the_examples(tenfold: httpx.Client) -> None:
    base = {"dataset": "digits", "hidden_sizes": [30], "epochs": 2, "seed": 1}
    sweep = tenfold.post("/sweeps", json={"base": base, "trials": [{}], "seeds": 2, "share_order": True}).json()
    sweep = wait_until(lambda: sweep_ended(tenfold, sweep["id"]), timeout=90, what="the sweep to end")
    second, first = tenfold.get(sweep["links"]["jobs"]).json()["data"]
    assert [(job["spec"]["seed"], job["spec"]["order_seed"]) for job in (first, second)] == [(1, 1), (2, 1)]
    usual, ordered = (
        train(tenfold, hidden_sizes=[30], epochs=2, **seeds) for seeds in ({"seed": 1}, {"seed": 2, "order_seed": 1})
    )
    assert [job["weights_sha256"] for job in (first, second)] == [job["weights_sha256"] for job in (usual, ordered)]


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


@pytest.mark.parametrize("synchronous", [False, True])
def test_jobs_that_fall_behind_the_others_of_their_sweep_are_stopped_early(
    tenfold: httpx.Client, synchronous: bool
) -> None:
    sweep = tenfold.post(
        "/sweeps",
        json={
            "base": {"dataset": "digits", "epochs": 4},
            "grid": {"learning_rate": [0.01, 0.000001]},
            "halving": {"reduction": 2, "min_epochs": 1, "synchronous": synchronous},
        },
    ).json()
    sweep = wait_until(lambda: sweep_ended(tenfold, sweep["id"]), timeout=90, what="the sweep to end")
    assert (sweep["state"], sweep["best_trial"], sweep["progress"]["fraction"]) == ("succeeded", 1, 1.0)
    jobs = tenfold.get(sweep["links"]["jobs"]).json()["data"]
    told = {job["trial"]: (job["result"]["epochs"], job["result"]["stopped_early"]) for job in jobs}
    assert told == {1: (4, None), 2: (1, "halving")}


def test_a_sweep_with_a_mistake_is_refused_as_a_whole(tenfold: httpx.Client) -> None:
    answer = tenfold.post("/sweeps", json={"name": "refused", "grid": {"learning_rate": [0.1, -1], "epoch": [3]}})
    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/grid/learning_rate/1", "/grid/epoch"}
    assert tenfold.get("/sweeps", params={"name": "refused"}).json()["data"] == []


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
