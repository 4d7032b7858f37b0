"""From the file of a picture to what a network takes in, by its schema alone: the one way, whoever serves or exports.

`prepare(file, schema)` is called by `/predict`, by the protocols of other servers and by the command line alike. It
decodes as pictures of a data set are decoded, and needs nothing of a service.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models import grounds
from models.data.reading.pictures import decode
from models.data.reading.pictures.outcome import BrokenError, Form
from models.data.schema import USUAL, Images
from models.framing import frame

MAX_DECODING_BYTES = 256 * 2**20
"""That decoding one picture may take."""

LONGEST = 1024
"""Pixels of the longer side of a picture to be framed; a larger one is made smaller first."""

_LEAST_OF_SIXTEEN = 256  # numbers of sixteen bits below are 0 of eight


def prepare(file: bytes, schema: Images = USUAL) -> NDArray[Any]:
    """Give the picture of a file as those of a data set are, [height, width] or [height, width, 3].

    Its numbers are on the scale of the schema: uint8 where that is 0 to 255, else float32. Raises ValueError where the
    file is no sound picture, is too large, or shows nothing under `digits`; its text says the cause and the remedy.
    """
    is_framed = schema.preparation == "digits" and schema.shape == USUAL.shape
    size = None if is_framed else (schema.height, schema.width)
    form = Form(size, schema.channels, schema.fit, LONGEST if is_framed else None, MAX_DECODING_BYTES)
    decode.bound("PIL")
    try:
        about, pixels = decode.decode(file, form)
    except BrokenError as error:
        raise ValueError(f"this picture cannot be read: {error.detail}; {error.remedy}") from None
    if 0 < about.greatest < _LEAST_OF_SIXTEEN:
        raise ValueError(
            f"the greatest number of this picture of sixteen bits is {about.greatest}, of 65,535, and so it is black; "
            "bring its numbers to the whole range, or to eight bits"
        )
    if is_framed:
        levels = frame(np.frombuffer(pixels, np.uint8).reshape(about.height, about.width))
    else:
        levels = _on_its_ground(np.frombuffer(pixels, np.uint8).reshape(schema.shape), schema)
    low, high = schema.scale
    return levels if (low, high) == (0.0, 255.0) else (low + levels * ((high - low) / 255)).astype(np.float32)


def _on_its_ground(levels: NDArray[np.uint8], schema: Images) -> NDArray[np.uint8]:
    """Turn a grey picture light for dark if all of its data set are on one ground, and it is clearly on the other."""
    if schema.ground is None or schema.channels != 1:
        return levels
    return 255 - levels if grounds.are(levels[None] / 255, grounds.other(schema.ground))[0] else levels
