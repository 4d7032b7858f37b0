"""What a client is told of a sweep: how it stands, how its trials rank, and what it cannot have."""

import csv
import io
import json
import sys
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.settings import Settings
from service.store import owners
from service.store.store import Store
from tests.answers import pointers, problem
from tests.records import claim, epoch, file


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: the store's tests run on both."""
    return sqlite_url


def posted(api: TestClient, **fields: Any) -> dict[str, Any]:
    answer = api.post("/sweeps", json=fields)
    assert answer.status_code == 202, answer.text
    sweep: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/sweeps/{sweep['id']}"
    return sweep


def end(store: Store, job_id: str, *accuracies: float, training: float = 0.9) -> None:
    """Let a job succeed with these validation accuracies, epoch by epoch."""
    held = claim(store, job_id)
    best = 0
    for number, accuracy in enumerate(accuracies, start=1):
        files = [file("last.safetensors", f"{job_id}-{number}", number)]
        if accuracy > max([0.0, *accuracies[: number - 1]]):
            best = number
            files.append(file("best.safetensors", f"{job_id}-{number}", best))
        store.runs.record_epoch(held, epoch(number, train_accuracy=training, val_accuracy=accuracy), files)
    store.runs.finish(held)


def jobs_of(sweep: dict[str, Any]) -> dict[int, list[str]]:
    return {trial["trial"]: trial["job_ids"] for trial in sweep["trials"]}


GRID = {"learning_rate": [0.1, 0.01, 0.001]}


def test_a_sweep_is_taken_on_while_the_broker_is_away(api: TestClient, store: Store) -> None:
    sweep = posted(api, name="rates", labels={"a": "b"}, base={"dataset": "digits", "epochs": 2}, grid=GRID, seeds=2)
    assert (sweep["state"], sweep["jobs"]["queued"]) == ("running", 6)
    assert sweep["progress"] == {
        "trials": 3,
        "trials_chosen": 3,
        "epochs": 12,
        "epochs_done": 0,
        "fraction": 0.0,
        "eta_seconds": None,
    }
    assert [trial["overrides"] for trial in sweep["trials"]] == [
        {"learning_rate": rate} for rate in GRID["learning_rate"]
    ]
    assert sweep["spec"]["base"] == {"dataset": "digits", "epochs": 2}
    (first, _) = jobs_of(sweep)[1]
    job = api.get(f"/jobs/{first}").json()
    assert (job["sweep_id"], job["trial"], job["name"]) == (sweep["id"], 1, "rates-1")
    assert job["links"]["sweep"] == sweep["links"]["self"]
    assert [job["trial"] for job in api.get(sweep["links"]["jobs"]).json()["data"]] == [3, 3, 2, 2, 1, 1]


def test_an_order_that_was_shared_stays_with_a_job_that_is_trained_again_or_goes_on(
    api: TestClient, store: Store
) -> None:
    sweep = posted(api, base={"dataset": "digits", "epochs": 2, "seed": 4}, grid=GRID, seeds=2, share_order=True)
    assert sweep["spec"]["share_order"] is True
    (_, second) = jobs_of(sweep)[1]
    end(store, second, 0.5, 0.6)
    for action, body in (
        ("retry", None),
        ("verify", None),
        ("continue", {"epochs": 1}),
        ("continue", {"epochs": 1, "changes": {"seed": 9}}),
    ):
        answer = api.post(f"/jobs/{second}/{action}", json=body)
        assert (answer.status_code, answer.json()["spec"]["order_seed"]) == (202, 4), answer.text


