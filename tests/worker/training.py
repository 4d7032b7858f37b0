"""Jobs that are trained in this process, to their end or until their worker dies."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.data.examples import Examples
from models.data.schema import Images
from models.records import Epoch, TrainingRecord
from models.spec import TrainingSpec
from models.training import train
from service.artifacts import Artifacts
from service.settings import Settings
from service.store import owners
from service.store.engine import Row
from service.store.store import Store
from tests.records import data, expire
from worker.train.run import run

SMALL = {"dataset": "digits", "hidden_sizes": (8,), "epochs": 4, "learning_rate": 0.01}


def submit(store: Store, **fields: Any) -> str:
    (job_id,) = store.submissions.submit([TrainingSpec(**SMALL | fields)])  # type: ignore[arg-type]
    return job_id


def trained(store: Store, artifacts: Artifacts, settings: Settings, **fields: Any) -> Row:
    job_id = submit(store, **fields)
    run(job_id, store, artifacts, settings, owner="worker")
    return found(store, job_id)


def found(store: Store, job_id: str) -> Row:
    job = store.jobs.get(job_id)
    assert job is not None
    return job


def kept(artifacts: Artifacts, job_id: str) -> list[Path]:
    return sorted((artifacts.folder / owners.of_job(job_id)).iterdir())


def interrupted(store: Store, artifacts: Artifacts, settings: Settings) -> str:
    """Let a worker die just after it has recorded its second epoch; its lease has expired."""

    class Died(BaseException):
        pass

    def train_and_die(*arguments: Any, **options: Any) -> Iterator[TrainingRecord]:
        for record in train(*arguments, **options):
            yield record
            if isinstance(record, Epoch) and record.epoch == 2:
                raise Died

    job_id = submit(store)
    with pytest.raises(Died):
        run(job_id, store, artifacts, settings, owner="first", trainer=train_and_die)
    expire(store, job_id)
    assert store.stalled.release_expired() == [job_id]
    return job_id


def learnable(store: Store, artifacts: Artifacts, name: str, examples: Examples) -> str:
    """Put a version of a data set on record with its examples, as if it had been read; gives its reference."""
    arrays = {"values.npy": examples.values, "labels.npy": examples.labels}
    if examples.parts is not None:
        arrays["parts.npy"] = examples.parts
    files = []
    for file_name, array in arrays.items():
        content = io.BytesIO()
        np.save(content, array, allow_pickle=False)
        files.append(artifacts.write(owners.of_dataset(name), file_name, content.getvalue()))
    kind = "images" if isinstance(examples.schema, Images) else "table"
    about: dict[str, Any] = {"kind": kind, "schema": examples.schema.model_dump(mode="json"), "sha256": examples.digest}
    number = data(
        store, artifacts, name, content=examples.digest.encode(), files=files, examples=len(examples.labels), **about
    )
    return f"{name}/{number}"
