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

from models.data.plan import Plan
from models.data.schema import USUAL, Images, Table
from models.inference import METADATA_KEY, metadata
from models.metric import Metric
from models.products import choice
from models.spec import TrainingSpec

STATE_FORMAT = 2
"""To be raised when the tensors of a state change: a run does not go on from one that it cannot read."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """All that a run needs to go on as if it had never stopped, after the epoch called `epoch`.

    `weights` are the network's tensors by name, `state` those that training needs beside them, by "kind.name": the
    optimiser's, and the weights themselves where `weights` are averages. What is random needs no state: it is derived
    from (seed, epoch). One of epoch 0 gives a run its first weights, and nothing else. `best_value` is what the best
    epoch reached by `metric`; of accuracy it is not kept twice.
    """

    epoch: int
    iterations: int
    best_epoch: int
    best_val_accuracy: float
    weights: dict[str, Tensor]
    state: dict[str, Tensor]
    metric: Metric = "accuracy"
    best_value: float | None = None


def pack_weights(
    checkpoint: Checkpoint,
    spec: TrainingSpec,
    *,
    mean: float,
    deviation: float,
    schema: Images | Table = USUAL,
    plan: Plan | None = None,
) -> bytes:
    """Give a safetensors file of the weights that is enough to predict with.

    Its metadata tells the shape of the network, how images are normalised, on the scale that they came on, and what
    examples are, where they are not MNIST's. Equal weights give equal bytes.
    """
    about: dict[str, Any] = {
        "architecture": spec.architecture,
        "hidden_sizes": spec.hidden_sizes,
        "epoch": checkpoint.epoch,
        "mean": mean,
        "deviation": deviation,
    }
    if schema != USUAL:
        about["schema"] = schema.model_dump(mode="json")
    if plan is not None:
        about["plan"] = plan.model_dump(mode="json")
    return _pack(checkpoint.weights, about)


def without_schema(weights: bytes) -> bytes:
    """Give the file that `pack_weights` would have written of these weights before it told what examples are."""
    about = metadata(weights)
    about.pop("schema", None)
    return _pack(load(weights), about)


def pack_state(checkpoint: Checkpoint) -> bytes:
    """Give a safetensors file of what, beside the weights, a resumed run needs."""
    about: dict[str, Any] = {
        "format": STATE_FORMAT,
        "epoch": checkpoint.epoch,
        "iterations": checkpoint.iterations,
        "best_epoch": checkpoint.best_epoch,
        "best_val_accuracy": checkpoint.best_val_accuracy,
    }
    # States of before have accuracy alone.
    if checkpoint.metric != "accuracy":
        about |= {"metric": checkpoint.metric, "best_value": checkpoint.best_value}
    return _pack(checkpoint.state, about)


def unpack(weights: bytes, state: bytes) -> Checkpoint:
    """Read back what `pack_weights` and `pack_state` wrote; raises ValueError for anything else."""
    try:
        return Checkpoint(**_about(state), weights=load(weights), state=load(state))
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"this is no checkpoint: {error}") from error


def unpack_weights(weights: bytes) -> dict[str, Tensor]:
    """Read back the tensors that `pack_weights` wrote; raises ValueError for anything else."""
    try:
        tensors: dict[str, Tensor] = load(weights)
    except SafetensorError as error:
        raise ValueError(f"these are no weights: {error}") from error
    return tensors


def _about(state: bytes) -> dict[str, Any]:
    about = metadata(state)
    if about.pop("format", 1) != STATE_FORMAT:
        raise ValueError("another version wrote it")
    return about


def _pack(tensors: dict[str, Tensor], about: dict[str, Any]) -> bytes:
    plain = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    return save(plain, metadata={METADATA_KEY: json.dumps(about, sort_keys=True)})


def fingerprint(device: str = "cpu") -> dict[str, str | int]:
    """Tell what the bits of a run depend on beside its spec and data.

    On a CPU with one thread they depend on nothing else, not even on the networks trained beside it.
    """
    return {
        "device": device,
        "torch": torch.__version__,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        **(choice.described() if device == "cpu" else {}),
    }