def test_trials_are_ranked_by_the_mean_of_their_best_epochs_over_seeds(api: TestClient, store: Store) -> None:
    sweep = posted(api, base={"dataset": "digits", "epochs": 2}, grid=GRID, seeds=2)
    ids = jobs_of(sweep)
    end(store, ids[1][0], 0.5, 0.6)
    end(store, ids[1][1], 0.9, 0.8, training=0.7)
    end(store, ids[2][0], 0.76, 0.78)
    store.runs.fail(claim(store, ids[2][1]), {"type": "DivergenceError", "message": "no"})
    running = claim(store, ids[3][0])
    store.runs.record_epoch(running, epoch(1, seconds=3.0), [])

    seen = api.get(sweep["links"]["self"]).json()
    assert [trial["trial"] for trial in seen["trials"]] == [2, 1, 3]
    assert (seen["best_trial"], seen["best_job"]) == (2, ids[1][1])
    second = seen["trials"][1]
    assert second["best_val_accuracy"] == pytest.approx(
        {"mean": 0.75, "deviation": 0.2121320, "lowest": 0.6, "highest": 0.9}
    )
    assert second["val_accuracy"]["mean"] == pytest.approx(0.7)
    assert second["train_accuracy"]["lowest"] == pytest.approx(0.7)
    assert seen["trials"][0]["val_accuracy"] == {"mean": 0.78, "deviation": None, "lowest": 0.78, "highest": 0.78}
    assert seen["trials"][0]["jobs"] | {"failed": 1, "succeeded": 1} == seen["trials"][0]["jobs"]
    assert seen["trials"][2]["val_accuracy"] is None
    # Of 12 epochs 3 are left, by one job at 3 s each; the one that failed leaves none.
    assert (seen["progress"]["fraction"], seen["progress"]["eta_seconds"]) == (0.75, 9.0)
    for limit in (0, 1, 2, 9):
        some = api.get(sweep["links"]["self"], params={"limit": limit}).json()
        assert some == seen | {"trials": seen["trials"][:limit]}

    store.runs.fail(running, {"type": "ValueError", "message": "no"})
    end(store, ids[3][1], 0.1, 0.1)
    seen = api.get(sweep["links"]["self"]).json()
    assert (seen["state"], seen["progress"]["fraction"], seen["progress"]["eta_seconds"]) == ("succeeded", 1.0, 0.0)
    assert seen["finished_at"] == api.get(f"/jobs/{ids[3][1]}").json()["finished_at"]


def test_the_table_has_a_line_a_job_in_the_order_of_the_trials(api: TestClient, store: Store) -> None:
    grid = {"hidden_sizes": [[9], [8, 7]], "seed": [4, 5]}
    sweep = posted(api, name="t", base={"dataset": "digits", "epochs": 2}, grid=grid)
    end(store, jobs_of(sweep)[3][0], 0.5, 0.6)
    answer = api.get(sweep["links"]["table"])
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(row["trial"], row["seed"], json.loads(row["hidden_sizes"])) for row in rows] == [
        ("1", "4", [9]),
        ("2", "5", [9]),
        ("3", "4", [8, 7]),
        ("4", "5", [8, 7]),
    ]
    assert [row["state"] for row in rows] == ["queued", "queued", "succeeded", "queued"]
    assert (rows[2]["name"], rows[2]["val_accuracy"], rows[2]["best_epoch"]) == ("t-3", "0.6", "2")
    assert (rows[0]["val_accuracy"], rows[0]["job_id"]) == ("", jobs_of(sweep)[1][0])


def test_a_trial_of_the_report_stands_beside_what_was_reported(api: TestClient, store: Store) -> None:
    sweep = posted(api, preset="report", seeds=2)
    first, second = jobs_of(sweep)[2]
    end(store, first, 0.94, training=0.95)
    end(store, second, 0.948, training=0.97)
    trial = api.get(sweep["links"]["self"]).json()["trials"][0]
    assert (trial["trial"], trial["name"]) == (2, "report-trial-2")
    assert trial["reported"] == {
        "train_accuracy": 0.95921,
        "val_accuracy": 0.94975,
        "train_inside": True,
        "val_inside": False,
    }
    other = posted(api, preset="report", base={"dataset": "digits"})
    assert {trial["reported"] for trial in other["trials"]} == {None}


