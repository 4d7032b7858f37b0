"""Plots of jobs, drawn from what is recorded of them; no network is evaluated and no data set is loaded for it."""

import json
from collections.abc import Callable

import numpy as np

from models.evaluated.curve import Curve
from models.evaluated.kept import Evaluation
from service.artifacts import Artifacts
from service.store import owners
from service.store.job_ids import own
from service.store.states import Job
from service.store.store import Store
from worker.errands.failure import refuse
from worker.plots import job as job_plots
from worker.plots.confusion import confusion
from worker.plots.curves import precision_recall, roc
from worker.plots.mistakes import mistakes
from worker.plots.reliability import reliability
from worker.plots.scores import scores

# Files of a running job are replaced every epoch; more than one replacement between two lines is not to be expected.
_TRIES = 5

Picture = tuple[bytes, int]
"""PNG and the last epoch that is in it."""


def draw(job_id: str, plot: str, store: Store, artifacts: Artifacts) -> None:
    """Draw a plot of what is recorded of a job so far, unless the one there is as new."""
    owner, name = owners.of_job(job_id), f"{plot}.png"
    if (job := store.jobs.get(job_id)) is None:
        return
    store = store.of(job.account)
    present = store.files.get(owner, name)
    if job.last_epoch == 0 or (present is not None and present.epoch >= job.last_epoch):
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
    found = _evaluation(job, store, artifacts)
    title = _title(f"Confusion on the validation part after epoch {found.epoch}", job)
    return confusion(found.counts, found.classes, title), found.epoch


def _mistakes(job: Job, store: Store, artifacts: Artifacts) -> Picture:
    found = _evaluation(job, store, artifacts)
    title = _title(f"Surest mistakes after epoch {found.epoch}", job)
    return mistakes(found.mistakes, found.classes, title, of=found.counts.mistakes), found.epoch


def _classes(job: Job, store: Store, artifacts: Artifacts) -> Picture:
    found = _evaluation(job, store, artifacts)
    title = _title(f"Precision and recall on the validation part after epoch {found.epoch}", job)
    return scores(found.counts, found.classes, title), found.epoch


def _roc(job: Job, store: Store, artifacts: Artifacts) -> Picture:
    found = _evaluation(job, store, artifacts)
    title = _title(f"ROC on the validation part after epoch {found.epoch}", job)
    return roc(_curve(found), found.classes, title), found.epoch


def _precision_recall(job: Job, store: Store, artifacts: Artifacts) -> Picture:
    found = _evaluation(job, store, artifacts)
    title = _title(f"Precision by recall on the validation part after epoch {found.epoch}", job)
    return precision_recall(_curve(found), found.classes, title), found.epoch


def _curve(found: Evaluation) -> Curve:
    if found.curve is None:
        raise ValueError(f"a threshold is for two classes, and there are {len(found.classes)}")
    return found.curve


def _calibration(job: Job, store: Store, artifacts: Artifacts) -> Picture:
    version = store.models.made_of(job.id)
    owner = None if version is None else owners.of_version(version.model, version.version)
    file = None if owner is None else store.files.get(owner, "card.json")
    if file is None:
        raise ValueError(f"job {own(job.id)} has no card")
    card = json.loads(artifacts.read(file.key, file.sha256))
    title = _title(f"Calibration on the validation part after epoch {card['model']['epoch']}", job)
    # The best epoch need not be the last one, by which it is known whether the picture is new.
    return reliability(card["assessment"], title), job.last_epoch


_PAINTERS: dict[str, Callable[[Job, Store, Artifacts], Picture]] = {
    "loss": _loss,
    "accuracy": _accuracy,
    "confusion": _confusion,
    "mistakes": _mistakes,
    "classes": _classes,
    "roc": _roc,
    "precision_recall": _precision_recall,
    "calibration": _calibration,
}


def _evaluation(job: Job, store: Store, artifacts: Artifacts) -> Evaluation:
    for _ in range(_TRIES):
        file = store.files.get(owners.of_job(job.id), "evaluation.json")
        if file is None:
            break
        try:
            return Evaluation.parse(json.loads(artifacts.read(file.key, file.sha256)))
        except FileNotFoundError:
            continue
    raise FileNotFoundError(f"job {own(job.id)} has no evaluation")


def _title(what: str, job: Job) -> str:
    return f"{what}: {job.name or own(job.id)[:8]}"
