"""Record the first losses of a few small runs, for later versions to be held against.

`python -m tests.golden.record` writes losses.json anew. Do that only when the numbers are meant to change, and say why
beside the change.
"""

import hashlib
import json
import platform
from pathlib import Path
from typing import Any

import torch

from models.checkpoints import fingerprint, pack_weights
from models.data.load import load_builtin
from models.data.split import Split, divide
from models.records import Epoch
from models.spec import TrainingSpec
from models.training import train

FILE = Path(__file__).with_name("losses.json")
FIRST = 20
"""Losses that are kept of each run: later ones have drifted with the rounding of other processors."""

SPECS = {
    "mlp, adam": TrainingSpec(dataset="digits", hidden_sizes=(32,), batch_size=64, epochs=2),
    "mlp, adam, not shuffled": TrainingSpec(
        dataset="digits", hidden_sizes=(16, 8), batch_size=64, epochs=2, shuffle=False, seed=1
    ),
    "mlp, adamw, weight decay": TrainingSpec(
        dataset="digits", hidden_sizes=(24, 12), optimizer="adamw", weight_decay=0.1, batch_size=100, epochs=2, seed=2
    ),
    "nmlp, sgd, momentum": TrainingSpec(
        dataset="digits",
        architecture="nmlp",
        hidden_sizes=(24, 12),
        optimizer="sgd",
        learning_rate=0.05,
        momentum=0.9,
        weight_decay=0.001,
        batch_size=64,
        epochs=2,
        seed=3,
    ),
    "nmlp, sgd, momentum, dropout": TrainingSpec(
        dataset="digits",
        architecture="nmlp",
        hidden_sizes=(24, 12),
        dropout=0.25,
        optimizer="sgd",
        learning_rate=0.05,
        momentum=0.9,
        batch_size=64,
        epochs=2,
        seed=4,
    ),
}


def measure(spec: TrainingSpec, split: Split) -> dict[str, Any]:
    """Train on one thread; gives the first losses and the SHA-256 of the final weights file."""
    torch.set_num_threads(1)
    losses: list[float] = []
    weights = b""
    for epoch in train([spec], split):
        if not isinstance(epoch, Epoch):
            break
        losses += epoch.losses.tolist()
        weights = pack_weights(epoch.checkpoint, spec, mean=split.mean, deviation=split.deviation)
    return {"losses": losses[:FIRST], "weights_sha256": hashlib.sha256(weights).hexdigest()}


def machine() -> dict[str, str | int]:
    """Give what the bits of a run depend on; `dropout` is the digest of a mask.

    For dropout, torch draws from another generator on Intel's processors than on others.
    """
    torch.set_num_threads(1)
    mask = torch.empty(1000).bernoulli_(0.5, generator=torch.Generator().manual_seed(0))
    known = fingerprint()
    return {
        **known,
        "elementwise": str(known["elementwise"]).partition(" ")[0],  # whatever its comments say
        "processor": hashlib.sha256(_processor().encode()).hexdigest(),
        "dropout": hashlib.sha256(mask.numpy().tobytes()).hexdigest(),
    }


def _processor() -> str:
    """Tell one kind of processor from another; the name alone is the same for several of AMD's."""
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return f"{platform.machine()} {platform.processor()}"
    first = cpuinfo.read_text().partition("\n\n")[0].splitlines()
    kept = ("vendor_id", "cpu family", "model", "flags", "Features")
    return platform.machine() + "\n".join(line for line in first if line.startswith(kept))


def record() -> None:
    """Write losses.json."""
    digits = load_builtin("digits", Path())
    runs: dict[str, dict[str, Any]] = {}
    for name, spec in SPECS.items():
        split = divide(digits, validation_fraction=spec.validation_fraction, split_seed=spec.split_seed)
        runs[name] = {"spec": spec.model_dump(mode="json"), **measure(spec, split)}
    FILE.write_text(json.dumps({"machine": machine(), "runs": runs}, indent=1) + "\n")


if __name__ == "__main__":
    record()
