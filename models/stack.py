"""Many networks of equal shape as one: their weights are rows of one matrix, a step serves them all.

A small network spends much of its time between its matrix products. Here nothing is recorded for autograd, hardly
anything is allocated in a step, and what costs little is done for all networks at once. A stack is made from modules
of `models.networks`, which stay the definition of what is computed, and share their weights with it.

Legend of shapes: K networks, P numbers of one network with the gaps between its tensors, B examples in a batch,
D inputs, C classes.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from models.gradients import Factors, Gradients
from models.layers import CrossEntropy, Dropout, HalfLinear, Layer, LayerNorm, Linear, ReLU, Signal
from models.products import choice
from models.products.choice import Choice

# Every network's part of a buffer begins on a cache line: MKL promises equal bits only for equally aligned operands,
# https://www.intel.com/content/www/us/en/docs/onemkl/developer-guide-linux/2024-2/overview-of-numerical-reproducibility.html
_CACHE_LINE = 16  # numbers in 64 bytes


def _aligned(count: int) -> int:
    return -(-count // _CACHE_LINE) * _CACHE_LINE


@dataclass(frozen=True)
class Layout:
    """The places of a network's tensors in its row; `size` counts the numbers of a row, gaps included."""

    shapes: Mapping[str, tuple[int, ...]]
    offsets: Mapping[str, int]
    size: int

    @classmethod
    def of(cls, network: nn.Module) -> "Layout":
        """Lay out the parameters of a network in their order, each on a cache line."""
        shapes = {name: tuple(tensor.shape) for name, tensor in network.named_parameters()}
        ends = list(itertools.accumulate((_aligned(math.prod(shape)) for shape in shapes.values()), initial=0))
        return cls(shapes, dict(zip(shapes, ends, strict=False)), ends[-1])

    def views(self, rows: Tensor) -> dict[str, Tensor]:
        """Give every tensor by name as a view: [*shape] of a row [P], [K, *shape] of rows [K, P].

        Matrices lie transposed, inputs by outputs: what is multiplied by them passes over them as they lie.
        """
        return {
            name: rows[..., self.offsets[name] : self.offsets[name] + math.prod(shape)].unflatten(-1, shape[::-1]).mT
            if len(shape) == 2
            else rows[..., self.offsets[name] : self.offsets[name] + math.prod(shape)].unflatten(-1, shape)
            for name, shape in self.shapes.items()
        }


class Stack:
    """Networks of equal shape, trained in step; their parameters become views of the rows of `weights_KP`.

    Each network draws its dropout from a generator of its own. With `half`, the first layer's products, by far the
    largest, are made in bfloat16.
    """

    def __init__(
        self,
        networks: Sequence[nn.Sequential],
        generators: Sequence[Generator],
        *,
        half: bool = False,
        kernels: Choice | None = None,
    ) -> None:
        self.networks, self.generators, self.half = networks, generators, half
        self.kernels = kernels or choice.current()
        self.layout = Layout.of(networks[0])
        like = next(networks[0].parameters())
        self.weights_KP = torch.zeros(len(networks), self.layout.size, dtype=like.dtype, device=like.device)
        self.gradients_KP = torch.zeros_like(self.weights_KP)
        for network, row_P in zip(networks, self.weights_KP, strict=True):
            views = self.layout.views(row_P)
            for name, tensor in network.state_dict().items():
                views[name].copy_(tensor)
            network.load_state_dict(views, assign=True)
            network.requires_grad_(False)
        self.rows = self.weights_KP.unbind()
        self._batches: dict[tuple[int, bool], Batch] = {}

    def batch(self, size: int, shared_BD: Tensor | None = None) -> "Batch":
        """Give what a step with `size` examples needs; made when it is first asked for, then used again.

        `shared_BD` are examples that all networks take in, where they do.
        """
        place = size, shared_BD is not None
        if place not in self._batches:
            self._batches[place] = Batch(self, size, shared_BD)
        return self._batches[place]


class Batch:
    """B examples for each network: put them into `images` ([B, D] each), whatever they are of, then `step`."""

    def __init__(self, stack: Stack, size: int, shared_BD: Tensor | None = None) -> None:
        self._shape = (len(stack.networks), size)
        self._like = stack.weights_KP
        linear_layers = [module for module in stack.networks[0].children() if isinstance(module, nn.Linear)]
        if shared_BD is None:
            images = self._buffer(linear_layers[0].in_features)
            x = Signal(images.bfloat16() if stack.half else images, self._like)
        else:
            x = Signal(shared_BD.expand(len(stack.networks), -1, -1), self._like)
        self.images = x.value.unbind()
        self._layers: list[Layer] = []
        factors: list[list[Factors]] = [[] for _ in stack.networks]
        weights, gradients = stack.layout.views(stack.weights_KP), stack.layout.views(stack.gradients_KP)
        for name, module in stack.networks[0].named_children():
            its_weights, its_gradients = _of(name, weights), _of(name, gradients)
            match module:
                case nn.Linear():
                    is_first, is_last = not self._layers, module is linear_layers[-1]
                    y = Signal(self._buffer(module.out_features, is_last), self._buffer(module.out_features, is_last))
                    if is_first and stack.half:
                        self._layers.append(HalfLinear(x, y, its_weights, its_gradients))
                    else:
                        linear = Linear(x, y, its_weights, its_gradients, stack.kernels, is_first=is_first)
                        self._layers.append(linear)
                        place = stack.layout.offsets[f"{name}.weight"]
                        for number, its in enumerate(factors):
                            its.append(linear.factors(number, place))
                    x = y
                case nn.LayerNorm():
                    self._layers.append(LayerNorm(x, its_weights, its_gradients))
                case nn.Dropout():
                    same_layer = [network.get_submodule(name) for network in stack.networks]
                    probabilities = [layer.p for layer in same_layer if isinstance(layer, nn.Dropout)]
                    if any(probabilities):
                        self._layers.append(Dropout(x, probabilities, stack.generators))
                case nn.ReLU():
                    self._layers.append(ReLU(x))
                case nn.Flatten():
                    pass
                case _:
                    raise TypeError(f"there is no stacked form of {type(module).__name__}")
        self._loss = CrossEntropy(x)
        self.gradients = [Gradients(*its) for its in zip(stack.gradients_KP, factors, strict=True)]

    def step(self, targets: Sequence[Tensor]) -> list[float | Tensor]:
        """Pass the examples forward and back: fills `gradients`, gives each network's mean loss.

        `targets` are as CrossEntropy takes them.
        """
        for layer in self._layers:
            layer.forward()
        losses = self._loss(targets)
        for layer in reversed(self._layers):
            layer.backward()
        return losses

    def _buffer(self, units: int, transposed: bool = False) -> Tensor:
        """Give memory for [K, B, units]; `transposed` that of an example does not lie together."""
        networks, size = self._shape
        rows = torch.empty(networks, _aligned(size * units), dtype=self._like.dtype, device=self._like.device)
        numbers = rows[:, : size * units]
        buffer: Tensor = numbers.unflatten(1, (units, size)).mT if transposed else numbers.unflatten(1, (size, units))
        return buffer


def _of(layer: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Choose the tensors of one layer, by their names within it."""
    return {name.removeprefix(f"{layer}."): tensor for name, tensor in tensors.items() if name.startswith(f"{layer}.")}
