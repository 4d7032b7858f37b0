"""A weights file -> probabilities, with numpy alone: the API process predicts without loading torch.

Legend of shapes: B examples, D numbers that go in of each, H units, C classes.
"""

import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

from models.data import schema as schemas
from models.data.plan import Plan
from models.data.schema import USUAL, Images, Table

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
    """A trained network that can only predict; its first layer takes pixels as they are, see `_take_pixels`.

    `schema` is that of the data it learned from, and `plan`, for a table, what makes of a row what it takes in.
    """

    layers: tuple[Layer, ...]
    epoch: int
    schema: Images | Table = USUAL
    plan: Plan | None = None

    @property
    def inputs(self) -> int:
        """Tell how many numbers go in of one example."""
        return len(self.layers[0].weight)

    @property
    def classes(self) -> tuple[str, ...]:
        """Give the names of the classes, in the order of the logits."""
        return self.schema.classes

    @property
    def size_bytes(self) -> int:
        """Tell how many bytes of memory its numbers take."""
        arrays = (array for layer in self.layers for array in vars(layer).values() if array is not None)
        return sum(array.nbytes for array in arrays)

    def logits(self, pixels: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[np.float32]:
        """Give logits float32 [B, C] of pictures [B, ...] on their scale, or [B, D] of what a plan makes of rows."""
        first = self.layers[0].weight
        x_BH: NDArray[np.float32] = pixels.reshape(-1, len(first)).astype(np.float32, copy=False)
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
        schema = schemas.read(about["schema"]) if "schema" in about else USUAL
        plan = Plan.model_validate(about["plan"]) if isinstance(schema, Table) else None
        return _fitting(Network((first, *layers[1:]), int(about["epoch"]), schema, plan))
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"this is no weights file of a trained network: {error}") from error


def _fitting(network: Network) -> Network:
    """Give the network; raises ValueError where other counts of numbers go in or come out than its schema says."""
    schema, plan = network.schema, network.plan
    if plan is not None and len(plan.columns) != schema.shape[0]:
        raise ValueError(f"its plan has {len(plan.columns)} columns, and its schema {schema.shape[0]}")
    for whole, what, found in (
        (schema.inputs if plan is None else plan.inputs, "numbers go in", network.inputs),
        (len(schema.classes), "classes come out", network.layers[-1].weight.shape[1]),
    ):
        if found != whole:
            raise ValueError(f"{whole:,} {what} by its schema, and {found:,} by its weights")
    return network


def taken_in(values: NDArray[Any], plan: Plan | None) -> NDArray[Any]:
    """Give what a network takes in of examples as clients send them: pictures as they are, rows by its plan."""
    return values if plan is None else plan.apply(values)


def as_sent(values: NDArray[Any], schema: Images | Table) -> NDArray[Any]:
    """Give examples [B, ...] as clients send them, of those that are stored: pictures on the scale they came on.

    uint8 where that is the scale itself, else float32; rows of a table are stored as they came.
    """
    if isinstance(schema, Table) or schema.steps is None or (schema.origin, schema.unit) == (0.0, 1.0):
        return values
    return (schema.origin + values * schema.unit).astype(np.float32)


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
