"""Which columns are the pixels of a picture, in which order they stand, and what its height and width are."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from models.data.reading.found import Fault, UnreadableError
from models.data.reading.options import Options
from models.data.schema import MAX_SIDE

LEAST = 64
"""Fewer columns of numbers without telling names are a table's."""

LEAST_CALLED = 9
"""So many columns that are called as pixels are may be a picture."""

_PIXEL = re.compile(r"(?:(?:pixel|pix|px|img|image)s?[ _.\-]*\d+|\d+x\d+)(?:[ _.x,\-]+\d+){0,2}", re.IGNORECASE)
_NUMBERED = re.compile(
    r"_?(?:[a-z]{1,2}|attr|attribute|feature|feat|col|column|var|val|dim)?[ _.\-]*\d+(\.\d+)?", re.IGNORECASE
)


@dataclass(frozen=True)
class Grid:
    """The columns of the pixels, row by row of the picture, and its shape; `channels` stand side by side."""

    columns: tuple[int, ...]
    height: int
    width: int
    channels: int


def pixel_columns(names: Sequence[str], places: Sequence[int]) -> list[int]:
    """Give the columns that are called as pixels are: `pixel0`, `px_3`, `1x1`, `pixel_0_0`."""
    return [place for place in places if _PIXEL.fullmatch(names[place])]


def are_numbered(names: Sequence[str], places: Sequence[int]) -> bool:
    """Whether columns have no other names than numbers, with a letter or a word such as `feature` before them."""
    return all(_NUMBERED.fullmatch(names[place]) for place in places)


def is_grid(count: int) -> bool:
    """Whether so many columns may be a square picture of one or three channels, and are enough to be no table."""
    return count >= LEAST and (_is_square(count) or (count % 3 == 0 and _is_square(count // 3)))


def lay(names: Sequence[str], places: Sequence[int], options: Options) -> tuple[Grid, str]:
    """Find height, width and channels of pixels that stand in these columns, and why; raises UnreadableError."""
    numbers = [tuple(int(part) for part in re.findall(r"\d+", names[place])) for place in places]
    ordered = list(places)
    why = ""
    called = len(pixel_columns(names, places)) == len(places)
    if len(set(numbers)) == len(places) and {len(number) for number in numbers} <= ({1, 2, 3} if called else {1}):
        ordered = [place for _, place in sorted(zip(numbers, places, strict=True))]
        if ordered != list(places):
            why = "; the columns are taken in the order of the numbers in their names"
    count = len(places)
    its_shape = _by_names(numbers) if called else None
    if its_shape is None and called and (its_shape := _by_names([(*rest, first) for first, *rest in numbers])):
        # What is named first takes one or three numbers, and what is named last more: whole planes, a colour each.
        ordered = [
            place
            for _, place in sorted(((*rest, first), at) for (first, *rest), at in zip(numbers, places, strict=True))
        ]
        why = "; its planes, which stand one after the other, are brought side by side, pixel by pixel"
    height, width, channels = size(count, options, its_shape)
    return Grid(tuple(ordered), height, width, channels), why


def size(count: int, options: Options, named: tuple[int, int, int] | None = None) -> tuple[int, int, int]:
    """Give height, width and channels of so many pixels; raises UnreadableError where they are none of a picture."""
    if options.size is not None:
        height, width = options.size
        channels = options.channels or count // (height * width)
        if channels not in {1, 3} or height * width * channels != count:
            raise UnreadableError(
                Fault(
                    "size",
                    f"{height} x {width} pixels were said, and there are {count:,} numbers to a picture",
                    "say height and width whose product is that count, or a third of it for colours",
                )
            )
        return height, width, channels
    if named is not None and options.channels in {None, named[2]}:
        return named
    channels = options.channels or (1 if _is_square(count) else 3)
    side = math.isqrt(count // channels)
    if side * side * channels != count or side > MAX_SIDE:
        raise UnreadableError(
            Fault("columns", f"{count:,} numbers to a picture are no square", "say its height and width: size=HxW")
        )
    return side, side, channels


def _by_names(numbers: Sequence[tuple[int, ...]]) -> tuple[int, int, int] | None:
    """Give the shape that names of two or three numbers tell, if each pixel of it is there."""
    parts = len(numbers[0]) if numbers else 0
    if parts not in {2, 3} or len(set(numbers)) != len(numbers) or any(len(number) != parts for number in numbers):
        return None
    sides = [len({number[axis] for number in numbers}) for axis in range(parts)]
    if math.prod(sides) != len(numbers) or (parts == 3 and sides[2] not in {1, 3}):
        return None
    return sides[0], sides[1], sides[2] if parts == 3 else 1


def _is_square(count: int) -> bool:
    return count > 0 and math.isqrt(count) ** 2 == count
