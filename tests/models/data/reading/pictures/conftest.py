"""What tests of single pictures share: Pillow as it is in the processes that decode."""

import warnings
from collections.abc import Iterator

import pytest
from PIL import Image, ImageFile

from models.data.reading.pictures import decode


@pytest.fixture
def as_in_its_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Bound Pillow for one test."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", ImageFile.LOAD_TRUNCATED_IMAGES)
    with warnings.catch_warnings():
        decode.prepare()
        yield
