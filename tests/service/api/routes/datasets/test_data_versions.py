"""Versions of data sets over HTTP: looked at, downloaded, cancelled, deleted, trained on."""

import hashlib
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from models.data.schema import Column, Images, Table
from service.artifacts import Artifacts
from service.store import owners
from service.store.store import Store
from service.store.tables import jobs
from tests.answers import problem
from tests.records import SPEC, data, ended, submit, succeeded

READING = {
    "taken_for": {"format": "csv", "label": {"column": "species", "why": "its name"}, "size": [8, 8]},
    "notes": [{"what": "byte order mark", "detail": "left out"}],
    "examples": 30,
    "classes": [{"name": "<b>*bold*</b>", "examples": 30}],
    "columns": [],
    "left_out": [{"column": "Id", "why": "a number of the row"}],
    "dropped": [{"why": "no label", "count": 2, "examples": [{"where": "line 3", "text": "a|b"}]}],
    "warnings": [],
}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: the store's tests run on both."""
    return sqlite_url


def test_a_version_tells_what_it_is_and_what_was_read(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    data(store, artifacts, content=b"1", reading=READING)
    data(store, artifacts, content=b"2", state="failed")
    first, second = (api.get(f"/datasets/mine/versions/{number}").json() for number in (1, 2))
    assert (first["state"], first["examples"], first["sha256"]) == ("ready", 30, "d" * 64)
    assert first["schema"]["classes"] == list("0123456789")
    assert second["faults"] == [{"where": "line 1", "detail": "it is bad", "remedy": "mend it"}]
    whole = api.get("/datasets/mine").json()
    assert (whole["newest"], whole["state"], whole["error"]) == (2, "failed", "line 1: it is bad; mend it")
    assert (whole["ready"], whole["links"]["ready"]) == ("mine/1", "/datasets/mine/versions/1")
    assert [one["ready"] for one in api.get("/datasets").json()["data"] if one["name"] == "mine"] == ["mine/1"]
    page = api.get("/datasets/mine/versions?limit=1").json()
    assert ([one["version"] for one in page["data"]], page["has_more"]) == ([2], True)
    assert [one["version"] for one in api.get(page["next"]).json()["data"]] == [1]
    told = api.get("/datasets/mine/versions/1/events").json()["data"]
    assert [event["type"] for event in told] == ["data.reading", "data.ready"]
    stream = api.get("/datasets/mine/versions/1/events", headers={"Accept": "text/event-stream"}).text
    assert [line for line in stream.splitlines() if line.startswith("event:")] == [
        "event: data.reading",
        "event: data.ready",
        "event: end",
    ]


def test_progress_says_whether_bytes_or_only_work_is_left(api: TestClient, store: Store) -> None:
    api.post("/datasets?name=letters", content=b"a" * 100, headers={"Content-Type": "text/csv"})

    def progress() -> dict[str, Any]:
        seen: dict[str, Any] = api.get("/datasets/letters/versions/1?wait=0").json()["progress"]
        return seen

    assert progress()["phase"] == "waiting"
    claim = store.readings.claim(("default", "letters", 1), "host:1:token/1")
    assert claim is not None
    for count, phase in ((60, "reading"), (100, "examining")):
        store.readings.renew(claim, {"bytes": count, "bytes_total": 100, "rows": 1})
        assert progress() == {"bytes": count, "bytes_total": 100, "rows": 1, "phase": phase}
    store.readings.fail(claim, [{"where": "file", "detail": "bad", "remedy": "mend it"}])
    assert progress()["phase"] is None
    assert api.get("/datasets/letters").json()["ready"] is None


def test_a_reading_is_json_or_a_page_that_shows_what_was_written(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    data(store, artifacts, content=b"1", reading=READING)
    data(store, artifacts, content=b"2", state="failed")
    data(store, artifacts, content=b"3", state="reading")
    data(store, artifacts, content=b"4")
    link = "/datasets/mine/versions/{}/reading"
    assert api.get(link.format(1)).json() == READING
    page = api.get(link.format(1), headers={"Accept": "text/markdown"})
    assert page.headers["content-type"].startswith("text/markdown")
    assert "| \\<b\\>\\*bold\\*\\</b\\> | 30 |" in page.text
    assert "a\\|b" in page.text
    assert "column: species, why: its name" in page.text
    assert "line 1: it is bad; mend it" in problem(api.get(link.format(2)), 409)["detail"]
    assert "is being read" in problem(api.get(link.format(3)), 503)["detail"]
    assert "has no reading" in problem(api.get(link.format(4)), 404)["detail"]


def test_a_data_set_whose_newest_version_failed_shows_what_the_one_before_it_holds(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    data(store, artifacts, content=b"1", reading=READING)
    picture = artifacts.write(owners.of_data("mine", 1), "samples.png", b"a picture")
    store.files.publish(owners.of_data("mine", 1), [picture])
    data(store, artifacts, content=b"2", state="failed")
    shown = api.get("/datasets/mine").json()
    assert (shown["state"], shown["newest"], shown["ready"]) == ("failed", 2, "mine/1")
    assert "it is bad" in shown["error"]
    assert shown["kind"] is not None
    assert shown["classes"]
    assert shown in api.get("/datasets").json()["data"]
    assert api.get("/datasets/mine/samples.png").content == b"a picture"
    assert api.get("/datasets/mine/versions/2/samples.png").status_code == 409


def test_the_file_is_given_as_it_was_sent(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    data(store, artifacts, content=b"0123456789")
    link = "/datasets/mine/versions/1/file"
    whole = api.get(link)
    assert whole.content == b"0123456789"
    assert whole.headers["etag"] == f'"{hashlib.sha256(whole.content).hexdigest()}"'
    part = api.get(link, headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.content) == (206, b"234")
    assert api.get(link, headers={"If-None-Match": whole.headers["etag"]}).status_code == 304
    store.datasets.ask_for("digits")
    assert "is not kept" in problem(api.get("/datasets/digits/versions/1/file"), 404)["detail"]


def test_a_reading_is_cancelled_and_one_that_has_ended_is_not(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    data(store, artifacts, content=b"1", state="reading")
    data(store, artifacts, content=b"2")
    for _ in range(2):
        answer = api.post("/datasets/mine/versions/1/cancel")
        assert (answer.status_code, answer.json()["state"]) == (202, "cancelled")
    assert "nothing to cancel" in problem(api.post("/datasets/mine/versions/2/cancel"), 409)["detail"]
    problem(api.post("/datasets/mine/versions/9/cancel"), 404)
    assert "was not read" in problem(api.post("/jobs", json=SPEC | {"dataset": "mine/1"}), 409)["detail"]


def test_a_version_that_a_job_needs_is_not_deleted(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    data(store, artifacts, content=b"1")
    data(store, artifacts, content=b"2")
    job = api.post("/jobs", json=SPEC | {"dataset": "mine/1"}).json()
    for link in ("/datasets/mine/versions/1", "/datasets/mine"):
        assert f"job {job['id']}" in problem(api.delete(link), 409)["detail"]
    assert api.delete("/datasets/mine/versions/2").status_code == 204
    problem(api.delete("/datasets/mine/versions/2"), 404)
    api.post(f"/jobs/{job['id']}/cancel")
    assert api.delete("/datasets/mine").status_code == 204
    problem(api.delete("/datasets/mine"), 404)
    assert not list(artifacts.folder.glob("datasets/*"))
    problem(api.delete("/datasets/digits"), 409)
    problem(api.delete("/datasets/digits/versions/1"), 409)


def test_which_models_learned_from_a_version(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    data(store, artifacts)
    for model in ("b", "a"):
        ended(store, artifacts, dataset="mine/1", model=model)
    succeeded(store, artifacts, dataset="mine", model="before-there-were-versions")
    succeeded(store, artifacts, dataset="mine", model="of-another-of-this-name", data_sha256="e" * 64)
    ended(store, artifacts)
    link, seen = "/datasets/mine/versions/1/models?limit=2", []
    while link:
        page = api.get(link).json()
        seen += [one["model"] for one in page["data"]]
        link = page["next"]
    assert seen == ["a", "b", "before-there-were-versions"]


def test_a_job_names_the_newest_version_that_is_ready_and_says_which(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    spec = SPEC | {"dataset": "mine"}
    assert "there is no data set called 'mine'" in problem(api.post("/jobs", json=spec), 422)["detail"]
    data(store, artifacts, content=b"1", state="reading")
    for path, body in (("/jobs", spec), ("/sweeps", {"base": spec, "grid": {"seed": [1]}})):
        answer = api.post(path, json=body)
        assert "is being read" in problem(answer, 409)["detail"]
        assert answer.headers["retry-after"] == "2"
    data(store, artifacts, content=b"2")
    data(store, artifacts, content=b"3", state="failed")
    told = api.post("/jobs", json=spec).json()["spec"]
    assert (told["dataset"], told["stratify"], told["model"]) == ("mine/2", True, "mine")
    assert "line 1: it is bad" in problem(api.post("/jobs", json=spec | {"dataset": "mine/3"}), 409)["detail"]
    problem(api.post("/jobs", json=spec | {"dataset": "mine/9"}), 422)
    told = api.post("/jobs", json=SPEC).json()["spec"]
    assert (told["dataset"], told["stratify"], told["model"]) == ("digits", False, "digits")


def test_a_sweep_is_resolved_once_for_all_its_trials(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    data(store, artifacts)
    body = {"base": {"epochs": 1}, "grid": {"dataset": ["mine", "digits"]}, "seeds": 2}
    sweep = api.post("/sweeps", json=body).json()
    found = store.sweeps.jobs(sweep["id"])
    assert [(job.spec["dataset"], job.spec["stratify"], job.spec["model"]) for job in found] == [
        ("mine/1", True, "mine"),
        ("mine/1", True, "mine"),
        ("digits", False, "digits"),
        ("digits", False, "digits"),
    ]
    assert "there is no data set" in problem(api.post("/sweeps", json=body | {"base": {"dataset": "x"}}), 422)["detail"]


def test_an_id_of_the_client_s_stands_for_what_it_sent(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    data(store, artifacts, content=b"1")
    spec = SPEC | {"dataset": "mine"}
    assert api.put("/jobs/nightly", json=spec).json()["spec"]["dataset"] == "mine/1"
    data(store, artifacts, content=b"2")
    again = api.put("/jobs/nightly", json=spec)
    assert (again.status_code, again.json()["spec"]["dataset"]) == (200, "mine/1")
    problem(api.put("/jobs/nightly", json=spec | {"dataset": "mine/1"}), 409)
    assert api.put("/jobs/nightly", json=spec | {"model": "mine"}).status_code == 200, "which is what it meant"
    problem(api.put("/jobs/nightly", json=spec | {"model": "others"}), 409)
    # Of a job from before it is not known what was sent.
    with store.database.writer.begin() as connection:
        connection.execute(update(jobs).values(asked=None, spec=SPEC | {"model": "default"}))
    assert api.put("/jobs/nightly", json=SPEC).status_code == 200
    assert api.put("/jobs/nightly", json=SPEC | {"model": "default"}).status_code == 200
    problem(api.put("/jobs/nightly", json=SPEC | {"model": "digits"}), 409)
    problem(api.put("/jobs/nightly", json=SPEC | {"seed": 9}), 409)


def test_equal_jobs_on_equal_data_are_used_again_whatever_the_number(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    data(store, artifacts, content=b"1")
    job_id = ended(store, artifacts, dataset="mine/1", stratify=True, model="mine")
    data(store, artifacts, content=b"the same examples in other bytes")
    prefer, spec = {"Prefer": "reuse"}, SPEC | {"dataset": "mine"}
    assert api.post("/jobs", json=spec, headers=prefer).json()["id"] == job_id
    data(store, artifacts, content=b"others", sha256="e" * 64)
    assert api.post("/jobs", json=spec, headers=prefer).status_code == 202


@pytest.mark.parametrize(
    ("schema", "fields", "pointer", "told"),
    [
        (
            Images(height=224, width=224, channels=3),
            {"hidden_sizes": [100]},
            "hidden_sizes",
            "more than the 10,000,000 allowed",
        ),
        (
            Table(columns=(Column(name="a", type="number"),), classes=("x", "y")),
            {"shift_pixels": 2},
            "shift_pixels",
            "rows of a table are no pictures to be moved",
        ),
    ],
)
def test_what_the_data_does_not_allow_is_refused_in_its_field(
    api: TestClient,
    store: Store,
    artifacts: Artifacts,
    schema: Images | Table,
    fields: dict[str, Any],
    pointer: str,
    told: str,
) -> None:
    data(store, artifacts, schema=schema.model_dump(mode="json"))
    job_id = submit(store, dataset="digits")
    answer = problem(api.post("/jobs", json={"dataset": "mine", **fields}), 422)
    assert [error["pointer"] for error in answer["errors"]] == [f"/{pointer}"]
    assert told in answer["errors"][0]["detail"]
    answer = problem(api.post("/sweeps", json={"base": {"dataset": "mine", **fields}, "grid": {"seed": [1]}}), 422)
    assert answer["detail"].startswith("trial 1: ")
    assert [job.id for job in store.jobs.find(limit=10)] == [job_id]