def test_sweeps_are_listed_in_pages_without_their_trials(api: TestClient) -> None:
    ids = [posted(api, name="sought", labels={"round": str(number)}, trials=[{}])["id"] for number in range(3)]
    posted(api, trials=[{}])
    page = api.get("/sweeps", params={"name": "sought", "limit": 2}).json()
    assert [sweep["id"] for sweep in page["data"]] == ids[:0:-1]
    assert "trials" not in page["data"][0]
    rest = api.get(page["next"]).json()
    assert ([sweep["id"] for sweep in rest["data"]], rest["has_more"]) == ([ids[0]], False)
    assert [sweep["id"] for sweep in api.get("/sweeps?label=round:1").json()["data"]] == [ids[1]]
    assert pointers(api.get("/sweeps?label=nonsense")) == {"#query/label"}


def test_a_sweep_is_cancelled_and_then_deleted_with_the_files_of_its_jobs(
    api: TestClient, store: Store, settings: Settings
) -> None:
    sweep = posted(api, base={"dataset": "digits"}, grid=GRID)
    folder = settings.artifacts / owners.of_job(jobs_of(sweep)[1][0])
    folder.mkdir(parents=True)
    assert "cancel" in problem(api.delete(sweep["links"]["self"]), 409)["detail"]
    assert "DELETE /sweeps/" in problem(api.delete(f"/jobs/{jobs_of(sweep)[1][0]}"), 409)["detail"]
    for _ in range(2):
        answer = api.post(sweep["links"]["cancel"])
        assert (answer.status_code, answer.json()["state"], answer.json()["jobs"]["cancelled"]) == (202, "cancelled", 3)
    assert api.delete(sweep["links"]["self"]).status_code == 204
    assert not folder.exists()
    problem(api.get(sweep["links"]["self"]), 404)
    assert api.get("/jobs").json()["data"] == []


def test_a_sweep_that_has_ended_cannot_be_cancelled(api: TestClient, store: Store) -> None:
    sweep = posted(api, base={"dataset": "digits", "epochs": 1}, trials=[{}])
    end(store, jobs_of(sweep)[1][0], 0.5)
    assert "already ended" in problem(api.post(sweep["links"]["cancel"]), 409)["detail"]


def test_a_sweep_that_learns_has_two_trials_under_way_for_each_training_process(api: TestClient, store: Store) -> None:
    tpe = {"trials": 50, "ranges": {"learning_rate": {"log_uniform": [0.001, 0.1]}}}
    assert posted(api, tpe=tpe)["progress"]["trials_chosen"] == 4
    store.workers.seen("host:1", "train", slots=5)
    sweep = posted(api, tpe=tpe)
    assert (sweep["progress"]["trials_chosen"], sweep["spec"]["tpe"]["parallel"]) == (10, 10)
    assert sweep["state"] == "running"
    assert posted(api, tpe=tpe | {"trials": 3})["progress"]["trials_chosen"] == 3


def test_a_sweep_that_learns_is_refused_where_optuna_is_not_installed(
    api: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    answer = api.post("/sweeps", json={"tpe": {"trials": 3, "ranges": {"epochs": {"integer": [1, 2]}}}})
    assert pointers(answer) == {"/tpe"}
    assert "pip install" in answer.json()["detail"]


def test_plots_of_a_sweep_need_something_to_draw_and_somebody_who_draws(api: TestClient, store: Store) -> None:
    sweep = posted(api, base={"dataset": "digits", "epochs": 1}, trials=[{}])
    for plot in ("curves", "comparison", "parallel"):
        problem(api.get(sweep["links"][f"{plot}_plot"]), 409)
    end(store, jobs_of(sweep)[1][0], 0.5)
    problem(api.get(sweep["links"]["curves_plot"]), 503)
    problem(api.get(sweep["links"]["comparison_plot"]), 503)
    assert "differ" in problem(api.get(sweep["links"]["parallel_plot"]), 409)["detail"]
    problem(api.get(f"/sweeps/{sweep['id']}/plots/loss.png"), 422)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/cancel"),
        ("GET", "/table.csv"),
        ("GET", "/plots/curves.png"),
    ],
)
def test_a_sweep_that_is_not_there_is_a_404(api: TestClient, method: str, path: str) -> None:
    problem(api.request(method, f"/sweeps/nobody{path}"), 404)


