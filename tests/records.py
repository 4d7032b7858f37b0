"""Networks to predict with, put on record without training them."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from models import golden
from models.checkpoints import Checkpoint, pack_weights
from models.inference import read
from models.networks import build
from models.spec import TrainingSpec
from service.artifacts import Artifacts
from service.store import owners
from service.store.runs import EpochRecord
from service.store.store import Store
from service.store.versions import WEIGHTS, Findings
from tests.service.conftest import submitted

MEAN, DEVIATION = 33.3, 78.6


def weights(*, seed: int, hidden_sizes: tuple[int, ...] = (20,)) -> bytes:
    """Give the weights file of a network that has learnt nothing."""
    spec = TrainingSpec(hidden_sizes=hidden_sizes)
    state = build(spec, seed=seed).state_dict()
    return pack_weights(Checkpoint(1, 1, 1, 0.5, state, {}), spec, mean=MEAN, deviation=DEVIATION)


def succeeded(
    store: Store,
    artifacts: Artifacts,
    *,
    job_id: str | None = None,
    seed: int = 0,
    hidden_sizes: tuple[int, ...] = (20,),
    val_accuracy: float = 0.8,
    data_sha256: str = "d" * 64,
    temperature: float = 1.0,
    more_files: Mapping[str, bytes] = MappingProxyType({}),
    **spec: Any,
) -> str:
    """Put a job on record that has succeeded with a network of this shape, or let one succeed; gives its id.

    `more_files` were found out about it, beside golden images.
    """
    job_id = job_id or submitted(store, hidden_sizes=hidden_sizes, epochs=1, **spec)
    (held,) = store.runs.claim(job_id, "host:1:abc/7")
    about = json.dumps({"versions": {"tenfold": "0.1.0"}, "data_sha256": "d" * 64}).encode()
    file = weights(seed=seed, hidden_sizes=hidden_sizes)
    contents = {
        "last.safetensors": file,
        "best.safetensors": file,
        "last.json": about,
        "last.state.safetensors": b"s",
    }
    files = [artifacts.write(owners.of_job(job_id), name, data, epoch=1) for name, data in contents.items()]
    store.runs.record_epoch(held, EpochRecord(1, 12, b"\0" * 48, 0.5, 0.9, val_accuracy, 1.0, complete=True), files)
    network = read(file)
    images = np.random.default_rng(0).integers(0, 256, (4, 28, 28), np.uint8)
    told = {"golden.safetensors": golden.pack(golden.choose(network, images)), **more_files}
    written = [artifacts.write(owners.of_job(job_id), name, data, epoch=1) for name, data in told.items()]
    store.runs.finish(held, findings=Findings(data_sha256, {"temperature": temperature}, written))
    return job_id


def damage(store: Store, artifacts: Artifacts, model: str, version: int) -> None:
    """Let the weights of a version be something else than what was written."""
    file = store.files.get(owners.of_version(model, version), WEIGHTS)
    assert file is not None
    artifacts.path(file.key).write_bytes(b"something else")
