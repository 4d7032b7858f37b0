"""How many pixels a picture has by its header, told in a few microseconds: what it counts for, not what is trusted.

Whoever decodes it looks again, see footprint.py.
"""

import struct

from models.data.reading.pictures import picture_format
from models.data.reading.pictures.outcome import MOST_BYTES, MOST_PIXELS

_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
"""Markers of a JPEG behind which its size stands."""

_MOST_SEGMENTS = 100
_TIFF_BYTES = 16  # pixels for each byte, where a header would have to be looked for


def of(data: bytes) -> int:
    """Give the pixels of a picture; 0 of what is refused before any of them is decoded."""
    name = picture_format.name_of(data)
    if name is None or len(data) > MOST_BYTES:
        return 0
    try:
        width, height = _SIZES[name](data)
    except struct.error:
        return 0
    count = abs(width * height)
    return count if count <= MOST_PIXELS else 0


def _png(data: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _jpeg(data: bytes) -> tuple[int, int]:
    at = 2
    for _ in range(_MOST_SEGMENTS):
        mark, kind, length = struct.unpack_from(">BBH", data, at)
        if mark != 0xFF:
            break
        if kind in _FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        # Bytes of 255 may fill up what is before a marker.
        at += 1 if kind == 0xFF else 2 + length
    return 0, 0


def _gif(data: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from("<HH", data, 6)
    return width, height


def _bmp(data: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from("<ii", data, 18)
    return width, height


def _webp(data: bytes) -> tuple[int, int]:
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


def _avif(data: bytes) -> tuple[int, int]:
    place = data.find(b"ispe", 0, 2**16)
    if place < 0:
        return 0, 0
    width, height = struct.unpack_from(">II", data, place + 8)
    return width, height


def _tiff(data: bytes) -> tuple[int, int]:
    return min(len(data) * _TIFF_BYTES, MOST_PIXELS), 1


_SIZES = {
    "PNG": _png, "JPEG": _jpeg, "GIF": _gif, "BMP": _bmp, "WEBP": _webp, "AVIF": _avif, "TIFF": _tiff,
}  # fmt: skip
