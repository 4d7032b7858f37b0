"""Whatever the pixels of a PNG file are, the digit is the same."""

import struct

import numpy as np
import pytest
from PIL import Image

from models.data.examples import Examples
from tests.models.images.pngs import FRAMED, PIXELS, SEVEN, chunk, encoded, from_png, handmade, header, unfiltered

ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_mode_gives_the_same_digit(mode: str) -> None:
    deep = Image.fromarray(SEVEN.astype(np.uint16) * 257)
    picture = deep if mode == "I;16" else Image.fromarray(SEVEN).convert(mode)
    assert picture.mode == mode
    np.testing.assert_array_equal(from_png(encoded(picture)), FRAMED)


def test_sixteen_bits_are_scaled_to_eight(digits: Examples) -> None:
    image = digits.values[0]
    np.testing.assert_array_equal(from_png(encoded(image.astype(np.uint16) * 257)), image)


@pytest.mark.parametrize(("depth", "colour"), [(1, 3), (2, 0), (2, 3), (4, 0), (4, 3), (16, 2), (16, 4), (16, 6)])
def test_uncommon_depths_give_the_same_digit(depth: int, colour: int) -> None:
    samples = SEVEN > 0
    if depth < 8:
        bits = np.repeat(samples, depth, axis=1) if colour == 0 else np.kron(samples, np.eye(1, depth, depth - 1))
        pixels = unfiltered(np.packbits(bits.astype(bool), axis=1))
    else:
        opaque = [np.full((200, 200), 65535)] if colour in (4, 6) else []
        light = [samples * 65535] * (1 if colour == 4 else 3)
        pixels = unfiltered(np.stack(light + opaque, axis=2).astype(">u2"))
    palette = [chunk(b"PLTE", b"\0\0\0\xff\xff\xff")] if colour == 3 else []
    np.testing.assert_array_equal(from_png(handmade(header(depth=depth, colour=colour), pixels, *palette)), FRAMED)


def test_an_interlaced_picture_gives_the_same_digit() -> None:
    passes = b"".join(unfiltered(SEVEN[top::down, left::across]) for left, top, across, down in ADAM7)
    np.testing.assert_array_equal(from_png(handmade(header(interlace=1), passes)), FRAMED)


@pytest.mark.parametrize(("width", "height"), [(1, 9), (9, 1), (3, 3), (5, 2), (13, 11)])
def test_an_interlaced_picture_may_lack_some_passes(width: int, height: int) -> None:
    page = np.zeros((height, width), np.uint8)
    page[-1, -1] = 255
    passes = b"".join(
        unfiltered(page[top::down, left::across]) for left, top, across, down in ADAM7 if left < width and top < height
    )
    interlaced = handmade(header(width, height, interlace=1), passes)
    np.testing.assert_array_equal(from_png(interlaced), from_png(encoded(page)))


@pytest.mark.parametrize("ink", [0, 255, 90, 170])
@pytest.mark.parametrize("hidden", [0, 255])
def test_ink_on_a_transparent_ground_is_seen_whatever_its_lightness(ink: int, hidden: int) -> None:
    grey = np.where(SEVEN > 0, ink, hidden).astype(np.uint8)
    drawing = np.stack([grey, grey, grey, SEVEN], axis=2)
    np.testing.assert_array_equal(from_png(encoded(drawing)), FRAMED)


def test_transparent_corners_of_an_opaque_page_are_not_ink() -> None:
    alpha = np.full_like(SEVEN, 255)
    alpha[:9, :9] = alpha[-9:, -9:] = 0
    page = np.stack([np.where(alpha > 0, 255 - SEVEN, 0), alpha], axis=2).astype(np.uint8)
    np.testing.assert_array_equal(from_png(encoded(page)), FRAMED)


def test_a_transparent_colour_of_the_palette_is_ground() -> None:
    drawing = Image.fromarray((SEVEN > 0).astype(np.uint8)).convert("P")
    drawing.putpalette([255, 0, 0, 10, 20, 30])
    np.testing.assert_array_equal(from_png(encoded(drawing, transparency=0)), FRAMED)


def test_of_an_animation_the_default_image_is_read() -> None:
    frames = [Image.fromarray(SEVEN), Image.fromarray(np.rot90(SEVEN).copy())]
    animated = encoded(frames[0], save_all=True, append_images=frames[1:])
    assert b"acTL" in animated
    np.testing.assert_array_equal(from_png(animated), FRAMED)


@pytest.mark.parametrize("frames", [0, 1, 0xFFFFFFFF])
def test_a_false_animation_is_read_as_a_still(frames: int) -> None:
    control = chunk(b"acTL", struct.pack(">II", frames, 0))
    np.testing.assert_array_equal(from_png(handmade(header(), PIXELS, control, control)), FRAMED)
