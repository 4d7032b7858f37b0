"""Several trained networks as one: their probabilities are averaged.

Lakshminarayanan, Pritzel and Blundell 2017, https://arxiv.org/abs/1612.01474. Networks of equal shape are computed
together, as one stack of matrices: with few images a call costs more than what it computes.

Legend of shapes: M networks, K networks of one stack, B examples, I inputs and O outputs of a layer, C classes.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.calibration import log_softmax
from models.inference import LAYER_NORM_EPSILON, Layer, Network

Pixels = NDArray[np.uint8] | NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class _Stack:
    """Networks of equal shape; every array of a layer has K in front."""

    layers: tuple[Layer, ...]

    def logits(self, pixels: Pixels) -> NDArray[np.float32]:
        """Give the logits, float32 [K, B, C]."""
        x_KBI = pixels.reshape(1, -1, self.layers[0].weight.shape[1]).astype(np.float32, copy=False)
        for layer in self.layers[:-1]:
            x_KBI = x_KBI @ layer.weight
            x_KBI += layer.bias
            if layer.gain is not None and layer.shift is not None:
                x_KBI -= x_KBI.mean(axis=2, keepdims=True)
                x_KBI /= np.sqrt(np.square(x_KBI).mean(axis=2, keepdims=True) + LAYER_NORM_EPSILON)
                x_KBI *= layer.gain
                x_KBI += layer.shift
            np.maximum(x_KBI, 0.0, out=x_KBI)
        output = self.layers[-1]
        logits_KBC: NDArray[np.float32] = x_KBI @ output.weight + output.bias
        return logits_KBC


class Ensemble:
    """Trained networks that predict together; takes the place of a `Network`.

    `networks` are those it was made of, in their order, and share their weights with the stacks; `schema` and `plan`
    are those of each. Raises ValueError without a network, or where they learned from data of different forms.
    """

    def __init__(self, networks: Sequence[Network]) -> None:
        if not networks:
            raise ValueError("an ensemble needs at least one network")
        self.schema, self.plan = networks[0].schema, networks[0].plan
        if any(_takes(network) != _takes(networks[0]) for network in networks):
            raise ValueError("the networks of an ensemble take in the same, in the same way; these do not")
        places = sorted(range(len(networks)), key=lambda place: _kind(networks[place]))
        self._stacks: list[_Stack] = []
        members: dict[int, Network] = {}
        for _, group in itertools.groupby(places, key=lambda place: _kind(networks[place])):
            alike = list(group)
            stack = _stacked([networks[place] for place in alike])
            self._stacks.append(stack)
            for row, place in enumerate(alike):
                members[place] = replace(networks[place], layers=tuple(_row(layer, row) for layer in stack.layers))
        self.networks = tuple(members[place] for place in range(len(networks)))

    def logits(self, pixels: Pixels) -> NDArray[np.float32]:
        """Log of the mean probability of each class, float32 [B, C]: logits whose softmax are the probabilities."""
        logits_MBC = self._logits(pixels)
        logs_MBC = log_softmax(logits_MBC.reshape(-1, logits_MBC.shape[2])).reshape(logits_MBC.shape)
        most_BC = logs_MBC.max(axis=0)
        mean_BC = np.exp(logs_MBC - most_BC).mean(axis=0)
        logits_BC: NDArray[np.float32] = (most_BC + np.log(mean_BC)).astype(np.float32)
        return logits_BC

    def probabilities(self, pixels: Pixels) -> NDArray[np.float32]:
        """Give the mean probability of each class, float32 [B, C]."""
        exponents_MBC = self._logits(pixels)
        exponents_MBC -= exponents_MBC.max(axis=2, keepdims=True)
        np.exp(exponents_MBC, out=exponents_MBC)
        exponents_MBC /= exponents_MBC.sum(axis=2, keepdims=True)
        probabilities_BC: NDArray[np.float32] = exponents_MBC.mean(axis=0)
        return probabilities_BC

    def _logits(self, pixels: Pixels) -> NDArray[np.float32]:
        parts = [stack.logits(pixels) for stack in self._stacks]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _takes(network: Network) -> tuple[object, ...]:
    return network.schema, None if network.plan is None else network.plan.columns


def _kind(network: Network) -> tuple[bool, tuple[int, ...]]:
    sizes = tuple(layer.weight.shape[1] for layer in network.layers)
    return network.layers[0].gain is not None, sizes


def _stacked(networks: Sequence[Network]) -> _Stack:
    layers = []
    for alike in zip(*(network.layers for network in networks), strict=True):
        gains = [layer.gain for layer in alike if layer.gain is not None]
        shifts = [layer.shift for layer in alike if layer.shift is not None]
        layers.append(
            Layer(
                weight=np.stack([layer.weight for layer in alike]),
                bias=np.stack([layer.bias for layer in alike])[:, None],
                gain=np.stack(gains)[:, None] if gains else None,
                shift=np.stack(shifts)[:, None] if shifts else None,
            )
        )
    return _Stack(tuple(layers))


def _row(layer: Layer, row: int) -> Layer:
    return Layer(
        weight=layer.weight[row],
        bias=layer.bias[row, 0],
        gain=None if layer.gain is None else layer.gain[row, 0],
        shift=None if layer.shift is None else layer.shift[row, 0],
    )
