"""Examples drawn by a seed, of nothing in particular."""

import numpy as np

from models.data.examples import Examples


def some_examples(count: int = 30, seed: int = 0) -> Examples:
    random = np.random.default_rng(seed)
    return Examples(random.integers(0, 256, (count, 28, 28), dtype=np.uint8), random.integers(0, 10, count))
