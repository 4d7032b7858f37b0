"""A picture is framed as MNIST's are wherever the data set says so, whatever scale its numbers came on."""

import io

import numpy as np
import pytest
from PIL import Image

from models.data.schema import Images
from models.images import from_png
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
    wanted = low + from_png(file.getvalue()).reshape(1, 784) * ((high - low) / 255)
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert found[0, 0] == low, "light on dark now"
