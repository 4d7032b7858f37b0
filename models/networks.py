"""The two families of networks: an MLP, and an MLP with layer normalisation and dropout."""

from collections import OrderedDict

import torch
from torch import nn

from models.spec import CLASSES, PIXELS, TrainingSpec


class MLP(nn.Sequential):
    """Multilayer perceptron: [Linear, ReLU] for each hidden layer, then Linear to a logit for each class.

    `MLP(200, 200)`, for 28 x 28 images of ten classes, has two hidden layers of 200 units and 199,210 parameters. Takes
    images [B, 28, 28] or any examples [B, inputs], gives logits [B, classes].
    """

    def __init__(self, *hidden_sizes: int, inputs: int = PIXELS, classes: int = CLASSES) -> None:
        super().__init__(_layers(hidden_sizes, inputs, classes, normalise=False, dropout=None))


class NMLP(nn.Sequential):
    """MLP with normalisation: [Linear, LayerNorm, ReLU] for each hidden layer, then Linear to the logits.

    One dropout stands in the last hidden layer, between its normalisation and its ReLU. `NMLP(30, 5, dropout=0.5)`.
    LayerNorm: Ba, Kiros and Hinton 2016, https://arxiv.org/abs/1607.06450; dropout: Srivastava et al. 2014,
    https://jmlr.org/papers/v15/srivastava14a.html.
    """

    def __init__(self, *hidden_sizes: int, dropout: float, inputs: int = PIXELS, classes: int = CLASSES) -> None:
        super().__init__(_layers(hidden_sizes, inputs, classes, normalise=True, dropout=dropout))


def _layers(
    hidden_sizes: tuple[int, ...], inputs: int, classes: int, *, normalise: bool, dropout: float | None
) -> OrderedDict[str, nn.Module]:
    if not hidden_sizes or not all(isinstance(size, int) and size > 0 for size in hidden_sizes):
        raise ValueError(f"hidden sizes must be positive whole numbers, one for each layer, not {hidden_sizes}")
    layers: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    fan_in = inputs
    for depth, size in enumerate(hidden_sizes, start=1):
        layers[f"linear{depth}"] = nn.Linear(fan_in, size)
        if normalise:
            layers[f"norm{depth}"] = nn.LayerNorm(size)
        if dropout is not None and depth == len(hidden_sizes):
            layers["dropout"] = nn.Dropout(dropout)
        layers[f"relu{depth}"] = nn.ReLU()
        fan_in = size
    layers[f"linear{len(hidden_sizes) + 1}"] = nn.Linear(fan_in, classes)
    return layers


def count_parameters(network: nn.Module) -> int:
    """Count the numbers that the network learns."""
    return sum(parameter.numel() for parameter in network.parameters())


def build(spec: TrainingSpec, *, seed: int, inputs: int = PIXELS, classes: int = CLASSES) -> MLP | NMLP:
    """Build the network of `spec` for data with so many inputs and classes; by default, for data in MNIST's form.

    Its weights are drawn with `seed`; the global random state is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if spec.architecture == "nmlp":
            return NMLP(*spec.hidden_sizes, dropout=spec.dropout, inputs=inputs, classes=classes)
        return MLP(*spec.hidden_sizes, inputs=inputs, classes=classes)
