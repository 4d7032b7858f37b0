"""Whether a PNG is whole: Pillow shows what is there of one whose pixels end too early, and black for the rest.

By the PNG specification, https://www.w3.org/TR/png-3/.
"""

import struct
import zlib
from typing import NamedTuple

from PIL import Image

from models.data.reading.pictures.outcome import BrokenError

_BITS = {  # per pixel, for the pairs of bit depth and colour type that the specification allows
    **{(depth, 0): depth for depth in (1, 2, 4, 8, 16)},
    **{(depth, 3): depth for depth in (1, 2, 4, 8)},
    **{(depth, kind): depth * channels for depth in (8, 16) for kind, channels in ((2, 3), (4, 2), (6, 4))},
}
_PASSES = {  # by interlace method: first column, first row, column step, row step
    0: ((0, 0, 1, 1),),
    1: ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
}
_START = 8
_PIECE = 2**20
_MARKS: dict[str, int | tuple[int, ...]] = {"L": 3, "P": 255, "RGB": (3, 1, 2), "RGBA": (3, 1, 2, 5)}
"""Pixels, seldom ones, with which a picture is filled before it is loaded, by mode: where one is left in the last place
that place may not have been decoded."""


class Stream(NamedTuple):
    """The pixels of a PNG as they are packed, and how many bytes its header promises of them."""

    pixels: list[memoryview]
    promised: int

    def check(self) -> None:
        """Refuse it by unpacking it all, if there is less; raises BrokenError."""
        if _inflated(self.pixels, self.promised) < self.promised:
            raise BrokenError("it holds less pixels than its header says, as a PNG picture")


def begin(data: bytes, image: Image.Image) -> Stream | None:
    """Refuse a PNG that has no end, before it is loaded; gives what `finish` is still to look at; raises BrokenError.

    What Pillow refuses of itself (checksums, forms that there are not) is not looked at.
    """
    stream = _stream(data)
    # Of interlaced ones the last row comes from a pass before the last; over animated ones other frames may lie.
    is_plain = not image.info.get("interlace") and not getattr(image, "is_animated", False)
    if stream is None:
        return None
    if not is_plain or image.mode not in _MARKS:
        stream.check()
        return None
    image.im = Image.new(image.mode, image.size, _MARKS[image.mode]).im
    return stream


def finish(image: Image.Image, stream: Stream) -> None:
    """Refuse a PNG that was loaded if it has less pixels than its header says; raises BrokenError."""
    # Rows are decoded whole and in their order: with the last pixel all are there.
    if image.getpixel((image.width - 1, image.height - 1)) == _MARKS[image.mode]:
        stream.check()


def _stream(data: bytes) -> Stream | None:
    view, at, pixels, header = memoryview(data), _START, list[memoryview](), None
    while True:
        if at + 12 > len(data):
            raise BrokenError("it is cut short or damaged, as a PNG picture", "send all of the file")
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"IEND":
            break
        if kind == b"IHDR" and length >= 13:
            header = struct.unpack_from(">IIBBBBB", data, at + 8)
        elif kind == b"IDAT":
            pixels.append(view[at + 8 : at + 8 + length])
        at += 12 + length
    if header is None:
        return None
    width, height, depth, colour, _, _, interlace = header
    if (depth, colour) not in _BITS or interlace not in _PASSES:
        return None
    promised = 0
    for left, top, across, down in _PASSES[interlace]:
        columns, rows = len(range(left, width, across)), len(range(top, height, down))
        if columns:
            promised += rows * (1 + (columns * _BITS[depth, colour] + 7) // 8)  # each row begins with its filter
    return Stream(pixels, promised)


def _inflated(pieces: list[memoryview], most: int) -> int:
    """Count the bytes that come of pieces of one stream, up to so many."""
    inflater, count = zlib.decompressobj(), 0
    for piece in pieces:
        rest: bytes | memoryview = piece
        while count < most and (found := inflater.decompress(rest, _PIECE)):
            count, rest = count + len(found), inflater.unconsumed_tail
        if count >= most or inflater.eof:
            break
    return count
