"""A home from before data sets had versions: its uploads are their first, and its jobs go on with the same bits."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from models.spec import TrainingSpec
from service.artifacts import Artifacts
from service.settings import Settings
from service.store import owners
from service.store.files import File
from service.store.shared_columns import DEFAULT
from service.store.store import Store
from tests.homes import at, job
from tests.records import claim
from worker.datasets import load, stored
from worker.readings.reading import read

DESCRIPTION = {
    "examples": 40,
    "image_shape": [28, 28],
    "class_counts": [4] * 10,
    "mean": 7.0,
    "deviation": 0.5,
    "sha256": "d" * 64,
}
SPEC = {"dataset": "letters", "hidden_sizes": [8], "epochs": 2}


def dataset(name: str, source: str, state: str) -> dict[str, Any]:
    description = json.dumps(DESCRIPTION if state == "ready" else None)
    error = "no luck" if state == "failed" else None
    times = {"created_at": 1, "changed_at": 2}
    return {"name": name, "source": source, "state": state, "description": description, "error": error, **times}


def test_uploads_are_their_first_version_and_unended_jobs_find_their_data(
    bare_url: str, settings: Settings, artifacts: Artifacts
) -> None:
    table = np.array([[n % 10, *[n] * 784] for n in range(40)], np.uint8)
    pointers = []
    for name in ("letters", "unseen"):
        kept = artifacts.write_with(f"datasets/{name}", "table.npy", lambda file: np.save(file, table))
        pointers.append({**vars(kept), "owner": f"datasets/{name}", "created_at": 1})
    picture = artifacts.write("datasets/letters", "samples.png", b"png")
    pointers.append({**vars(picture), "owner": "datasets/letters", "created_at": 1})
    spec = TrainingSpec(**SPEC)  # type: ignore[arg-type]
    at(
        bare_url,
        "0007",
        datasets=[
            dataset("letters", "upload", "ready"),
            dataset("unseen", "upload", "failed"),
            dataset("digits", "builtin", "ready"),
            dataset("mnist", "builtin", "failed"),
        ],
        artifacts=pointers,
        jobs=[job(spec, "queued"), job(TrainingSpec(dataset="digits"), "cancelled")],
    )
    store = Store.open(settings).of(DEFAULT)
    try:
        states = {row.dataset: (row.version, row.state, row.source) for row in store.datasets.all()}
        assert states == {
            "letters": (1, "ready", "upload"),
            "unseen": (1, "reading", "upload"),
            "digits": (1, "ready", "builtin"),
        }
        row = store.datasets.version("letters", 1)
        assert row is not None
        assert (row.description, row.sha256, row.examples, row.file_sha256) == (DESCRIPTION, "d" * 64, 40, None)
        files = {file.name: file.key for file in store.files.of("datasets/letters/1")}
        assert files == {"table.npy": pointers[0]["key"], "samples.png": picture.key}, "they lie where they lay"
        assert Path(files["table.npy"]).parent.as_posix() == "datasets/letters"
        # The job is what it was, and means what it meant, also when there is another version by now.
        sent = artifacts.write(owners.of_dataset("letters"), "file", b"others")
        assert store.datasets.add("letters", sent, None, {})[0].version == 2
        held = claim(store, "queued")
        assert TrainingSpec.model_validate(held.spec) == spec
        queued = store.jobs.get("queued")
        assert queued is not None
        assert (queued.dataset, queued.dataset_version, queued.asked) == ("letters", 1, None)
        assert (queued.spec_sha256, queued.shape) == (spec.digest, spec.shape)
        examples = load("letters", store, artifacts, settings)
        assert (examples.values.reshape(40, -1) == table[:, 1:]).all()
        assert examples.digest == load("letters/1", store, artifacts, settings).digest
        assert stored("digits", store, artifacts) is None
        # Who submits anew is told which version that is, and trains as it was trained then.
        (again,) = store.resolution.settle([spec])
        assert (again.dataset, again.stratify, again.digest) == ("letters/1", False, spec.digest)
        # What nobody could describe is looked at again.
        assert read(("default", "unseen", 1), store, artifacts, settings, owner="host:1:token/1")
        seen = store.datasets.version("unseen", 1)
        assert seen is not None
        assert (seen.state, seen.sha256, seen.reading) == ("ready", examples.digest, None)
    finally:
        store.database.close()


def test_a_file_that_was_uploaded_before_data_grew_is_never_appended_to_itself(
    bare_url: str, settings: Settings, artifacts: Artifacts
) -> None:
    about = {"options": "{}", "progress": "{}", "faults": "[]", "attempt": 1, "fruitless_attempts": 0}
    times = {"created_at": 1, "changed_at": 2, "rung_at": 1}
    version = {"dataset": "letters", "version": 1, "state": "ready", "file_sha256": "a" * 64, "cancel_requested": False}
    at(
        bare_url,
        "0010",
        datasets=[{"name": "letters", "source": "upload", "newest": 1, "created_at": 1}],
        dataset_versions=[version | about | times],
    )
    store = Store.open(settings).of(DEFAULT)
    try:
        sent = File("file", "datasets/letters/file-a", "a" * 64, 1, 0)
        row, is_new = store.datasets.add("letters", sent, None, {}, append=True)
        assert (row.version, is_new, row.appended_to) == (1, False, None)
        other = File("file", "datasets/letters/file-b", "b" * 64, 1, 0)
        row, is_new = store.datasets.add("letters", other, None, {}, append=True)
        assert (row.version, is_new, row.appended_to) == (2, True, 1)
    finally:
        store.database.close()


def test_events_of_data_sets_from_a_home_of_before_stand_above_all_numbers_that_were_given(
    bare_url: str, settings: Settings
) -> None:
    spec = TrainingSpec(dataset="digits")
    no = {"attempt": 0, "fruitless_attempts": 0, "cancel_requested": False}
    version = {"dataset": "letters", "version": 1, "state": "ready", "options": "{}", "progress": "{}", "faults": "[]"}
    told = {"data": "{}", "created_at": 1}
    at(
        bare_url,
        "0016",
        jobs=[job(spec, "queued")],
        datasets=[{"name": "letters", "source": "upload", "newest": 1, "created_at": 1}],
        dataset_versions=[{**version, **no, "created_at": 1, "changed_at": 1, "rung_at": 1}],
        events=[{"job_id": "queued", "type": "state", **told} for _ in range(5)],
        dataset_events=[{"dataset": "letters", "version": 1, "type": kind, **told} for kind in ("data.reading",) * 7],
    )
    store = Store.open(settings).of(DEFAULT)
    try:
        assert [event.number for event in store.jobs.events("queued")] == [1, 2, 3, 4, 5]
        assert [event.number for event in store.datasets.events("letters", 1)] == list(range(8, 15))
        store.datasets.delete("letters")
        assert store.datasets.events("letters", 1) == []
        store.jobs.pause("queued")
        assert store.jobs.events("queued")[-1].number == 16  # that the data set was deleted is told as well
    finally:
        store.database.close()
