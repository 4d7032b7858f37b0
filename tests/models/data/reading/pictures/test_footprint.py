"""What a picture takes to be decoded counts by its header, for each of its channels."""

import io

import pytest
from PIL import Image

from models.data.reading.pictures import footprint
from models.data.reading.pictures.outcome import BrokenError


@pytest.mark.parametrize(("mode", "needed"), [("L", 5), ("RGB", 15), ("CMYK", 29)])
def test_a_progressive_jpeg_counts_for_each_of_its_channels(mode: str, needed: int) -> None:
    file = io.BytesIO()
    Image.new(mode, (100, 100)).save(file, "JPEG", progressive=True)
    with Image.open(file) as image:
        footprint.check(image, image.size, 1, needed * 10_000)
        with pytest.raises(BrokenError, match="more than"):
            footprint.check(image, image.size, 1, needed * 10_000 - 1)
