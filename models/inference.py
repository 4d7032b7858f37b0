"""A weights file -> probabilities, with numpy alone: the API process predicts without loading torch.

Legend of shapes: B images, D = 784 pixels, H units, C = 10 classes.
"""

import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

from models.spec import PIXELS

METADATA_KEY = "tenfold"
"""safetensors orders its metadata at random: one key holds all of ours, so that equal weights are equal bytes."""

LAYER_NORM_EPSILON = np.float32(1e-5)  # torch.nn.LayerNorm's default


@dataclass(frozen=True, eq=False)
class Layer:
    """One linear layer, transposed for `x @ weight + bias`, and what follows it."""

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    gain: NDArray[np.float32] | None
    shift: NDArray[np.float32] | None


@dataclass(frozen=True, eq=False)
class Network:
    """A trained network that can only predict; its first layer takes pixels as they are, see `_take_pixels`."""

    layers: tuple[Layer, ...]
    epoch: int

    @property
    def size_bytes(self) -> int:
        """Tell how many bytes of memory its numbers take."""
        arrays = (array for layer in self.layers for array in vars(layer).values() if array is not None)
        return sum(array.nbytes for array in arrays)

    def logits(self, pixels: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[np.float32]:
        """Give logits float32 [B, C] of images [B, 28, 28] or [B, D] whose pixels are 0-255, ink light on dark."""
        x_BH: NDArray[np.float32] = pixels.reshape(-1, PIXELS).astype(np.float32, copy=False)
        for layer in self.layers[:-1]:
            x_BH = x_BH @ layer.weight
            x_BH += layer.bias
            if layer.gain is not None and layer.shift is not None:
                x_BH -= x_BH.mean(axis=1, keepdims=True)
                x_BH /= np.sqrt(np.square(x_BH).mean(axis=1, keepdims=True) + LAYER_NORM_EPSILON)
                x_BH *= layer.gain
                x_BH += layer.shift
            np.maximum(x_BH, 0.0, out=x_BH)
        output = self.layers[-1]
        logits_BC: NDArray[np.float32] = x_BH @ output.weight
        logits_BC += output.bias
        return logits_BC

    def probabilities(self, pixels: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[np.float32]:
        """Give the probability of each class, float32 [B, C]."""
        return softmax(self.logits(pixels))


def softmax(logits_BC: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the probability of each class, float32 [B, C], of logits [B, C]."""
    # The reductions are called by themselves: for one image, what numpy's methods do around them takes longer.
    x_BC: NDArray[np.float32] = logits_BC - np.maximum.reduce(logits_BC, axis=1, keepdims=True)
    np.exp(x_BC, out=x_BC)
    x_BC /= np.add.reduce(x_BC, axis=1, keepdims=True)
    return x_BC


def read(data: bytes) -> Network:
    """Read a weights file as `checkpoints.pack_weights` writes it; raises ValueError for anything else."""
    try:
        tensors, about = load(data), metadata(data)
        depth = len(about["hidden_sizes"]) + 1
        layers = tuple(
            Layer(
                weight=np.ascontiguousarray(tensors[f"linear{number}.weight"].T),
                bias=tensors[f"linear{number}.bias"],
                gain=tensors.get(f"norm{number}.weight"),
                shift=tensors.get(f"norm{number}.bias"),
            )
            for number in range(1, depth + 1)
        )
        first = _take_pixels(layers[0], float(about["mean"]), float(about["deviation"]))
        return Network((first, *layers[1:]), int(about["epoch"]))
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"this is no weights file of a trained network: {error}") from error


def _take_pixels(first: Layer, mean: float, deviation: float) -> Layer:
    """Fold the normalisation into the first layer: ((x - m) / d) W + b is x (W / d) + (b - (m / d) W summed over D)."""
    weight_DH = first.weight.astype(np.float64) / deviation
    bias_H = first.bias - mean * weight_DH.sum(axis=0)
    return replace(first, weight=weight_DH.astype(np.float32), bias=bias_H.astype(np.float32))


def metadata(data: bytes) -> dict[str, Any]:
    """Give what a safetensors file of ours says about itself."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    return dict(json.loads(header["__metadata__"][METADATA_KEY]))
