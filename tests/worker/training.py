"""Jobs that are trained in this process, to their end or until their worker dies."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.records import Epoch, TrainingRecord
from models.spec import TrainingSpec
from models.training import train
from service.artifacts import Artifacts
from service.settings import Settings
from service.store import owners
from service.store.engine import Row
from service.store.store import Store
from tests.records import expire
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
