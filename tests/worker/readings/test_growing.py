"""A nightly append as it is done: sent, read by a worker, looked at, learned from; and nothing is stored twice."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from models.data.reading.options import Options
from models.data.reading.read import read as read_file
from models.spec import TrainingSpec
from service.api.app import create_app
from service.artifacts import Artifacts
from service.cli.doctor import examine
from service.settings import Settings
from service.store.store import Store
from tests.answers import problem
from tests.models.data.reading.adding.versions import pictures
from worker.datasets import load
from worker.readings.reading import read
from worker.train.run import run

OWNER = "host:1:token/1"
Send = Callable[..., Any]


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: the store's tests run on both."""
    return sqlite_url


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"poll_seconds": 0.02, "max_wait_seconds": 0.1})


@pytest.fixture
def api(settings: Settings) -> Any:
    with TestClient(create_app(settings), base_url="http://localhost") as client:
        yield client


@pytest.fixture
def send(api: TestClient, store: Store, artifacts: Artifacts, settings: Settings) -> Send:
    """Send a file, and have it read."""

    def sent(content: bytes, *, status: int = 202, **said: Any) -> Any:
        headers = {"Content-Type": "text/csv"}
        answer = api.post("/datasets", params={"name": "letters"} | said, content=content, headers=headers)
        assert answer.status_code == status, answer.text
        read(None, store, artifacts, settings, owner=OWNER)
        return api.get(answer.headers["location"]).json()

    return sent


def test_every_night_some_are_appended(
    send: Send, api: TestClient, store: Store, artifacts: Artifacts, settings: Settings, tmp_path: Any
) -> None:
    nights = [range(25), range(25, 32), range(32, 40)]
    for number, rows in enumerate(nights, 1):
        version = send(pictures(rows), append=True)
        assert (version["version"], version["state"]) == (number, "ready"), version["faults"]
        assert version["appended_to"] == (f"letters/{number - 1}" if number > 1 else None)
        assert version["added"] == (len(rows) if number > 1 else None)
        assert version["description"]["sha256"] == version["sha256"]
    (tmp_path / "file").write_bytes(pictures(range(40)))
    whole = read_file(tmp_path / "file", tmp_path, Options(), progress=lambda *_: None)
    examples = load("letters/3", store, artifacts, settings)
    assert version["sha256"] == whole.sha256 == examples.digest
    mean, deviation = examples.mean_and_deviation()
    assert (version["description"]["mean"], version["description"]["deviation"]) == (mean, deviation)
    sizes = [path.stat().st_size - 128 for path in settings.artifacts.rglob("values*")]
    assert sorted(sizes) == sorted(len(rows) * 784 for rows in nights), "what is shared lies on the disk once"

    assert send(pictures(nights[1]), status=200, append=True)["version"] == 2
    rows = api.get("/datasets/letters/versions/3/rows?after=23&limit=10").json()["data"]
    assert [row["row"] for row in rows] == list(range(24, 34))
    for row in (24, 25, 39):
        assert api.get(f"/datasets/letters/versions/3/images/{row}.png").status_code == 200
    assert api.get("/datasets/letters/versions/3/samples.png").content[1:4] == b"PNG"
    added = api.get("/datasets/letters/versions/3/reading").json()["added"]
    assert (added["to"], added["examples"], added["duplicates"]) == ("letters/2", 8, 0)
    page = api.get("/datasets/letters/versions/3/reading", headers={"Accept": "text/markdown"}).text
    assert "## Added" in page
    assert "| to | letters/2 |" in page

    (job_id,) = store.submissions.submit([TrainingSpec(dataset="letters/3", hidden_sizes=[8], epochs=2)])
    for version in (1, 2):
        assert api.delete(f"/datasets/letters/versions/{version}").status_code == 204
    run(job_id, store, artifacts, settings, owner=OWNER)
    job = store.jobs.get(job_id)
    assert job is not None
    assert job.state == "succeeded", job.error
    assert np.array_equal(np.asarray(load("letters/3", store, artifacts, settings).values), np.asarray(examples.values))
    assert [one.key for one in examine(store, artifacts, young_seconds=-1)] == []
    problem(api.post("/datasets/letters/versions", json={"from": 3}), 409)


def test_what_does_not_fit_is_refused_and_leaves_the_version_before_as_it_was(
    send: Send, api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    send(pictures(range(30)))
    failed = send(pictures([0], label="x"), append=True)
    assert (failed["state"], failed["appended_to"]) == ("failed", "letters/1")
    assert "others are whole numbers" in failed["faults"][0]["detail"]
    version = send(pictures([31]), append=True)
    assert (version["state"], version["appended_to"], version["examples"]) == ("ready", "letters/1", 31)
    again = api.post("/datasets/letters/versions", json={"from": 3, "options": {"duplicates": "drop"}}).json()
    assert (again["version"], again["appended_to"]) == (4, "letters/1")
    refused = api.delete("/datasets/letters/versions/1")
    assert "version 4 of the data set 'letters' is being read, which is appended to version 1" in (
        problem(refused, 409)["detail"]
    )  # fmt: skip
    assert refused.headers["retry-after"] == "2"
    assert [one.key for one in examine(store, artifacts, young_seconds=-1)] == []


def test_while_the_newest_is_read_nothing_is_appended(api: TestClient) -> None:
    def post(rows: range, **headers: str) -> Any:
        said = {"Content-Type": "text/csv", **headers}
        return api.post("/datasets?name=letters&append=true", content=pictures(rows), headers=said)

    first = post(range(30), **{"Idempotency-Key": "night-1"})
    assert (first.status_code, first.json()["appended_to"]) == (202, None)
    refused = post(range(30, 40))
    assert "is being read" in problem(refused, 409)["detail"]
    assert refused.headers["retry-after"] == "2"
    assert post(range(30), **{"Idempotency-Key": "night-1"}).status_code == 202
    assert post(range(30)).status_code == 200
    problem(post(range(31), **{"Idempotency-Key": "night-1"}), 422)
    builtin = api.post("/datasets?name=mnist&append=true", content=b"x", headers={"Content-Type": "text/csv"})
    assert "is built in" in problem(builtin, 409)["detail"]
    problem(api.post("/datasets?name=letters&append=perhaps", content=b"x"), 422)
