"""What a picture is to be brought to, within which bounds, and what can come of it."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

MOST_BYTES = 16 * 2**20
"""Of a picture's file."""

MOST_PIXELS = 50_000_000

Fit = Literal["stretch", "pad", "crop"]


class Form(NamedTuple):
    """What a picture is brought to: height and width, or its own; grey (1), colours (3), or whichever it is.

    One that keeps its own size is made smaller, by area, where a side is longer than `longest`. Of one whose decoding
    would take more than `memory` bytes nothing is decoded.
    """

    size: tuple[int, int] | None = None
    channels: Literal[1, 3] | None = None
    fit: Fit = "stretch"
    longest: int | None = None
    memory: int | None = None


class Answer(NamedTuple):
    """A picture that is sound: its own height and width when upright, its channels, and what was done to it.

    `channels` are those of its pixels, 0 where only the header was looked at. `greatest` is the greatest number of one
    that has sixteen bits, else -1.
    """

    height: int
    width: int
    channels: int
    format: str
    marks: Sequence[str]
    greatest: int


class Broken(NamedTuple):
    """Why a picture could not be decoded, and what to do."""

    detail: str
    remedy: str


class BrokenError(ValueError):
    """A picture that cannot be decoded: why, and what to do."""

    def __init__(self, detail: str, remedy: str = "save the picture again, or leave it out") -> None:
        super().__init__(detail)
        self.detail, self.remedy = detail, remedy
