"""How many networks are best trained together on this machine: measured, because it depends on caches and cores."""

import time
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from models.data.examples import Examples
from models.data.split import Split, divide
from models.spec import TrainingSpec
from models.training import train
from models.workload import GROUP as GROUP

GROUP_SIZES = (1, 2, 4, 8, 16)
TOLERANCE = 1.05
"""A group is not made larger for less than so much: its networks would only wait for each other."""

_EXAMPLES = 1280


def choose(seconds: Mapping[int, float]) -> int:
    """Choose the smallest group that is nearly as good as the best, by the seconds of a network's step in each."""
    least = min(seconds.values())
    return min(size for size, cost in seconds.items() if cost <= TOLERANCE * least)


def measure(group_sizes: Sequence[int] = GROUP_SIZES, *, repetitions: int = 3) -> dict[int, float]:
    """Give the seconds of a network's step in groups of each size: trained on invented images, for half a second.

    A network costs the less the more are trained beside it, until their weights outgrow the processor's caches.
    """
    examples = _invented()
    return {size: min(_seconds_of_a_step(size, examples) for _ in range(repetitions)) for size in group_sizes}


def _seconds_of_a_step(group_size: int, examples: Split) -> float:
    specs = [TrainingSpec(seed=seed, epochs=1) for seed in range(group_size)]
    started = time.perf_counter()
    for _ in train(specs, examples):
        pass
    return (time.perf_counter() - started) / group_size / (len(examples.y_train) // specs[0].batch_size)


def _invented() -> Split:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (_EXAMPLES, 28, 28), dtype=np.uint8)
    return divide(Examples(pixels, random.integers(0, 10, _EXAMPLES)), validation_fraction=0.1, split_seed=0)


def use_threads(count: int) -> None:
    """Let torch compute with so many threads; before its first work, which makes its pools."""
    torch.set_num_threads(count)
    torch.set_num_interop_threads(1)
