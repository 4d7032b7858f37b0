"""The API on a disk that has little room, none, or that cannot be written: what grows is refused, all else goes on."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from service.artifacts import Artifacts
from service.settings import Settings
from service.store.small_tables import submissions
from service.store.store import Store
from tests.answers import problem
from tests.disks import fill, make_read_only, small_disk
from tests.records import SPEC, in_state, submit, succeeded

CSV = "\n".join(",".join([str(number % 10), *["7"] * 784]) for number in range(30))
AS_CSV = {"Content-Type": "text/csv"}
IMAGE = {"image": [[0, 255] * 14] * 28}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: its database lies on a disk of ours."""
    return sqlite_url


def kept(store: Store) -> int:
    """Count the answers that are kept under keys."""
    with store.database.reader.connect() as connection:
        return connection.scalar(select(func.count()).select_from(submissions)) or 0


class TestLittleRoom:
    """More is to stay free than any disk has."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"disk_floor_bytes": 2**62})

    def test_what_grows_is_refused_with_what_is_free_and_what_to_delete(
        self, api: TestClient, store: Store, artifacts: Artifacts
    ) -> None:
        ended, paused = in_state("succeeded", store, artifacts), in_state("paused", store, artifacts)
        first, second = (succeeded(store, artifacts, seed=seed, model="m") for seed in (1, 2))
        api.put(f"/jobs/{paused}", json={})
        before = len(store.jobs.find(limit=100))
        refused = [
            api.post("/jobs", json=SPEC),
            api.post("/jobs", json=SPEC, headers={"Idempotency-Key": "k"}),
            api.put("/jobs/mine", json=SPEC),
            api.post(f"/jobs/{ended}/retry"),
            api.post(f"/jobs/{first}/verify"),
            api.post(f"/jobs/{ended}/continue", json={"epochs": 1}),
            api.post(f"/jobs/{ended}/continue", json={"epochs": 1, "changes": {"learning_rate": 0.1}}),
            api.post("/sweeps", json={"base": {"dataset": "digits"}, "grid": {"seed": [1, 2]}}),
            api.post("/datasets?name=mine", content=CSV, headers=AS_CSV),
            api.post("/datasets?name=mine", content=iter([CSV.encode()]), headers=AS_CSV),
            api.post("/datasets/preview", content=CSV, headers=AS_CSV),
            api.post("/models", json={"name": "both", "members": ["m/1", "m/2"]}),
            api.get("/models/m/versions/1/export.onnx"),
            api.get("/models/m/versions/2/export.pt2"),
            api.get(f"/jobs/{second}/plots/loss.png"),
            api.get("/datasets/digits"),
            api.post(f"/jobs/{paused}/resume"),
            api.post(f"/jobs/{paused}/resume", headers={"Idempotency-Key": "k"}),
            api.post(f"/jobs/{paused}/pause", headers={"Idempotency-Key": "k"}),
            api.put("/models/m/aliases/champion", json={"version": 1}),
            api.put("/models/m/aliases/champion", json={"version": 1}, headers={"Idempotency-Key": "k"}),
            api.put("/models/m/aliases/mine", json={"version": 1}),
            api.post("/models/m/aliases/champion/rollback", headers={"Idempotency-Key": "k"}),
        ]
        for answer in refused:
            told = problem(answer, 507)["detail"]
            assert all(
                word in told for word in (" free", "TENFOLD_DISK_FLOOR_BYTES", "tenfold gc", "DELETE /jobs/{id}")
            )
        assert len(store.jobs.find(limit=100)) == before

    def test_predicting_looking_cancelling_and_deleting_go_on(
        self, api: TestClient, store: Store, artifacts: Artifacts
    ) -> None:
        ended, waiting = succeeded(store, artifacts), submit(store)
        assert api.post("/predict", json=IMAGE).status_code == 200
        assert api.get("/models/mnist/versions/1/export.safetensors").status_code == 200
        assert api.post(f"/jobs/{waiting}/pause").status_code == 202
        for number in range(3):
            key = {"Idempotency-Key": f"k{number}"}
            assert api.post(f"/jobs/{waiting}/cancel", headers=key).json()["state"] == "cancelled"
        succeeded(store, artifacts, seed=1, val_accuracy=0.9)
        assert api.post("/models/mnist/aliases/champion/rollback").json()["versions"] == {"1": 1.0}
        assert api.delete("/models/mnist/versions/2").status_code == 204
        assert kept(store) == 0
        assert [api.delete(f"/jobs/{job}").status_code for job in (ended, waiting)] == [204, 204]

    def test_an_answer_that_was_given_is_given_again(self, api: TestClient, settings: Settings, store: Store) -> None:
        # What is repeated writes nothing.
        submit(store)
        mine = {"dataset": "digits"}
        object.__setattr__(api.app.state.dependencies.floor, "bytes", 0)  # type: ignore[attr-defined]
        first = api.post("/jobs", json=mine, headers={"Idempotency-Key": "k"})
        assert api.put("/jobs/own", json=mine).status_code == 202
        object.__setattr__(api.app.state.dependencies.floor, "bytes", 2**62)  # type: ignore[attr-defined]
        assert api.post("/jobs", json=mine, headers={"Idempotency-Key": "k"}).json() == first.json()
        assert api.put("/jobs/own", json=mine).status_code == 200


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk") as disk:
        yield disk


def refused(answer: Any, status: int, disk: Path) -> None:
    """Make sure that a refusal is one of ours, and tells no path."""
    problem(answer, status)
    assert str(disk) not in answer.text
    assert "/disk" not in answer.text.replace(answer.json()["instance"], "")


class TestNoRoomForFiles:
    """The files lie on a disk of their own, of which nothing is kept free."""

    @pytest.fixture
    def settings(self, settings: Settings, disk: Path) -> Settings:
        return settings.model_copy(update={"home": disk, "disk_floor_bytes": 0})

    def test_an_upload_is_refused_and_nothing_of_it_stays(self, api: TestClient, store: Store, disk: Path) -> None:
        more_than_fits = CSV + "\n" + "".join(f"{line}\n" for line in CSV.splitlines() * 33)
        ballast = fill(disk)
        refused(api.post("/datasets?name=mine", content=CSV, headers=AS_CSV), 507, disk)
        with ballast.open("r+b") as file:
            file.truncate(ballast.stat().st_size - 2**20)
        refused(api.post("/datasets?name=mine", content=more_than_fits, headers=AS_CSV), 507, disk)
        refused(api.post("/datasets/preview", content=more_than_fits, headers=AS_CSV), 507, disk)
        assert [path.name for path in disk.rglob("*") if path.is_file()] == ["ballast"]
        assert store.datasets.get("mine") is None
        ballast.unlink()
        assert api.post("/datasets?name=mine", content=CSV, headers=AS_CSV).status_code == 202

    def test_files_that_cannot_be_written_are_a_503_and_what_is_deleted_is_gone(
        self, api: TestClient, store: Store, artifacts: Artifacts, disk: Path
    ) -> None:
        job_id = succeeded(store, artifacts)
        make_read_only(disk)
        refused(api.post("/datasets?name=mine", content=CSV, headers=AS_CSV), 503, disk)
        assert api.post("/predict", json=IMAGE).status_code == 200
        assert api.delete(f"/jobs/{job_id}").status_code == 204


class TestNoRoomForTheDatabase:
    """The database lies on a disk of its own, of which nothing is kept free."""

    @pytest.fixture
    def settings(self, settings: Settings, disk: Path, migrated: Path) -> Settings:
        file = disk / "tenfold.sqlite3"
        file.write_bytes(migrated.read_bytes())
        return settings.model_copy(update={"database_url": f"sqlite:///{file}", "disk_floor_bytes": 0})

    def test_what_cannot_be_put_on_record_is_a_507_and_reading_goes_on(
        self, api: TestClient, store: Store, artifacts: Artifacts, disk: Path
    ) -> None:
        job_id = succeeded(store, artifacts)
        ballast = fill(disk)
        refused(api.post("/jobs", json={"labels": {f"k{n}": "v" * 100 for n in range(16)}}), 507, disk)
        refused(api.post("/sweeps", json={"grid": {"seed": list(range(100))}}), 507, disk)
        refused(api.post(f"/jobs/{job_id}/retry"), 507, disk)
        refused(api.post("/datasets?name=mine", content=CSV, headers=AS_CSV), 507, disk)
        assert not list(artifacts.folder.rglob("file-*"))
        assert api.get(f"/jobs/{job_id}").status_code == 200
        assert api.post("/predict", json=IMAGE).status_code == 200
        ballast.unlink()
        assert api.post("/jobs", json={}).status_code == 202

    def test_a_database_that_cannot_be_written_is_a_503(self, api: TestClient, store: Store, disk: Path) -> None:
        job_id = submit(store)
        for opened in (store.database, api.app.state.dependencies.store.database):  # type: ignore[attr-defined]
            opened.close()  # the system refuses while somebody writes
        make_read_only(disk)
        refused(api.post("/jobs", json={}), 503, disk)
        refused(api.post(f"/jobs/{job_id}/cancel"), 503, disk)


def test_of_a_cancelled_job_no_answers_are_kept(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    cancelled, waiting = in_state("cancelled", store, artifacts), submit(store)
    for number in range(3):
        key = {"Idempotency-Key": f"k{number}"}
        assert api.post(f"/jobs/{cancelled}/cancel", headers=key).status_code == 202
    assert kept(store) == 0
    for _ in range(2):
        assert api.post(f"/jobs/{waiting}/cancel", headers={"Idempotency-Key": "k"}).status_code == 202
    assert kept(store) == 1
