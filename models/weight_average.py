"""Moving averages of weights: a network that follows another, whose earlier weights fade."""

from copy import deepcopy

import torch
from torch import Tensor

from models.networks import MLP, NMLP
from models.stack import Layout


class WeightAverage:
    """An exponential moving average of a network's weights, held by a network of its own.

    Polyak and Juditsky 1992, https://doi.org/10.1137/0330046, with weights that fade.
    """

    def __init__(self, network: MLP | NMLP, layout: Layout, decay: float) -> None:
        self.network = deepcopy(network).requires_grad_(False)
        self._decay = decay
        self._average_P = torch.zeros(layout.size, device=next(network.parameters()).device)
        for name, view in layout.views(self._average_P).items():
            view.copy_(self.network.get_parameter(name))
        self.network.load_state_dict(layout.views(self._average_P), assign=True)

    def follow(self, weights_P: Tensor, iteration: int) -> None:
        """Take in the weights after a batch; the first ones, far from where training leads, fade sooner."""
        self._average_P.lerp_(weights_P, 1 - min(self._decay, (1 + iteration) / (10 + iteration)))
