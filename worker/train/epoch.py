"""What is kept of an epoch: its row in the record, and its files."""

import hashlib
import json
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from platform import machine, processor, python_version
from typing import Any

from models.checkpoints import fingerprint, pack_state, pack_weights, without_schema
from models.data.builtin import BUILTIN
from models.data.schema import USUAL
from models.data.split import Split
from models.evaluated import kept
from models.records import Epoch
from models.spec import TrainingSpec
from service.artifacts import Artifacts
from service.store import owners
from service.store.files import File
from service.store.runs import EpochRecord
from service.store.store import Store

EXAMPLES = 100

STEMS = ("last", "evaluation")
"""How the names of all files begin that are written here."""


def write(job_id: str, epoch: Epoch, spec: TrainingSpec, split: Split, artifacts: Artifacts) -> list[File]:
    """Write what is kept of an epoch; "best" is another name for the same files when no earlier one was better."""
    owner, number = owners.of_job(job_id), epoch.epoch
    weights = pack_weights(
        epoch.checkpoint, spec, mean=split.mean, deviation=split.deviation, schema=split.schema, plan=split.plan
    )
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


def _about(epoch: Epoch, spec: TrainingSpec, split: Split) -> dict[str, Any]:
    return {
        "spec": spec.model_dump(mode="json"),
        "data_sha256": split.digest,
        "normalisation": {"mean": split.mean, "deviation": split.deviation},
        "metrics": {
            "epoch": epoch.epoch,
            "loss": epoch.loss,
            "train_accuracy": epoch.train_accuracy,
            "val_accuracy": epoch.val_accuracy,
            "val_metric": epoch.validation.value,
        },
        "versions": _versions(),
        "fingerprint": fingerprint(epoch.checkpoint.weights["linear1.weight"].device.type),
    }


def made_with(
    job_id: str, spec: TrainingSpec, split: Split, device: str, store: Store, artifacts: Artifacts
) -> dict[str, Any]:
    """Tell what the weights of a job depend on beside its spec."""
    made = {
        "data_sha256": split.digest,
        "versions": _versions(),
        "fingerprint": fingerprint(device),
        "processor": _processor(),
    }
    last = store.files.get(owners.of_job(job_id), "last.safetensors")
    if spec.dataset in BUILTIN and split.schema != USUAL and last is not None:
        # Weights of before did not tell what classes are called: by this digest a job from then is verified.
        with suppress(ValueError, OSError):
            weights = without_schema(artifacts.read(last.key, last.sha256))
            made["weights_sha256_before"] = hashlib.sha256(weights).hexdigest()
    return made


@cache
def _processor() -> str:
    # Linux tells the name of the processor nowhere else, and Python does not look there.
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return processor() or machine()


@cache
def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("tenfold", "torch", "numpy")} | {"python": python_version()}


def _evaluation(epoch: Epoch, split: Split) -> dict[str, Any]:
    validation = epoch.validation
    return kept.write(
        epoch.epoch,
        split.validation,
        validation.confusion,
        validation.mistakes,
        validation.predictions,
        validation.probabilities,
        scores=validation.scores,
        log_loss=validation.log_loss,
        most_examples=EXAMPLES,
    )


def record(epoch: Epoch) -> EpochRecord:
    """Give the row of an epoch."""
    return EpochRecord(
        epoch=epoch.epoch,
        iterations=epoch.iterations,
        losses=epoch.losses.astype("<f4").tobytes(),
        loss=epoch.loss,
        train_accuracy=epoch.train_accuracy,
        val_accuracy=epoch.val_accuracy,
        seconds=epoch.seconds,
        complete=epoch.complete,
        val_metric=epoch.validation.value,
    )


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
