"""A network as a function of examples, for evaluation: nothing is dropped, nothing recorded, its mode left alone.

Legend of shapes: B examples, D inputs, C classes.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from models.data.gathered import Inputs, Pixels
from models.fused_linear import as_fastest, half_linear, linear
from models.pixel_linear import PixelLinear, fits

_EVALUATED = (nn.Flatten, nn.Dropout, nn.Identity)
"""Layers that let rows of examples through as they are."""


class Forward:
    """Gives the logits of a network whose weights are `tensors`, by the names of its state; its own by default.

    Weights of linear layers are copied, all others are read as they are when it is called. With `half`, the first layer
    multiplies in bfloat16, which is what examples come in then; bytes it multiplies exactly all the same.
    """

    def __init__(self, network: nn.Module, tensors: Mapping[str, Tensor] | None = None, *, half: bool = False) -> None:
        of = network.state_dict() if tensors is None else tensors
        named = list(network.named_children()) or [("", network)]
        self._layers: list[Callable[[Tensor], Tensor]] = []
        self._first: tuple[Tensor, Tensor] | None = None
        for name, layer in named:
            match layer:
                case nn.Linear():
                    weight, bias = as_fastest(of[f"{name}.weight"]), of[f"{name}.bias"]
                    if not self._layers:
                        self._first = weight, bias
                    if half and not self._layers:
                        self._layers.append(partial(half_linear, w_OI=weight.bfloat16(), b_O=bias))
                    else:
                        self._layers.append(partial(linear, w_OI=weight, b_O=bias))
                case nn.LayerNorm():
                    units, scale, shift = list(layer.normalized_shape), of[f"{name}.weight"], of[f"{name}.bias"]
                    self._layers.append(
                        partial(
                            nn.functional.layer_norm, normalized_shape=units, weight=scale, bias=shift, eps=layer.eps
                        )
                    )
                case nn.ReLU():
                    self._layers.append(torch.relu_)
                case _ if isinstance(layer, _EVALUATED):
                    pass
                case _:
                    raise TypeError(f"there is no evaluated form of {type(layer).__name__}")

    @torch.inference_mode()
    def __call__(self, x_BD: Tensor) -> Tensor:
        """Give the logits [B, C] of examples."""
        return _passed(x_BD.flatten(1), self._layers)

    def takes_bytes(self, x_ND: Inputs) -> bool:
        """Whether these examples need not be made: the first layer multiplies their bytes."""
        return isinstance(x_ND, Pixels) and self._first is not None and fits(x_ND.shape[1])

    @torch.inference_mode()
    def on_bytes(self, of: Pixels) -> Callable[[Tensor], Tensor]:
        """Give the same function of pictures as `pixel_linear.signed` gives them."""
        assert self._first is not None
        first = PixelLinear(*self._first, of.mean, of.deviation)
        return partial(_passed, layers=[first, *self._layers[1:]])


def _passed(y: Tensor, layers: Sequence[Callable[[Tensor], Tensor]]) -> Tensor:
    for layer in layers:
        y = layer(y)
    return y
