"""One run of one job: claim -> load or resume -> for each epoch: write files, record -> finish."""

import json
import logging
from importlib.metadata import version
from platform import python_version
from typing import Any

from models import data, training
from models.checkpoints import Checkpoint, fingerprint, pack_state, pack_weights, unpack
from models.spec import TrainingSpec
from service.artifacts import Artifacts
from service.settings import Settings
from service.store import Store
from service.store.engine import DatabaseError, cause
from service.store.files import File
from service.store.jobs import owner_of
from service.store.runs import Claim, EpochRecord, LeaseLostError
from worker.lease import Lease

EXAMPLES = 100

_logger = logging.getLogger(__name__)


def run(job_id: str, store: Store, artifacts: Artifacts, settings: Settings, *, owner: str) -> None:
    """Claim a job, the one named or the one that has waited longest, and train it to its end."""
    claim = store.runs.claim(job_id, owner)
    if claim is None:
        return
    _logger.info("job %s: attempt %d begins after epoch %d", claim.job_id, claim.attempt, claim.last_epoch)
    try:
        with Lease(store.runs, claim, settings) as lease:
            _train(claim, lease, store, artifacts, settings)
    except LeaseLostError:
        _logger.warning("job %s: attempt %d was replaced or the job is gone; it stops", claim.job_id, claim.attempt)
    except DatabaseError as error:
        # No fault of the job's. Nothing more is written; once the lease has expired, another attempt goes on.
        _logger.warning("job %s: attempt %d lost the database: %s", claim.job_id, claim.attempt, cause(error))
    except Exception as error:
        # Whatever else went wrong belongs on the job's record, where its owner looks.
        _logger.warning("job %s failed", claim.job_id, exc_info=True)
        _fail(claim, store, error)


def _train(claim: Claim, lease: Lease, store: Store, artifacts: Artifacts, settings: Settings) -> None:
    spec = TrainingSpec.model_validate(claim.spec)
    split = data.prepare(spec, settings.data, _uploaded(spec, store, artifacts))
    checkpoint = _last_checkpoint(claim, store, artifacts)
    artifacts.remove(store.runs.rewind(claim, checkpoint.epoch if checkpoint else 0))
    for epoch in training.train(spec, split, resume=checkpoint, should_stop=lease.should_stop):
        if lease.lost:
            raise LeaseLostError
        files = _write(claim.job_id, epoch, spec, split, artifacts)
        try:
            superseded = store.runs.record_epoch(claim, _record(epoch), files)
        except LeaseLostError:
            # Only here: after any other error it is unknown whether the record points to the files by now.
            artifacts.remove({file.key for file in files})
            raise
        artifacts.remove(superseded)
    if lease.lost:
        raise LeaseLostError
    _logger.info("job %s: %s", claim.job_id, store.runs.finish(claim))


def _uploaded(spec: TrainingSpec, store: Store, artifacts: Artifacts) -> Any:
    table = store.files.get(f"datasets/{spec.dataset}", "table.npy")
    return artifacts.path(table.key) if table is not None else None


def _last_checkpoint(claim: Claim, store: Store, artifacts: Artifacts) -> Checkpoint | None:
    """Read the checkpoint of the last epoch; None when there is none, or when it was damaged.

    A run from the start ends with the same bits, only later.
    """
    owner = owner_of(claim.job_id)
    weights, state = store.files.get(owner, "last.safetensors"), store.files.get(owner, "last.state.safetensors")
    if weights is None or state is None:
        return None
    try:
        return unpack(artifacts.read(weights.key, weights.sha256), artifacts.read(state.key, state.sha256))
    except (ValueError, FileNotFoundError) as error:
        _logger.warning("job %s starts again from its first epoch: %s", claim.job_id, error)
        return None


def _write(
    job_id: str, epoch: training.Epoch, spec: TrainingSpec, split: data.Split, artifacts: Artifacts
) -> list[File]:
    """Write what is kept of an epoch; "best" is another name for the same files when no earlier one was better."""
    owner, number = owner_of(job_id), epoch.epoch
    weights = pack_weights(epoch.checkpoint, spec, mean=split.mean, deviation=split.deviation)
    files = [
        artifacts.write(owner, "last.safetensors", weights, epoch=number),
        artifacts.write(owner, "last.json", _json(_about(epoch, spec, split)), epoch=number),
        artifacts.write(owner, "last.state.safetensors", pack_state(epoch.checkpoint), epoch=number),
        artifacts.write(owner, "evaluation.json", _json(_evaluation(epoch, split)), epoch=number),
    ]
    if epoch.is_best:
        best = {"last.safetensors": "best.safetensors", "last.json": "best.json"}
        files += [
            File(best[file.name], file.key, file.sha256, file.size, file.epoch) for file in files if file.name in best
        ]
    return files


def _about(epoch: training.Epoch, spec: TrainingSpec, split: data.Split) -> dict[str, Any]:
    return {
        "spec": spec.model_dump(mode="json"),
        "data_sha256": split.digest,
        "normalisation": {"mean": split.mean, "deviation": split.deviation},
        "metrics": {
            "epoch": epoch.epoch,
            "loss": epoch.loss,
            "train_accuracy": epoch.train_accuracy,
            "val_accuracy": epoch.val_accuracy,
        },
        "versions": {name: version(name) for name in ("tenfold", "torch", "numpy")} | {"python": python_version()},
        "fingerprint": fingerprint(),
    }


def _evaluation(epoch: training.Epoch, split: data.Split) -> dict[str, Any]:
    validation, examples = epoch.validation, split.validation
    return {
        "epoch": epoch.epoch,
        "confusion": validation.confusion.tolist(),
        "mistakes": [
            {
                "label": int(examples.labels[row]),
                "prediction": int(prediction),
                "probability": float(probability),
                "image": examples.pixels[row].tolist(),
            }
            for row, prediction, probability in zip(
                validation.mistakes, validation.predictions, validation.probabilities, strict=True
            )
        ],
        "examples": {
            "labels": examples.labels[:EXAMPLES].tolist(),
            "images": examples.pixels[:EXAMPLES].tolist(),
        },
    }


def _record(epoch: training.Epoch) -> EpochRecord:
    return EpochRecord(
        epoch=epoch.epoch,
        iterations=epoch.iterations,
        losses=epoch.losses.astype("<f4").tobytes(),
        loss=epoch.loss,
        train_accuracy=epoch.train_accuracy,
        val_accuracy=epoch.val_accuracy,
        seconds=epoch.seconds,
        complete=epoch.complete,
    )


def _fail(claim: Claim, store: Store, error: Exception) -> None:
    try:
        store.runs.fail(claim, {"type": type(error).__name__, "message": str(error)[:2000]})
    except LeaseLostError:
        _logger.warning("job %s: its failure comes too late to be recorded", claim.job_id)


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
