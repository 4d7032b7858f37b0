"""From a PNG to the form of the training data: framed as MNIST's digits, light ink on a dark ground, or just scaled.

The framing follows LeCun, Cortes and Burges, "The MNIST database of handwritten digits",
http://yann.lecun.com/exdb/mnist/. The reading follows the PNG specification, https://www.w3.org/TR/png-3/.
"""

import base64
import io
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.data.reading.pictures.resize import resize
from models.data.schema import Images

MAX_BYTES = 256 * 1024  # of the file
MAX_SIDE = 1024  # of the picture, in pixels
MAX_PIXELS = MAX_SIDE**2
BYTES_A_PIXEL = 32  # that reading a picture takes at most

SIDE = 28
BOX = 20  # the longer side of a framed digit
FAINTEST = 16  # grey levels; ink that stands out less from its ground is taken for none

Pixel = TypeVar("Pixel", np.uint8, np.float32)

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_BITS = {  # per pixel, for the pairs of bit depth and colour type that the specification allows
    **{(depth, 0): depth for depth in (1, 2, 4, 8, 16)},
    **{(depth, 3): depth for depth in (1, 2, 4, 8)},
    **{(depth, kind): depth * channels for depth in (8, 16) for kind, channels in ((2, 3), (4, 2), (6, 4))},
}
_PASSES = {  # by interlace method: first column, first row, column step, row step
    0: ((0, 0, 1, 1),),
    1: ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
}


def from_png(data: bytes) -> NDArray[np.uint8]:
    """Return the picture as a training image, uint8 [28, 28], its ink light (255) on dark (0).

    A 28x28 picture with a dark border is taken for a training image already and returned bit for bit. Any
    other is turned light on dark, freed from the shading and noise of its paper, and framed as MNIST's
    digits are. Transparency is allowed; of an animation only the default image is read.

    Raises:
        ValueError: the bytes are no sound PNG, exceed MAX_BYTES or MAX_SIDE, or show no ink.
    """
    grey = _decode(data)
    already_framed = grey.shape == (SIDE, SIDE) and _median(_border(grey)) < 128
    if already_framed and np.ptp(grey) >= FAINTEST:
        return grey
    return _frame(_ink(grey))


def to_form(data: bytes, schema: Images) -> NDArray[np.uint8] | NDArray[np.float32]:
    """Return the picture as those of a data set are: of their size, grey or in colour, on their scale.

    It is scaled by area, and made to fit as the schema says. uint8 where the scale is 0 to 255, else float32,
    [height, width] or [height, width, 3]. Raises ValueError as `from_png` does, but for a picture without ink.
    """
    levels = _decode(data, "L" if schema.channels == 1 else "RGB")
    scaled = np.asarray(resize(Image.fromarray(levels), (schema.height, schema.width), schema.fit))
    low, high = schema.scale
    return scaled if (low, high) == (0.0, 255.0) else (low + scaled * ((high - low) / 255)).astype(np.float32)


def pixels_of(data: bytes) -> int:
    """Return how many pixels a picture has by its header; 0 of what is refused before any of them is decoded."""
    if len(data) > MAX_BYTES or not data.startswith(_SIGNATURE + b"\0\0\0\x0dIHDR") or len(data) < len(_SIGNATURE) + 16:
        return 0
    width, height = struct.unpack_from(">II", data, len(_SIGNATURE) + 8)
    return int(width * height) if width <= MAX_SIDE and height <= MAX_SIDE else 0


def _decode(data: bytes, mode: Literal["L", "RGB"] = "L") -> NDArray[np.uint8]:
    """Return the picture's levels, uint8 [height, width] or [height, width, 3], with nothing left transparent."""
    if len(data) > MAX_BYTES:
        raise ValueError(f"the PNG file has {len(data):,} bytes; send at most {MAX_BYTES:,}")
    if not data.startswith(_SIGNATURE):
        raise ValueError("this is no PNG file; convert the picture to PNG and send the bytes of the file")
    chunks = list(_pixel_chunks(data))
    _check_size(chunks)
    png = _SIGNATURE + b"".join(chunk for _, chunk in chunks)
    try:
        image = Image.open(io.BytesIO(png), formats=["PNG"])
        if image.mode == "I;16":  # Pillow would clip sixteen bits to eight rather than scale them
            grey = (np.asarray(image) >> 8).astype(np.uint8)
            return grey if mode == "L" else np.stack([grey] * 3, axis=2)
        rgba = image.convert("RGBA")
    except (OSError, ValueError) as error:
        raise ValueError("the PNG file cannot be decoded; save the picture again") from error
    grey, alpha = np.asarray(rgba.convert("L")), np.asarray(rgba.getchannel("A"))
    if mode == "L":
        return _opaque(grey, grey, alpha)
    return np.stack([_opaque(np.asarray(rgba.getchannel(name)), grey, alpha) for name in mode], axis=2)


