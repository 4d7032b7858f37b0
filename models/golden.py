"""Golden examples: what a network answered when its training ended, to be asked again whenever its weights are loaded.

A file that was exchanged, another library of matrix products, or a change of how examples are prepared shows here,
before it answers anybody.
"""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from models.ensemble import Ensemble
from models.inference import METADATA_KEY, Network, as_sent, metadata, taken_in

EXAMPLES = 16
TOLERANCE = 1e-4
"""Of the largest logit. Rounding moved the logits of networks trained on MNIST by 3e-7 of it, and by 1e-4 at the worst,
where two units alone were normalised; wrong weights move them by about as much as they are large."""

_ABOUT = {"holds": "golden images and their logits"}
_ABOUT_ROWS = {"holds": "golden rows of a table and their logits"}


@dataclass(frozen=True, eq=False)
class Golden:
    """Examples as clients send them, and the logits float32 [G, C] that belong to them.

    Pictures uint8 or float32 [G, height, width] or [G, height, width, 3], or rows of a table float64 [G, F].
    """

    values: NDArray[Any]
    logits: NDArray[np.float32]


def choose(network: Network | Ensemble, values: NDArray[Any]) -> Golden:
    """Ask the network about 16 of the examples, evenly spread over them; about all, where there are fewer.

    `values` are as they are stored.
    """
    rows = np.unique(np.linspace(0, len(values) - 1, min(EXAMPLES, len(values))).round().astype(np.intp))
    sent = np.ascontiguousarray(as_sent(values[rows], network.schema))
    return Golden(sent, network.logits(taken_in(sent, network.plan)))


def replay(network: Network | Ensemble, golden: Golden) -> None:
    """Ask the network again; raises ValueError where a logit is off by more than 1e-4 of the largest."""
    schema = network.schema
    if golden.values.shape[1:] != schema.shape or golden.logits.shape[1:] != (len(schema.classes),):
        raise ValueError("its golden examples are of another form than what it takes in; they are another network's")
    logits = network.logits(taken_in(golden.values, network.plan))
    scale = float(np.abs(golden.logits).max(initial=0.0))
    off = float(np.abs(logits - golden.logits).max(initial=0.0))
    if not off <= TOLERANCE * scale:  # NaN is not
        raise ValueError(
            f"the network no longer answers as it did when its training ended: on {len(golden.values)} golden examples "
            f"its logits are off by up to {off:.3g}, where {TOLERANCE * scale:.3g} are allowed; its weights are not "
            f"those that were stored, or this machine computes otherwise"
        )


def pack(golden: Golden) -> bytes:
    """Give a safetensors file of the examples and their logits. Equal ones give equal bytes."""
    name, about = ("rows", _ABOUT_ROWS) if golden.values.dtype == np.float64 else ("pixels", _ABOUT)
    return save({name: golden.values, "logits": golden.logits}, metadata={METADATA_KEY: json.dumps(about)})


def unpack(data: bytes) -> Golden:
    """Read back what `pack` wrote; raises ValueError for anything else."""
    try:
        tensors, about = load(data), metadata(data)
        golden = Golden(tensors["rows" if about == _ABOUT_ROWS else "pixels"], tensors["logits"])
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"these are no golden examples: {error}") from error
    fits = len(golden.values) == len(golden.logits) and golden.logits.ndim == 2
    if about not in (_ABOUT, _ABOUT_ROWS) or not fits:
        raise ValueError("these are no golden examples: the file holds something else")
    return golden
