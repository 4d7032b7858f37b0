"""Golden images: what a network answered when its training ended, to be asked again whenever its weights are loaded.

A file that was exchanged, another library of matrix products, or a change of how images are prepared shows here, before
it answers anybody.
"""

import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from models.ensemble import Ensemble
from models.inference import METADATA_KEY, Network, metadata
from models.spec import CLASSES

IMAGES = 16
TOLERANCE = 1e-4
"""Of the largest logit. Rounding moved the logits of networks trained on MNIST by 3e-7 of it, and by 1e-4 at the worst,
where two units alone were normalised; wrong weights move them by about as much as they are large."""

_ABOUT = {"holds": "golden images and their logits"}


@dataclass(frozen=True, eq=False)
class Golden:
    """Images uint8 [G, 28, 28], and the logits float32 [G, 10] that belong to them."""

    pixels: NDArray[np.uint8]
    logits: NDArray[np.float32]


def choose(network: Network | Ensemble, pixels: NDArray[np.uint8]) -> Golden:
    """Ask the network about 16 of the images, evenly spread over them; about all, where there are fewer."""
    rows = np.unique(np.linspace(0, len(pixels) - 1, min(IMAGES, len(pixels))).round().astype(np.intp))
    return Golden(pixels[rows], network.logits(pixels[rows]))


def replay(network: Network | Ensemble, golden: Golden) -> None:
    """Ask the network again; raises ValueError where a logit is off by more than 1e-4 of the largest."""
    logits = network.logits(golden.pixels)
    scale = float(np.abs(golden.logits).max(initial=0.0))
    off = float(np.abs(logits - golden.logits).max(initial=0.0))
    if not off <= TOLERANCE * scale:  # NaN is not
        raise ValueError(
            f"the network no longer answers as it did when its training ended: on {len(golden.pixels)} golden images "
            f"its logits are off by up to {off:.3g}, where {TOLERANCE * scale:.3g} are allowed; its weights are not "
            f"those that were stored, or this machine computes otherwise"
        )


def pack(golden: Golden) -> bytes:
    """Give a safetensors file of the images and their logits. Equal ones give equal bytes."""
    return save({"pixels": golden.pixels, "logits": golden.logits}, metadata={METADATA_KEY: json.dumps(_ABOUT)})


def unpack(data: bytes) -> Golden:
    """Read back what `pack` wrote; raises ValueError for anything else."""
    try:
        tensors, about = load(data), metadata(data)
        golden = Golden(tensors["pixels"], tensors["logits"])
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"these are no golden images: {error}") from error
    count = len(golden.pixels)
    if about != _ABOUT or golden.pixels.shape != (count, 28, 28) or golden.logits.shape != (count, CLASSES):
        raise ValueError("these are no golden images: the file holds something else")
    return golden
