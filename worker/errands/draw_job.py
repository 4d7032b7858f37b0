"""Plots of jobs, drawn from what is recorded of them; no network is evaluated and no data set is loaded for it."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from models.images import from_base64
from service.artifacts import Artifacts
from service.store import owners
from service.store.states import Job
from service.store.store import Store
from worker.errands.failure import refuse
from worker.plots import job as job_plots

# Files of a running job are replaced every epoch; more than one replacement between two lines is not to be expected.
_TRIES = 5

Picture = tuple[bytes, int]
"""PNG and the last epoch that is in it."""


def draw(job_id: str, plot: str, store: Store, artifacts: Artifacts) -> None:
    """Draw a plot of what is recorded of a job so far, unless the one there is as new."""
    owner, name = owners.of_job(job_id), f"{plot}.png"
    job, present = store.jobs.get(job_id), store.files.get(owner, name)
    if job is None or job.last_epoch == 0 or (present is not None and present.epoch >= job.last_epoch):
        return
    try:
        picture, epoch = _PAINTERS[plot](job, store, artifacts)
    except Exception as error:  # noqa: BLE001 - whatever it is, somebody waits for an answer
        refuse(owner, name, error, store, artifacts, epoch=job.last_epoch)
        return
    file = artifacts.write(owner, name, picture, epoch=epoch)
    artifacts.remove(store.files.publish(owner, [file]))


def _loss(job: Job, store: Store, _artifacts: Artifacts) -> Picture:
    epochs = store.jobs.epochs(job.id)
    losses = np.frombuffer(b"".join(epoch.losses for epoch in epochs), "<f4")
    ends, means = [epoch.iterations for epoch in epochs], [epoch.loss for epoch in epochs]
    return job_plots.loss(losses, ends, means, _title("Loss", job)), epochs[-1].epoch


def _accuracy(job: Job, store: Store, _artifacts: Artifacts) -> Picture:
    epochs = store.jobs.epochs(job.id)
    ends = [epoch.iterations for epoch in epochs]
    training, validation = [epoch.train_accuracy for epoch in epochs], [epoch.val_accuracy for epoch in epochs]
    return job_plots.accuracy(ends, training, validation, _title("Accuracy", job)), epochs[-1].epoch


def _confusion(job: Job, store: Store, artifacts: Artifacts) -> Picture:
    evaluation = _evaluation(job, store, artifacts)
    title = _title(f"Confusion on the validation set after epoch {evaluation['epoch']}", job)
    return job_plots.confusion(np.array(evaluation["confusion"]), title), evaluation["epoch"]


def _mistakes(job: Job, store: Store, artifacts: Artifacts) -> Picture:
    evaluation = _evaluation(job, store, artifacts)
    mistakes = evaluation["mistakes"]
    picture = job_plots.mistakes(
        from_base64(mistakes["images"]),
        np.array(mistakes["labels"], dtype=np.int64),
        np.array(mistakes["predictions"], dtype=np.int64),
        np.array(mistakes["probabilities"]),
        _title(f"Surest mistakes after epoch {evaluation['epoch']}", job),
    )
    return picture, evaluation["epoch"]


_PAINTERS: dict[str, Callable[[Job, Store, Artifacts], Picture]] = {
    "loss": _loss,
    "accuracy": _accuracy,
    "confusion": _confusion,
    "mistakes": _mistakes,
}


def _evaluation(job: Job, store: Store, artifacts: Artifacts) -> dict[str, Any]:
    for _ in range(_TRIES):
        file = store.files.get(owners.of_job(job.id), "evaluation.json")
        if file is None:
            break
        try:
            return dict(json.loads(artifacts.read(file.key, file.sha256)))
        except FileNotFoundError:
            continue
    raise FileNotFoundError(f"job {job.id} has no evaluation")


def _title(what: str, job: Job) -> str:
    return f"{what}: {job.name or job.id[:8]}"
