"""Training on a disk that is full: no job is lost, none is begun in vain, and none tells where files lie."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.records import Epoch, TrainingRecord
from models.training import train
from service.artifacts import Artifacts
from service.settings import Settings
from service.store.stalled import MAX_FRUITLESS_ATTEMPTS
from service.store.store import Store
from tests.disks import fill, small_disk
from tests.worker.training import found, kept, submit, trained
from worker.train.run import run


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: that a job is given back is a test of the store, on both."""
    return sqlite_url


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk") as disk:
        yield disk


@pytest.fixture
def on_small_disk(settings: Settings, disk: Path) -> Settings:
    return settings.model_copy(update={"home": disk, "disk_floor_bytes": 0})


def test_a_job_whose_checkpoint_does_not_fit_waits_and_ends_with_the_same_bits(
    store: Store, artifacts: Artifacts, settings: Settings, on_small_disk: Settings, disk: Path
) -> None:
    def train_and_fill(*arguments: Any, **options: Any) -> Iterator[TrainingRecord]:
        for record in train(*arguments, **options):
            yield record
            if isinstance(record, Epoch) and record.epoch == 2:
                fill(disk)

    undisturbed = trained(store, artifacts, settings)
    job_id, files = submit(store), Artifacts(on_small_disk.artifacts)
    assert run(job_id, store, files, on_small_disk, owner="first", trainer=train_and_fill) == []
    waiting = found(store, job_id)
    assert (waiting.state, waiting.last_epoch, waiting.error) == ("queued", 2, None)
    assert not [path.name for path in kept(files, job_id) if path.name.startswith(".")]
    (disk / "ballast").unlink()
    run(job_id, store, files, on_small_disk, owner="second")
    ended = found(store, job_id)
    assert (ended.state, ended.attempt, ended.bit_identical) == ("succeeded", 2, True)
    assert ended.weights_sha256 == undisturbed.weights_sha256


def test_a_job_that_never_fits_fails_in_the_end_and_says_what_to_do(
    store: Store, on_small_disk: Settings, disk: Path
) -> None:
    job_id = submit(store)
    (disk / "artifacts").mkdir()
    fill(disk)
    for _ in range(MAX_FRUITLESS_ATTEMPTS):
        assert found(store, job_id).state == "queued"
        run(job_id, store, Artifacts(on_small_disk.artifacts), on_small_disk, owner="worker")
    job = found(store, job_id)
    assert (job.state, job.error["type"]) == ("failed", "disk")
    assert "No space left on device" in job.error["message"]
    assert "/retry" in job.error["message"]
    assert str(disk) not in job.error["message"]


def test_what_is_learned_is_no_version_before_its_card_is_written(
    store: Store, on_small_disk: Settings, disk: Path
) -> None:
    def train_and_fill(*arguments: Any, **options: Any) -> Iterator[TrainingRecord]:
        for record in train(*arguments, **options):
            if not isinstance(record, Epoch):
                fill(disk)
            yield record

    job_id, files = submit(store, epochs=1), Artifacts(on_small_disk.artifacts)
    run(job_id, store, files, on_small_disk, owner="first", trainer=train_and_fill)
    assert (found(store, job_id).state, store.models.all()) == ("queued", [])
    (disk / "ballast").unlink()
    run(job_id, store, files, on_small_disk, owner="second")
    assert found(store, job_id).state == "succeeded"
    assert "card.json" in {file.name for file in store.files.of("models/digits/1")}


def test_no_job_is_begun_while_the_disk_has_too_little_free(
    store: Store, artifacts: Artifacts, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    job_id = submit(store)
    full = settings.model_copy(update={"disk_floor_bytes": 2**62})
    for _ in range(3):
        assert run(job_id, store, artifacts, full, owner="worker") == []
    assert (found(store, job_id).state, found(store, job_id).attempt) == ("queued", 0)
    assert caplog.text.count("no job is begun: the disk of the files has") <= 1  # a line a minute
