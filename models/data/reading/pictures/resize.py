"""A picture brought to a size: by area where it shrinks, and its proportions kept, cut or stretched."""

from PIL import Image

from models.data.reading.pictures.outcome import Fit
from models.data.reading.pictures.transparency import ground_of

_SHARP = 4
"""A JPEG is decoded at least so many times as large as is wanted: what its blocks lose is then not seen. With twice, 2
of 100 digits of 8 x 8 were read wrong for it that were sent as 224 x 224."""


def draft(image: Image.Image, size: tuple[int, int], times: int = _SHARP) -> None:
    """Have a JPEG decoded at a fraction of its size, at least so many times as large as that height and width."""
    side = times * max(size)
    image.draft(None, (side, side))


def resize(image: Image.Image, size: tuple[int, int], fit: Fit) -> Image.Image:
    """Bring a picture, grey or in colour, to a height and width.

    `stretch` lets its proportions go; `pad` keeps them, and puts its ground around; `crop` cuts the middle out.
    """
    height, width = size
    if image.size == (width, height):
        return image
    left, top, right, bottom = 0.0, 0.0, float(image.width), float(image.height)
    inner = (width, height)
    if fit == "crop":
        scale = min(image.width / width, image.height / height)
        left, top = (image.width - width * scale) / 2, (image.height - height * scale) / 2
        right, bottom = left + width * scale, top + height * scale
    elif fit == "pad":
        scale = min(width / image.width, height / image.height)
        inner = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    shrinks = inner[0] <= right - left and inner[1] <= bottom - top
    way = Image.Resampling.BOX if shrinks else Image.Resampling.BILINEAR
    box = (max(0.0, left), max(0.0, top), min(float(image.width), right), min(float(image.height), bottom))
    scaled = image.resize(inner, way, box)
    if inner == (width, height):
        return scaled
    ground = ground_of(image)
    padded = Image.new(image.mode, (width, height), ground if len(ground) > 1 else ground[0])
    padded.paste(scaled, ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return padded
