"""Weights and resumable state <-> bytes: safetensors and JSON, never pickle.

https://github.com/huggingface/safetensors
"""

import json
from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from models.inference import METADATA_KEY, metadata
from models.spec import TrainingSpec


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """All that a run needs to go on as if it had never stopped, after the epoch called `epoch`.

    `weights` are the network's tensors by name, `optimizer` the optimiser's by "index.name". The order of examples
    and dropout need no state: they are derived from (seed, epoch).
    """

    epoch: int
    iterations: int
    best_epoch: int
    best_val_accuracy: float
    weights: dict[str, Tensor]
    optimizer: dict[str, Tensor]


def pack_weights(checkpoint: Checkpoint, spec: TrainingSpec, *, mean: float, deviation: float) -> bytes:
    """Give a safetensors file of the weights that is enough to predict with.

    Its metadata tells the shape of the network and how images are normalised. Equal weights give equal bytes.
    """
    about = {
        "architecture": spec.architecture,
        "hidden_sizes": spec.hidden_sizes,
        "epoch": checkpoint.epoch,
        "mean": mean,
        "deviation": deviation,
    }
    return _pack(checkpoint.weights, about)


def pack_state(checkpoint: Checkpoint) -> bytes:
    """Give a safetensors file of what, beside the weights, a resumed run needs."""
    about = {
        "epoch": checkpoint.epoch,
        "iterations": checkpoint.iterations,
        "best_epoch": checkpoint.best_epoch,
        "best_val_accuracy": checkpoint.best_val_accuracy,
    }
    return _pack(checkpoint.optimizer, about)


def unpack(weights: bytes, state: bytes) -> Checkpoint:
    """Read back what `pack_weights` and `pack_state` wrote; raises ValueError for anything else."""
    try:
        return Checkpoint(**metadata(state), weights=load(weights), optimizer=load(state))
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"this is no checkpoint: {error}") from error


def _pack(tensors: dict[str, Tensor], about: dict[str, Any]) -> bytes:
    plain = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    return save(plain, metadata={METADATA_KEY: json.dumps(about, sort_keys=True)})


def fingerprint() -> dict[str, str | int]:
    """What the bits of a run depend on beside its spec and data."""
    return {
        "torch": torch.__version__,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
    }
