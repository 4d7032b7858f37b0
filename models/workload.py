"""What an epoch of a spec comes to: seconds on a core like the one that was measured, and bytes of memory. Pure."""

import itertools
from dataclasses import astuple, dataclass

from models.spec import TrainingSpec

GROUP = 4
"""Jobs of equal shape that a training process takes together, where nothing else was set."""

_COPIES = 6
"""Of the numbers of a network: weights, gradients, Adam's two moments, and those of the epoch under evaluation."""

_EVALUATED_AT_ONCE = 4000 * 28 * 28
"""Numbers of examples that are evaluated at a time (models/evaluation.py)."""


@dataclass(frozen=True)
class Data:
    """How much there is to learn from: examples to train on and to validate with, numbers and classes of each."""

    training: int
    validation: int
    inputs: int
    classes: int


@dataclass(frozen=True)
class Seconds:
    """What an epoch takes, by what it is spent on."""

    products: float
    """Matrix products, forwards and backwards, and those of the evaluation."""
    steps: float
    """What each step costs, however small the network."""
    optimizer: float
    gathering: float
    activations: float
    moving: float
    """Images that are shifted and turned."""
    writing: float
    """The files of the epoch, and its row."""

    @property
    def total(self) -> float:
        """Give the sum."""
        return float(sum(astuple(self)))


def seconds(spec: TrainingSpec, data: Data) -> Seconds:
    """Give what an epoch would take where the figures below were taken: an AMX Xeon at 2 GHz, one thread."""
    sizes = (data.inputs, *spec.hidden_sizes, data.classes)
    layers = [fan_in * fan_out for fan_in, fan_out in itertools.pairwise(sizes)]
    numbers = spec.parameters_for(data.inputs, data.classes)
    steps = -(-data.training // spec.batch_size)
    learned = data.training * (3 * sum(layers) - layers[0])  # what comes in needs no gradient
    measured = (data.training + data.validation) * sum(layers)
    units = sum(spec.hidden_sizes) * (_NORMALISED if spec.architecture == "nmlp" else 1)
    moved = bool(spec.shift_pixels) * _SHIFTED + bool(spec.rotation_degrees) * _TURNED
    return Seconds(
        products=(learned + measured) * (_HALF if spec.precision == "bfloat16" else 1) * 11e-12,
        steps=steps * 35e-6,
        optimizer=steps * numbers * (1.1e-9 if spec.optimizer != "sgd" else 0.9e-9),
        gathering=(data.training + data.validation) * data.inputs * 2.5e-9,
        activations=(2 * data.training + data.validation) * (units + 3 * data.classes) * 2.2e-9,
        moving=data.training * data.inputs * moved,
        writing=0.004 + numbers * 16e-9,
    )


_NORMALISED, _HALF = 4, 0.6
_SHIFTED, _TURNED = 4e-9, 8e-9


def memory(spec: TrainingSpec, data: Data) -> int:
    """Give the bytes that training a spec takes beside its data set, which all processes of a machine share."""
    numbers = spec.parameters_for(data.inputs, data.classes)
    widest = max(data.inputs, *spec.hidden_sizes, data.classes)
    batch = spec.batch_size * (data.inputs + 4 * sum(spec.hidden_sizes) + 4 * data.classes)
    evaluated = min(_EVALUATED_AT_ONCE, (data.training + data.validation) * data.inputs) // data.inputs
    averaged = bool(spec.ema_decay)
    return 4 * ((_COPIES + averaged) * numbers + batch + 2 * evaluated * widest)