def _pixel_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the type and the bytes of each chunk that the pixels depend on, its checksum verified.

    Text, colour profiles and animation frames are passed over, so that none is ever inflated.
    """
    start = len(_SIGNATURE)
    if data[start : start + 8] != b"\0\0\0\x0dIHDR":
        raise ValueError("the PNG file does not begin with its header; save the picture again")
    while start + 12 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, start)
        end = start + 12 + size
        if end > len(data):
            break
        if kind == b"IHDR" and start > len(_SIGNATURE):
            raise ValueError("the PNG file has two headers; save the picture again")
        if kind in (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"):
            if zlib.crc32(data[start + 4 : end - 4]) != int.from_bytes(data[end - 4 : end]):
                raise ValueError(f"the {kind.decode()} chunk of the PNG file fails its checksum; send the file again")
            yield kind, data[start:end]
        if kind == b"IEND":
            return
        start = end
    raise ValueError("the PNG file is cut short; send all of it")


def _check_size(chunks: list[tuple[bytes, bytes]]) -> None:
    """Refuse a picture above MAX_SIDE, and pixel data that inflate to more or less than the header promises."""
    width, height, depth, colour, _, _, interlace = struct.unpack_from(">IIBBBBB", chunks[0][1], 8)
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        raise ValueError(f"the picture has {width:,} x {height:,} pixels; send 1 x 1 to {MAX_SIDE:,} x {MAX_SIDE:,}")
    if (depth, colour) not in _BITS or interlace not in _PASSES:
        raise ValueError("the PNG header names a pixel format the standard does not know; save the picture again")
    promised = 0
    for left, top, across, down in _PASSES[interlace]:
        columns, rows = len(range(left, width, across)), len(range(top, height, down))
        if columns:
            promised += rows * (1 + (columns * _BITS[depth, colour] + 7) // 8)  # each row begins with its filter
    inflater, inflated = zlib.decompressobj(), 0
    rest = b"".join(chunk[8:-4] for kind, chunk in chunks if kind == b"IDAT")
    try:
        while inflated <= promised and (piece := inflater.decompress(rest, 65536)):
            inflated, rest = inflated + len(piece), inflater.unconsumed_tail
    except zlib.error as error:
        raise ValueError("the pixel data of the PNG file do not inflate; save the picture again") from error
    if inflated != promised or not inflater.eof:
        more = "more" if inflated > promised else "less"
        raise ValueError(f"the PNG file holds {more} pixel data than its header says; save the picture again")


def _opaque(levels: NDArray[np.uint8], grey: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Lay the picture on a ground that continues its border or, if that is transparent, contrasts with its ink."""
    if _median(_border(alpha)) >= 128:
        ground = _median(_border(levels))
    else:
        ink_is_light = alpha[grey >= 128].sum() > alpha[grey < 128].sum()
        ground = 0 if ink_is_light else 255
    backdrop = Image.new("L", (levels.shape[1], levels.shape[0]), ground)
    return np.array(Image.composite(Image.fromarray(levels), backdrop, Image.fromarray(alpha)))


def _border(image: NDArray[Pixel]) -> NDArray[Pixel]:
    return np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])


def _median(levels: NDArray[np.uint8]) -> int:
    """Return the upper median, which unlike the mean of the two middle ones is always a level that occurs."""
    return int(np.sort(levels)[len(levels) // 2])


def _ink(grey: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return how far each pixel stands out from the paper, float32 [height, width], 0 where there is no ink.

    The paper is a plane fitted to the border, so even shading is removed; what the border's noise can
    explain (three standard deviations) is removed as well. A clean drawing has neither and is kept whole.
    """
    height, width = grey.shape
    x, y = np.linspace(0, 1, width, dtype=np.float32), np.linspace(0, 1, height, dtype=np.float32)[:, None]
    border = _border(grey).astype(float)
    xs, ys = (_border(np.broadcast_to(axis, grey.shape)) for axis in (x, y))
    design = np.stack([np.ones_like(border), xs, ys], axis=1)
    paper = abs(border - _median(_border(grey))) < 64  # leaves out ink that runs over the edge
    plane = np.linalg.lstsq(design[paper], border[paper])[0]
    noise = 3 * float(np.std(border[paper] - design[paper] @ plane))
    level, across, down = plane.astype(np.float32)
    contrast = grey - (level + across * x + down * y)
    if -contrast.min() > contrast.max():
        contrast = -contrast
    ink: NDArray[np.float32] = np.maximum(contrast - noise, 0)
    if ink.max() < max(FAINTEST, noise):
        raise ValueError("the picture is blank; draw in an ink that stands out from its background")
    return ink


def _frame(ink: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Scale the ink to fit a 20x20 box, aspect kept, and put its centre of mass at the centre of 28x28."""
    strong = ink > ink.max() / 4
    rows, columns = np.flatnonzero(strong.any(axis=1)), np.flatnonzero(strong.any(axis=0))
    digit = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = (max(1, round(side * BOX / max(digit.shape))) for side in digit.shape)
    scaled = np.asarray(Image.fromarray(digit).resize((width, height), Image.Resampling.BILINEAR))
    # Scaling thins a fine line to a pale one: its typical ink, not its darkest crossing, becomes full ink.
    typical = np.median(scaled[scaled > scaled.max() / 2])
    scaled = np.minimum(scaled * (255 / typical), 255)

    framed = np.zeros((SIDE, SIDE), np.uint8)
    top, left = (_offset(scaled.sum(axis=axis)) for axis in (1, 0))
    framed[top : top + height, left : left + width] = np.rint(scaled)
    return framed


def _offset(profile: NDArray[np.float32]) -> int:
    """Return where a profile of ink must begin for its centre of mass to fall on pixel 14, if it fits there."""
    centre = np.average(np.arange(len(profile)), weights=profile)
    return min(max(round(SIDE / 2 - centre), 0), SIDE - len(profile))


def to_base64(values: NDArray[np.generic]) -> str:
    """Write the numbers of images as text, little-endian, which is much faster than a list of numbers."""
    return base64.b64encode(np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()).decode()


def from_base64(text: str, shape: Sequence[int] = (SIDE, SIDE), dtype: str = "uint8") -> NDArray[Any]:
    """Read images [N, *shape] that were written as text."""
    return np.frombuffer(base64.b64decode(text), np.dtype(dtype).newbyteorder("<")).reshape(-1, *shape)


def to_png(pixels: NDArray[np.uint8]) -> bytes:
    """Write a picture uint8 [H, W], grey, or [H, W, 3], red, green and blue, as PNG, at its own size."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()
