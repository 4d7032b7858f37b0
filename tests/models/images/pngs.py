"""PNG files: of drawn digits, and made by hand, chunk by chunk."""

import io
import struct
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from models.data.schema import USUAL
from models.preparation import prepare

Grey = NDArray[np.uint8]
SIGNATURE = b"\x89PNG\r\n\x1a\n"
END = struct.pack(">I4sI", 0, b"IEND", zlib.crc32(b"IEND"))


def from_png(file: bytes) -> NDArray[np.uint8]:
    """Give a file as an image of MNIST's form."""
    return prepare(file, USUAL)


def encoded(picture: Image.Image | NDArray[np.generic], **options: object) -> bytes:
    """Give a picture as the content of a PNG file."""
    file = io.BytesIO()
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(file, "PNG", **options)
    return file.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    """Give a chunk with its length and its checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def header(width: int = 200, height: int = 200, depth: int = 8, colour: int = 0, interlace: int = 0) -> bytes:
    """Give the chunk that a PNG file begins with."""
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace))


def handmade(head: bytes, pixels: bytes, *between: bytes) -> bytes:
    """Give a PNG file of these chunks and these rows of pixels."""
    return SIGNATURE + head + b"".join(between) + chunk(b"IDAT", zlib.compress(pixels, 9)) + END


def unfiltered(rows: NDArray[np.generic]) -> bytes:
    """Give rows of pixels as a PNG file holds them, none told by its neighbours."""
    return b"".join(b"\0" + row.tobytes() for row in rows)


def seven(
    size: tuple[int, int] = (200, 200), *, at: tuple[int, int] = (50, 40), scale: int = 100, pen: int = 12
) -> Grey:
    """Draw a 7 in light ink on dark, [height, width]."""
    image = Image.new("L", size)
    (x, y), right = at, round(0.7 * scale)
    ImageDraw.Draw(image).line(
        [(x, y), (x + right, y), (x + right // 3, y + scale)], fill=255, width=pen, joint="curve"
    )
    return np.asarray(image)


def extent(image: Grey) -> tuple[int, int]:
    """Give the height and the width of what is inked."""
    ys, xs = np.nonzero(image)
    return int(np.ptp(ys)) + 1, int(np.ptp(xs)) + 1


SEVEN = seven()
PIXELS = unfiltered(SEVEN)
PLAIN = handmade(header(), PIXELS)
FRAMED = from_png(encoded(SEVEN))
