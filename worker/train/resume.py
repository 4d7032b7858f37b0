"""Where a run goes on: at the newest checkpoint that is whole, or with the weights that it was given to begin with."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.checkpoints import Checkpoint, unpack, unpack_weights
from service.artifacts import Artifacts
from service.store import owners
from service.store.claims import Claim
from service.store.engine import Row
from service.store.runs import CHECKPOINT
from service.store.store import Store
from service.store.submissions import INITIAL_WEIGHTS

_logger = logging.getLogger(__name__)

_DAMAGED = (ValueError, OSError)  # not what was written; gone, or not to be read


class DataChangedError(ValueError):
    """The data set is not the one that the first epochs were trained on."""


@dataclass(frozen=True, eq=False)
class Found:
    """A checkpoint, or None to begin anew; and whether what follows has the bits of a run that nobody disturbed."""

    checkpoint: Checkpoint | None
    bit_identical: bool = True


def find_checkpoint(
    claim: Claim, store: Store, artifacts: Artifacts, data_sha256: str, fingerprint: Mapping[str, Any]
) -> Found:
    """Read the last checkpoint of a job, or the one before, if the last is damaged.

    Without either the run begins anew, and ends with the same bits, only later. Raises DataChangedError when the data
    set has another digest than it had.
    """
    files = {file.name: file for file in store.files.of(owners.of_job(claim.job_id))}
    for name in ("last", "previous"):
        its = [files.get(f"{name}.{ending}") for ending in CHECKPOINT]
        present = [file for file in its if file is not None]
        if len(present) == len(its):
            try:
                return _read(present, artifacts, data_sha256, fingerprint)
            except DataChangedError:
                raise
            except _DAMAGED as error:
                _logger.warning("job %s cannot go on from its %s checkpoint: %s", claim.job_id, name, error)
    if (initial := files.get(INITIAL_WEIGHTS)) is not None:
        weights = unpack_weights(artifacts.read(initial.key, initial.sha256))
        return Found(Checkpoint(0, 0, best_epoch=0, best_val_accuracy=-1.0, weights=weights, state={}))
    return Found(None)


def _read(files: list[Row], artifacts: Artifacts, data_sha256: str, fingerprint: Mapping[str, Any]) -> Found:
    weights, about, state = (artifacts.read(file.key, file.sha256) for file in files)
    then = json.loads(about)
    if then["data_sha256"] != data_sha256:
        raise DataChangedError(
            f"the data set has changed since the first epochs were trained: its digest was {then['data_sha256']} and "
            f"is {data_sha256}; submit the job anew"
        )
    return Found(unpack(weights, state), bit_identical=then["fingerprint"] == fingerprint)
