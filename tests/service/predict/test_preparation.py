"""A picture is framed as MNIST's are wherever the data set says so, whatever scale its numbers came on."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from models.data.schema import Images
from models.framing import frame
from service.predict.inputs.arrays import Arrays


@pytest.mark.parametrize("scale", [(0.0, 255.0), (0.0, 1.0), (-1.0, 1.0)])
def test_digits_are_framed_on_the_scale_that_they_came_on(scale: tuple[float, float]) -> None:
    ink = np.full((40, 60), 255, np.uint8)
    ink[10:30, 40:46] = 0  # dark on light, off the middle
    file = io.BytesIO()
    Image.fromarray(ink).save(file, "PNG")
    schema = Images(scale=scale, steps=None if scale != (0.0, 255.0) else 255)
    found = Arrays(schema, "model digits/1").decode(file.getvalue())
    low, high = scale
    wanted = low + frame(ink).reshape(1, 784) * ((high - low) / 255)
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert found[0, 0] == low, "light on dark now"


def test_a_picture_of_sixteen_bits_whose_numbers_have_eight_is_not_taken_for_a_black_one() -> None:
    takes = Arrays(Images(height=12, width=9, preparation="plain", classes=("a", "b")), "it")
    levels = np.random.default_rng(0).integers(0, 256, (12, 9), np.uint8)
    with pytest.raises(ValueError, match=r"is 2\d\d, of 65,535, and so it is black"):
        takes.decode(_png(levels.astype(np.uint16)))
    assert (takes.decode(_png(levels.astype(np.uint16) * 257)).reshape(12, 9) == levels).all()
    assert not takes.decode(_png(np.zeros((12, 9), np.uint16))).any()


def _png(levels: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "PNG")
    return file.getvalue()
