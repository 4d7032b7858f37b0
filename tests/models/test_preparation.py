"""Pictures are read from files as well as from numbers: a small version of what bench/prepared.py measures."""

import numpy as np
import pytest

from bench import prepared
from models.data.reading import ground
from models.data.schema import Ground, Images, read
from models.preparation import prepare

DIGITS = prepared.small()
PAGES = DIGITS.values[:100]


def test_forms_of_a_set_give_its_pictures_again() -> None:
    schema, wanted = DIGITS.schema, PAGES * (16 / 255)
    # Lossy ones lose at so few pixels: the more, the larger the picture is.
    allowed = {"JPEG, native": 0.6, "WEBP, native": 0.8}
    for name, make in prepared.forms(schema):
        found = np.stack([prepare(make(levels), schema) for levels in PAGES])
        off = float(np.abs(found - wanted).mean())
        assert off < (allowed.get(name, 0.9 if "224" in name or "EXIF" in name else 1.0)), name


@pytest.mark.parametrize("sent", ["dark", "light"])
@pytest.mark.parametrize("its", ["dark", "light", None])
def test_a_picture_on_the_other_ground_is_turned_where_all_are_on_one(sent: str, its: Ground | None) -> None:
    schema = Images(height=8, width=8, preparation="plain", ground=its)
    levels = np.zeros((8, 8), np.uint8)
    levels[2:6, 3:5] = 200
    levels = levels if sent == "dark" else 255 - levels
    wanted = levels if its in (None, sent) else 255 - levels
    np.testing.assert_array_equal(prepare(prepared.saved(levels), schema), wanted)


def test_neither_colours_nor_middling_grounds_are_turned() -> None:
    colour = Images(height=8, width=8, channels=3, preparation="plain", ground="dark")
    light = np.full((8, 8, 3), 250, np.uint8)
    np.testing.assert_array_equal(prepare(prepared.saved(light), colour), light)
    grey = np.full((8, 8), 150, np.uint8)
    schema = Images(height=8, width=8, preparation="plain", ground="dark")
    np.testing.assert_array_equal(prepare(prepared.saved(grey), schema), grey)


def test_the_ground_of_a_set_is_told_where_its_pictures_agree() -> None:
    values = DIGITS.values
    assert ground.common(values, (0, 255), 255) == "dark"
    assert ground.common(255 - values, (0, 255), 255) == "light"
    mixed = np.concatenate([values[:100], 255 - values[:100]])
    assert ground.common(mixed, (0, 255), 255) is None
    assert ground.common(np.repeat(values[..., None], 3, axis=3), (0, 255), 255) is None
    assert ground.common(np.full((50, 8, 8), 128, np.uint8), (0, 255), 255) is None


def test_a_schema_of_before_tells_no_ground_and_is_written_as_it_was() -> None:
    before = Images(preparation="plain").model_dump(mode="json")
    assert "ground" not in before
    assert read(before) == Images(preparation="plain")
