"""What decoding a picture takes of memory and time, told by its header before any of its pixels is decoded."""

from PIL import Image

from models.data.reading.pictures.outcome import BrokenError

_OF_FORMS = {"PNG": 2, "JPEG": 0, "WEBP": 14, "AVIF": 14, "GIF": 8, "BMP": 1, "TIFF": 5}
"""Bytes a pixel that a decoder takes beside the picture: frames, planes of colours, what is read before."""

_OF_MODES = {"L": 3, "RGB": 9}
"""Bytes a pixel of the picture and what is made of it, turned; of any other it is laid on a ground, by steps."""

_OF_OTHERS = 21
_OF_SCANS = 2  # for each channel of a JPEG that is drawn in several passes, whose every pixel is kept in between

MOST_SCANNED = 600_000_000
"""Pixels of all passes of a JPEG together: each takes its time, however few its bytes are."""


def check(image: Image.Image, size: tuple[int, int], scans: int, most: int) -> None:
    """Refuse a picture that would take more than so many bytes, or too long; raises BrokenError.

    `size` is its own width and height, which a JPEG that is drafted has no more; `scans` are a JPEG's passes.
    """
    own, now = size[0] * size[1], image.width * image.height
    is_progressive = "progressive" in image.info
    of_mode = _OF_MODES.get(image.mode, _OF_OTHERS) if "transparency" not in image.info else _OF_OTHERS
    scanned = own * _OF_SCANS * len(image.getbands()) if is_progressive else 0
    needed = now * (of_mode + _OF_FORMS.get(image.format or "", 14)) + scanned
    if needed > most:
        fitting = int(own * most / needed) // 100_000 / 10
        raise BrokenError(
            f"it has {size[0]:,} x {size[1]:,} pixels, which take {needed // 2**20:,} MiB to decode in this form, more "
            f"than {most // 2**20:,}",
            f"send at most {fitting:g} million pixels, or a JPEG, which takes far less",
        )
    if is_progressive and own * scans > MOST_SCANNED:
        raise BrokenError(
            f"it has {size[0]:,} x {size[1]:,} pixels, drawn in {scans} passes",
            "save it as a JPEG that is not progressive",
        )
