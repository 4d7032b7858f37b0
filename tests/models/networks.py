"""Networks of every kind that have learnt nothing, their files, and images to ask them with."""

import numpy as np
import safetensors.numpy
import torch
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import nn

from models.checkpoints import Checkpoint, pack_state, pack_weights
from models.networks import build
from models.spec import TrainingSpec

MEAN, DEVIATION = 33.3, 78.6


def checkpoint_of(network: nn.Module, epoch: int = 3) -> Checkpoint:
    return Checkpoint(epoch, 21, 2, 0.5, network.state_dict(), {})


def network_and_file(
    architecture: str, sizes: tuple[int, ...], seed: int, scale: float = 1.0, mean: float = MEAN
) -> tuple[nn.Module, bytes]:
    """Build a network with every parameter away from its initial value; gives it and its weights file."""
    spec = TrainingSpec.model_validate({"architecture": architecture, "hidden_sizes": sizes})
    network = build(spec, seed=seed).eval()
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in network.named_parameters():
        if name.startswith("norm"):
            parameter.data += 0.2 * torch.randn(parameter.shape, generator=generator)
        parameter.data *= scale
    return network, pack_weights(checkpoint_of(network), spec, mean=mean, deviation=DEVIATION)


def random_pixels(count: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, 28, 28), dtype=np.uint8)


def layers(width: st.SearchStrategy[int]) -> st.SearchStrategy[tuple[int, ...]]:
    return st.lists(width, min_size=1, max_size=8).map(tuple)


seeds = st.integers(0, 2**32 - 1)


NETWORKS = {
    "mlp": ("mlp", (20,)),
    "nmlp": ("nmlp", (20, 10)),
    "one unit": ("mlp", (1,)),
    "one normalised unit": ("nmlp", (1,)),
    "eight layers": ("mlp", (16,) * 8),
    "eight normalised layers": ("nmlp", (16,) * 8),
}


_, GOOD = network_and_file("nmlp", (6, 4), seed=0)

NO_WEIGHTS = {
    "nothing": b"",
    "garbage": b"\x80\x04garbage" * 9,
    "a foreign file": safetensors.numpy.save({"linear1.weight": np.zeros((3, 4), np.float32)}),
    "the state of a run": pack_state(Checkpoint(1, 1, 1, 0.5, {}, {"0.step": torch.tensor(1.0)})),
    "metadata without the weights": pack_weights(
        Checkpoint(1, 1, 1, 0.5, {}, {}), TrainingSpec(), mean=MEAN, deviation=DEVIATION
    ),
    "too few layers": pack_weights(
        checkpoint_of(build(TrainingSpec(hidden_sizes=(5,)), seed=0)), TrainingSpec(), mean=MEAN, deviation=DEVIATION
    ),
    "a tail": GOOD + b"\0",
}
