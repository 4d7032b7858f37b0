"""Files of pictures, made by Pillow, and what is read of them."""

import io
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.data import stored
from models.data.reading.options import Options
from models.data.reading.pictures.write import Written, write
from models.data.reading.told import Told


def saved(image: Image.Image, form: str = "PNG", **how: Any) -> bytes:
    """Write a picture as a file."""
    file = io.BytesIO()
    image.save(file, form, **how)
    return file.getvalue()


def noise(height: int = 12, width: int = 9, channels: int = 1, seed: int = 0) -> NDArray[np.uint8]:
    """Give a picture of which every pixel is another."""
    shape = (height, width) if channels == 1 else (height, width, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def some(count: int = 20, **how: Any) -> dict[str, bytes]:
    """Give grey PNGs by their names."""
    return {f"{place % 2}/{place}.png": saved(Image.fromarray(noise(seed=place, **how))) for place in range(count)}


def written(
    files: Mapping[str, bytes] | Sequence[tuple[str, bytes]], **options: object
) -> tuple[NDArray[np.uint8], Written, Told]:
    """Write files into an array, and give it, what is said of it, and what was told."""
    pairs = list(files.items()) if isinstance(files, Mapping) else list(files)
    told = Told()
    with tempfile.TemporaryDirectory() as name:
        given = Options.model_validate(options)
        done = write(lambda: iter(pairs), len(pairs), Path(name), given, told, lambda _bytes, _rows: None)
        return np.load(Path(name) / stored.VALUES), done, told


def sentences(told: Told) -> str:
    """Give all that was told, a sentence on each line."""
    notes = [f"{note['what']}: {note['detail']}" for note in told.notes]
    return "\n".join([*notes, *(f"{one['kind']}: {one['detail']} {one['examples']}" for one in told.warnings)])
