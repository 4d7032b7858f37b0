"""A picture is brought to a size by area, with its proportions stretched, kept or cut."""

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from models import preparation
from models.data.reading.pictures.decode import decode
from models.data.reading.pictures.outcome import Fit, Form
from models.data.schema import Images
from tests.models.data.reading.pictures.files import noise, saved

WIDE = np.zeros((10, 30), np.uint8)
WIDE[:, :10], WIDE[:, 10:20], WIDE[:, 20:] = 60, 120, 180


def resized(image: NDArray[np.uint8], size: tuple[int, int], fit: Fit, form: str = "PNG") -> NDArray[np.uint8]:
    picture = decode(saved(Image.fromarray(image), form), Form(size, None, fit))
    assert (picture.about.height, picture.about.width) == image.shape[:2]
    return np.frombuffer(picture.pixels, np.uint8).reshape(*size, *([3] if picture.about.channels == 3 else []))


@pytest.mark.parametrize("fit", ["stretch", "pad", "crop"])
def test_pictures_are_made_to_fit_as_those_that_are_sent_to_a_network(fit: Fit) -> None:
    for image, channels in ((noise(40, 30), 1), (noise(40, 30, 3), 3), (noise(5, 6), 1)):
        schema = Images(height=8, width=8, channels=channels, preparation="plain", fit=fit)
        assert (resized(image, (8, 8), fit) == preparation.prepare(saved(Image.fromarray(image)), schema)).all()


def test_every_pixel_counts_by_its_area() -> None:
    assert (resized(WIDE, (1, 3), "stretch") == [[60, 120, 180]]).all()
    assert resized(WIDE, (1, 1), "stretch")[0, 0] == 120


def test_padded_pictures_keep_their_proportions_on_their_ground() -> None:
    framed = np.full((10, 30), 200, np.uint8)
    framed[2:8, 2:28] = 10
    padded = resized(framed, (30, 30), "pad")
    assert (padded[10:20] == framed).all()
    assert (padded[:10] == 200).all()
    assert (padded[20:] == 200).all()
    assert (resized(framed.T, (30, 30), "pad") == padded.T).all()
    colours = np.zeros((10, 30, 3), np.uint8)
    colours[...] = (10, 200, 30)
    assert (resized(colours, (30, 30), "pad") == (10, 200, 30)).all()


def test_cropped_pictures_keep_their_middle() -> None:
    assert (resized(WIDE, (10, 10), "crop") == 120).all()
    assert (resized(WIDE.T, (5, 5), "crop") == 120).all()


@pytest.mark.parametrize("fit", ["stretch", "pad", "crop"])
def test_what_has_the_size_is_not_touched(fit: Fit) -> None:
    image = noise(10, 30)
    assert (resized(image, (10, 30), fit) == image).all()


def test_a_large_jpeg_is_decoded_small_and_looks_the_same() -> None:
    down, across = np.mgrid[0:640, 0:640]
    image = np.stack([down / 3, across / 3, (down + across) / 6], axis=2).astype(np.uint8)
    small = resized(image, (32, 32), "stretch", "JPEG").astype(int)
    whole = np.asarray(
        Image.open(io.BytesIO(saved(Image.fromarray(image), "JPEG"))).resize((32, 32), Image.Resampling.BOX)
    ).astype(int)
    assert np.abs(small - whole).max() <= 3
