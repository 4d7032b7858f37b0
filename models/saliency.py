"""Which pixels speak for a class: the gradient of its logit with respect to the pixels, with numpy alone.

Simonyan, Vedaldi and Zisserman 2014, https://arxiv.org/abs/1312.6034. Of the logit, not of its log probability: where a
network is sure, the latter hardly changes with any pixel, and its gradient shows what speaks against the other classes.

Legend of shapes: B images, D pixels, H units, C classes.
"""

import numpy as np
from numpy.typing import NDArray

from models.calibration import softmax
from models.ensemble import Ensemble
from models.inference import LAYER_NORM_EPSILON, Layer, Network

Pixels = NDArray[np.uint8] | NDArray[np.float32]


def gradient(network: Network | Ensemble, pixels: Pixels, classes_B: NDArray[np.integer]) -> NDArray[np.float32]:
    """Change of the logit of each image's class with each of its pixels, float32 [B, height, width] or with three more.

    Positive where more ink would make the class more likely. The logits of an ensemble are the log of its mean
    probabilities. Raises ValueError for rows of a table, or unless there is the place of a class for each image.
    """
    if network.plan is not None:
        raise ValueError("what speaks for a class is told of pictures; this network takes rows of a table")
    count = len(network.schema.classes)
    if classes_B.shape != (len(pixels),) or not np.isin(classes_B, np.arange(count)).all():
        raise ValueError(f"a class from 0 to {count - 1} is needed for each of the {len(pixels)} images")
    chosen_BC = np.eye(count, dtype=np.float32)[classes_B]
    if isinstance(network, Network):
        return _backward(network, pixels, chosen_BC)
    probabilities_MBC = np.stack([softmax(member.logits(pixels)) for member in network.networks])
    # d log(mean_m p_m) = sum_m p_m / (sum_m p_m) d log(p_m), and d log(p_m) = chosen - p_m by the logits of network m.
    # For the chosen class that is 1 - p_m: the sum of the others, which is not lost in rounding where p_m is nearly 1.
    others_MBC = probabilities_MBC * (1 - chosen_BC)
    slopes_MBC = chosen_BC * others_MBC.sum(axis=2, keepdims=True) - others_MBC
    logs_MB = np.log(np.maximum((probabilities_MBC * chosen_BC).sum(axis=2), np.finfo(np.float32).tiny))
    shares_MB = softmax(logs_MB.T).T
    total_BHW: NDArray[np.float32] = np.sum(
        [
            _backward(member, pixels, share_B[:, None] * slopes_BC)
            for member, share_B, slopes_BC in zip(network.networks, shares_MB, slopes_MBC, strict=True)
        ],
        axis=0,
        dtype=np.float32,
    )
    return total_BHW


def _backward(network: Network, pixels: Pixels, gradient_BC: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the gradient with respect to the pixels of what has this gradient with respect to the network's logits."""
    x_BH: NDArray[np.float32] = pixels.reshape(-1, network.inputs).astype(np.float32, copy=False)
    steps: list[_Hidden] = []
    for layer in network.layers[:-1]:
        steps.append(_Hidden(layer, x_BH))
        x_BH = steps[-1].output_BH
    gradient_BH = gradient_BC @ network.layers[-1].weight.T
    for step in reversed(steps):
        gradient_BH = step.backward(gradient_BH)
    return gradient_BH.reshape(-1, *network.schema.shape)


class _Hidden:
    """A hidden layer on its way forward, with what the way back needs."""

    def __init__(self, layer: Layer, x_BH: NDArray[np.float32]) -> None:
        self._layer = layer
        y_BH = x_BH @ layer.weight + layer.bias
        if layer.gain is not None and layer.shift is not None:
            y_BH -= y_BH.mean(axis=1, keepdims=True)
            self._deviation_B1 = np.sqrt(np.square(y_BH).mean(axis=1, keepdims=True) + LAYER_NORM_EPSILON)
            self._normal_BH = y_BH / self._deviation_B1
            y_BH = self._normal_BH * layer.gain + layer.shift
        self.output_BH: NDArray[np.float32] = np.maximum(y_BH, 0.0)

    def backward(self, gradient_BH: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give the gradient with respect to the layer's input, given that with respect to its output."""
        gradient_BH = gradient_BH * (self.output_BH > 0)
        if self._layer.gain is not None:
            gradient_BH *= self._layer.gain
            along_B1 = (gradient_BH * self._normal_BH).mean(axis=1, keepdims=True)
            gradient_BH -= gradient_BH.mean(axis=1, keepdims=True) + self._normal_BH * along_B1
            gradient_BH /= self._deviation_B1
        return gradient_BH @ self._layer.weight.T
