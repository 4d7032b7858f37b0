"""Pictures that are made to fill the memory of whoever decodes them, or never to end: small files, each real."""

import struct
import zlib

import numpy as np
from PIL import Image

from tests.models.data.reading.pictures.files import noise, saved


def chunk(kind: bytes, data: bytes) -> bytes:
    """Give a chunk of a PNG."""
    return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)


def _png(width: int, height: int, *chunks: bytes) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IEND", b"")


def _zeros(count: int) -> bytes:
    packer = zlib.compressobj(1)
    return b"".join([*(packer.compress(bytes(2**20)) for _ in range(count // 2**20)), packer.flush()])


def _within(kind: bytes, data: bytes) -> bytes:
    """Give a sound PNG with another chunk before its pixels."""
    whole = saved(Image.fromarray(noise()))
    return whole[:33] + chunk(kind, data) + whole[33:]


def tiff(entries: dict[int, tuple[int, int, int]], behind: bytes = b"", following: int = 0) -> bytes:
    """Give a TIFF of one directory: of each entry its type, count and value."""
    body = b"".join(struct.pack("<HHII", tag, *its) for tag, its in sorted(entries.items()))
    return struct.pack("<2sHIH", b"II", 42, 8, len(entries)) + body + struct.pack("<I", following) + behind


_GREY = {256: (4, 1, 9), 257: (4, 1, 12), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 1), 277: (3, 1, 1)}
_STRIP = {273: (4, 1, 200), 278: (4, 1, 12), 279: (4, 1, 108)}
_TILES = {322: (4, 1, 2**31 - 16), 323: (4, 1, 2**31 - 16), 324: (4, 1, 200), 325: (4, 1, 108)}


def _bmp(width: int, height: int, size: int = 40, offset: int = 54) -> bytes:
    head = struct.pack("<IiiHHIIiiII", size, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return struct.pack("<2sIHHI", b"BM", 154, 0, 0, offset) + head + bytes(100)


def _animated(form: str, frames: int) -> bytes:
    first, *others = [Image.fromarray(noise(seed=number, channels=3)) for number in range(frames)]
    return saved(first, form, save_all=True, append_images=others)


def _patched(data: bytes, before: bytes, after: bytes) -> bytes:
    assert before in data
    return data.replace(before, after)


def _jpeg(side: int) -> bytes:
    data = bytearray(saved(Image.fromarray(noise()), "JPEG"))
    place = data.index(b"\xff\xc0")
    data[place + 5 : place + 9] = struct.pack(">HH", side, side)
    return bytes(data)


def _progressive() -> bytes:
    data = saved(Image.fromarray(np.zeros((400, 400), np.uint8)), "JPEG", progressive=True)
    place = data.rindex(b"\xff\xda")
    return data[:place] + data[place:-2] * 200 + data[-2:]


def _avif(side: int) -> bytes:
    data = saved(Image.fromarray(noise(channels=3)), "AVIF")
    return _patched(
        data, b"ispe" + bytes(4) + struct.pack(">II", 9, 12), b"ispe" + bytes(4) + struct.pack(">II", *[side] * 2)
    )


def _webp_canvas() -> bytes:
    data = _animated("WEBP", 3)
    place = data.index(b"VP8X") + 12
    return data[:place] + b"\xff\xff\xff\xff\xff\xff" + data[place + 6 :]


_MANY = "more than 50 million pixels"
_TEXT = "Decompressed data too large"
_GIF = saved(Image.fromarray(noise()), "GIF")
_PNG, _JPEG = saved(Image.fromarray(noise())), saved(Image.fromarray(noise()), "JPEG")
_SIZE, _VAST = b"\x09\0\x0c\0", b"\xff\xff\xff\xff"
REFUSED: dict[str, tuple[bytes, str]] = {
    "png, 30000 x 30000": (_png(30000, 30000, chunk(b"IDAT", _zeros(3751 * 30000))), _MANY),
    "png, text": (_within(b"zTXt", b"k\0\0" + _zeros(2**24)), _TEXT),
    "png, profile": (_within(b"iCCP", b"k\0\0" + _zeros(2**24)), _TEXT),
    "gif, 65535 x 65535": (_patched(_GIF, _SIZE, _VAST), _MANY),
    "gif, a tiny frame of 65535 x 65535": (_GIF.replace(_SIZE, _VAST, 1), _MANY),
    "tiff, tiles": (tiff(_GREY | _TILES, bytes(300)), "cut short or damaged"),
    "tiff, 2**62 pixels": (tiff(_GREY | _STRIP | {256: (4, 1, 2**31), 257: (4, 1, 2**31)}, bytes(300)), _MANY),
    "tiff, strips": (
        tiff(_GREY | _STRIP | {273: (4, 2**30, 200), 279: (4, 2**30, 200)}, bytes(300)),
        "strips or tiles",
    ),
    "tiff, bits": (tiff(_GREY | _STRIP | {258: (3, 2**28, 200)}, bytes(300)), "larger than file"),
    "tiff, a strip for each pixel": (
        tiff(_GREY | _STRIP | {273: (4, 10**5, 200), 279: (4, 10**5, 200)}, bytes(10**6)),
        "strips or tiles",
    ),
    "png, chunks": (_PNG[:33] + chunk(b"teXt", b"") * 20_000 + _PNG[33:], "more than 20,000 chunks"),
    "png, chunks of pixels": (_PNG[:33] + chunk(b"IDAT", b"") * 20_000 + _PNG[33:], "more than 20,000 chunks"),
    "jpeg, segments": (b"\xff\xd8" + b"\xff\xe1\0\2" * 5_000 + _JPEG[2:], "more than 5,000 segments"),
    "jpeg, filled up": (b"\xff\xd8" + b"\xff" * 5_000 + _JPEG[2:], "more than 5,000 segments"),
    "jpeg, 65500 x 65500": (_jpeg(65500), _MANY),
    "jpeg, scans": (_progressive(), "more than 100 passes"),
    "avif, 65500 x 65500": (_avif(65500), "damaged"),
    "bmp, huge": (_bmp(2**31 - 1, 2**31 - 1), _MANY),
    "bmp, negative": (_bmp(-9, -12), _MANY),
    "bmp, least": (_bmp(9, -(2**31)), _MANY),
    "bmp, header": (_bmp(9, 12, size=2**31), "Truncated"),
    "bmp, offset": (_bmp(9, 12, offset=2**32 - 1), "cut short or damaged"),
    "webp, canvas": (_webp_canvas(), _MANY),
}
FIRST_FRAMES = {
    "tiff, a loop": tiff(_GREY | _STRIP, bytes(300), following=8),
    "avif, 3000 x 3000": _avif(3000),
    "gif, frames": _animated("GIF", 100),
    "webp, frames": _animated("WEBP", 100),
    "avif, frames": _animated("AVIF", 20),
    "tiff, frames": _animated("TIFF", 100),
}