WRONG: list[tuple[Any, str]] = [
    ({}, ""),
    ([], ""),
    ({"grid": GRID, "preset": "report"}, ""),
    ({"grid": {}}, "/grid"),
    ({"grid": {"epochs": []}}, "/grid/epochs"),
    ({"grid": GRID, "seeds": 0}, "/seeds"),
    ({"grid": GRID, "share_order": "yes"}, "/share_order"),
    ({"grid": GRID, "share_order": True, "base": {"shuffle": False}}, "/share_order"),
    ({"grid": GRID, "surprise": 1}, "/surprise"),
    ({"grid": GRID, "name": "x" * 121}, "/name"),
    ({"trials": []}, "/trials"),
    ({"trials": ["x"]}, "/trials/0"),
    ({"preset": "worst"}, "/preset"),
    ({"random": {"trials": 0, "ranges": {"epochs": {"integer": [1, 2]}}}}, "/random/trials"),
    ({"random": {"trials": 1, "ranges": {}}}, "/random/ranges"),
    ({"random": {"trials": 1, "ranges": {"epochs": {}}}}, "/random/ranges/epochs"),
    (
        {"random": {"trials": 1, "ranges": {"epochs": {"integer": [1, 2], "choice": [1]}}}},
        "/random/ranges/epochs",
    ),
    ({"random": {"trials": 1, "ranges": {"epochs": {"integer": [2, 2]}}}}, "/random/ranges/epochs/integer"),
    ({"random": {"trials": 1, "ranges": {"epochs": {"integer": [1, 2, 3]}}}}, "/random/ranges/epochs/integer"),
    (
        {"random": {"trials": 1, "ranges": {"learning_rate": {"log_uniform": [0, 1]}}}},
        "/random/ranges/learning_rate/log_uniform",
    ),
    ({"grid": {"epochs": [0]}}, "/grid/epochs/0"),
    ({"grid": {"dataset": ["cifar10"]}}, "/grid/dataset/0"),
    ({"grid": GRID, "halving": {"reduction": 1}}, "/halving/reduction"),
    ({"grid": GRID, "halving": {"synchronous": "yes"}}, "/halving/synchronous"),
    ({"tpe": {"trials": 9, "ranges": {"seed": {"integer": [0, 9]}}}, "halving": {"synchronous": True}}, "/halving"),
    ({"grid": {"seed": list(range(10_001))}}, "/grid"),
]


@pytest.mark.parametrize(("body", "pointer"), WRONG)
def test_a_sweep_that_cannot_be_is_refused_with_a_pointer_to_the_field(
    api: TestClient, store: Store, body: Any, pointer: str
) -> None:
    assert pointers(api.post("/sweeps", json=body)) == {pointer}
    assert store.sweeps.find(limit=1) == []
    assert store.jobs.find(limit=1) == []


def test_a_number_that_is_none_is_refused_wherever_it_stands(api: TestClient) -> None:
    for body in ('{"base": {"epochs": NaN}, "trials": [{"epochs": 1}]}', '{"grid": {"learning_rate": [1e999]}}'):
        problem(api.post("/sweeps", content=body, headers={"Content-Type": "application/json"}), 422)


def test_a_body_over_the_limit_is_refused(api: TestClient) -> None:
    body = json.dumps({"trials": [{"name": "x" * 2000}] * 1000})
    problem(api.post("/sweeps", content=body, headers={"Content-Type": "application/json"}), 413)
    problem(api.post("/sweeps", content="{}", headers={"Content-Type": "text/plain"}), 415)
