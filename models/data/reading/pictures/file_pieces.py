"""Into how many pieces a picture's file is cut: each takes its time to be looked at, however few its bytes are."""

import struct

from models.data.reading.pictures.outcome import BrokenError

MOST_CHUNKS = 20_000
"""Of a PNG; common writers begin a new one every 8 KiB."""

MOST_SEGMENTS = 5_000
"""Of a JPEG in front of its first pixels, and bytes that fill up what is between them."""

MOST_STRIPS = 2**16
"""Of a TIFF, or tiles."""

_STRIPS = (273, 324)  # the tags of where they are
_ENTRIES = {b"*": ("H", 4, "HHI", 12), b"+": ("Q", 8, "HHQ", 20)}  # of TIFF, and of BigTIFF


def check(data: bytes, name: str) -> None:
    """Refuse a file of this form (as Pillow calls it) that has too many pieces; raises BrokenError."""
    if name in _CHECKS:
        _CHECKS[name](data)


def _png(data: bytes) -> None:
    at = 8
    for _ in range(MOST_CHUNKS):
        if at + 12 > len(data) or data[at + 4 : at + 8] == b"IEND":
            return
        at += 12 + int.from_bytes(data[at : at + 4])
    raise BrokenError(f"it has more than {MOST_CHUNKS:,} chunks, as a PNG picture")


def _jpeg(data: bytes) -> None:
    at = 2
    for _ in range(MOST_SEGMENTS):
        if at + 4 > len(data) or data[at : at + 2] == b"\xff\xda":
            return
        # What is no marker is passed over by a byte, as Pillow does.
        is_marker = data[at] == 0xFF and data[at + 1] not in (0x00, 0xFF)
        at += 2 + int.from_bytes(data[at + 2 : at + 4]) if is_marker else 1
    raise BrokenError(f"it has more than {MOST_SEGMENTS:,} segments in front of its pixels, as a JPEG picture")


def _tiff(data: bytes) -> None:
    order = "<" if data.startswith(b"II") else ">"
    count_form, start, entry_form, step = _ENTRIES[data[2:4].strip(b"\0")]
    try:
        (at,) = struct.unpack_from(f"{order}{'I' if step == 12 else 'Q'}", data, start)
        (count,) = struct.unpack_from(f"{order}{count_form}", data, at)
        at += struct.calcsize(f"={count_form}")
        for place in range(min(count, 2**16)):
            tag, _, strips = struct.unpack_from(f"{order}{entry_form}", data, at + place * step)
            if tag in _STRIPS and strips > MOST_STRIPS:
                raise BrokenError(f"it has {strips:,} strips or tiles, as a TIFF picture, more than {MOST_STRIPS:,}")
    except struct.error:
        return  # which is cut short, and refused by whoever reads it


_CHECKS = {"PNG": _png, "JPEG": _jpeg, "TIFF": _tiff}
