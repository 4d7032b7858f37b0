"""What the axes of an array of examples are: rows, height, width and channels; and which of them are turned.

Legend of shapes: N examples, H height, W width.
"""

import math
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from models.data.reading.arrays.array import Array
from models.data.reading.found import Fault, UnreadableError
from models.data.reading.options import Options
from models.data.schema import MAX_SIDE


@dataclass(frozen=True)
class Axes:
    """The shape of one example: height, width and channels of a picture; of a flat row, its length alone.

    `channel_first` says that the channels stand before height and width; `told` what was understood of it.
    """

    shape: tuple[int, int, int] | None
    columns: int
    channel_first: bool = False
    told: str = ""

    def flat(self, some: NDArray[Any]) -> NDArray[Any]:
        """Give some examples as rows [n, columns], pixel by pixel, the channels of each side by side."""
        if self.channel_first:
            some = some.transpose(0, 2, 3, 1)
        return some.reshape(len(some), self.columns)


def of(array: Array, options: Options) -> Axes:
    """Find out what the axes of an array are; raises UnreadableError where it holds no examples of one kind."""
    sides = array.shape[1:]
    if not math.prod(sides):
        raise UnreadableError(
            Fault(array.where, f"its shape is {list(array.shape)}: nothing is in it", "write it anew")
        )
    if len(sides) == 4 and sides[-1] == 1:
        sides = sides[:-1]
    if len(sides) <= 1 or (len(sides) == 2 and sides[-1] == 1):
        return Axes(None, math.prod(sides))
    if len(sides) == 2:
        return _checked(array, Axes((sides[0], sides[1], 1), math.prod(sides)), options)
    if len(sides) == 3 and sides[2] in {1, 3} and not (sides[0] == 3 and sides[2] == 1):
        return _checked(array, Axes((sides[0], sides[1], sides[2]), math.prod(sides)), options)
    if len(sides) == 3 and sides[0] in {1, 3}:
        told = f"the {sides[0]} channel{'s' * (sides[0] > 1)} of {array.name!r} stand{'s' * (sides[0] == 1)} before "
        told += "height and width, and come after them here"
        axes = Axes((sides[1], sides[2], sides[0]), math.prod(sides), sides[0] == 3, told)
        return _checked(array, axes, options)
    raise UnreadableError(_strange(array))


def _checked(array: Array, axes: Axes, options: Options) -> Axes:
    """Refuse options that say otherwise than the array does."""
    height, width, channels = axes.shape or (0, 0, 0)
    if max(height, width) > MAX_SIDE:
        what = f"its pictures have {height:,} x {width:,} pixels; at most {MAX_SIDE:,} x {MAX_SIDE:,}"
        raise UnreadableError(Fault(array.where, what, "make them smaller"))
    size = (width, height) if options.transpose else (height, width)
    if options.size not in {None, size}:
        said = " x ".join(map(str, options.size or ()))
        what = f"{said} pixels were said, and the pictures of {array.name!r} have {size[0]} x {size[1]}"
        raise UnreadableError(Fault("size", what, "leave it out, or send the array in that size"))
    if options.channels not in {None, channels}:
        what = f"{options.channels} channels were said, and the pictures of {array.name!r} have {channels}"
        raise UnreadableError(Fault("channels", what, "leave it out"))
    if options.kind == "table":
        what = f"table was said, and {array.shown} holds pictures: each of its examples has height and width"
        raise UnreadableError(
            Fault("kind", what, "leave it out, or send the array as rows: values.reshape(len(values), -1)")
        )
    return axes


def _strange(array: Array) -> Fault:
    sides = array.shape[1:]
    if len(sides) == 3 and sides[1] in {1, 3}:
        return Fault(
            array.where,
            f"its shape is {list(array.shape)}: its last axis may be the one that counts the examples",
            "bring that to the front: numpy.moveaxis(values, 3, 0)",
        )
    if len(sides) == 3 and (sides[2] in {2, 4} or sides[0] in {2, 4}):
        count = sides[2] if sides[2] in {2, 4} else sides[0]
        return Fault(
            array.where,
            f"its pictures have {count} channels, and 1 (grey) or 3 (red, green, blue) are read",
            "send the colours alone, without transparency: values[..., :3]",
        )
    return Fault(
        array.where,
        f"its shape, {list(array.shape)}, is none of pictures: those have a height, a width, and 1 or 3 channels",
        "send [N, H, W], [N, H, W, 3] or [N, 3, H, W]; of a volume, one slice: values[:, 14]",
    )
