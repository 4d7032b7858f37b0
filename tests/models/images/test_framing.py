"""A drawn digit becomes an image like those of MNIST, and an image of MNIST stays as it is."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.data.examples import Examples
from models.data.load import load_builtin
from models.framing import BOX, FAINTEST, SIDE, is_framed
from tests.models.images.pngs import FRAMED, SEVEN, Grey, encoded, extent, from_png, seven


def centre_of_mass(image: Grey) -> tuple[float, float]:
    ys, xs = np.indices(image.shape)
    return float(np.average(ys, weights=image)), float(np.average(xs, weights=image))


def likeness(one: Grey, other: Grey) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def test_a_digit_is_scaled_to_the_box_and_keeps_its_aspect() -> None:
    assert FRAMED.shape == (SIDE, SIDE)
    assert FRAMED.dtype == np.uint8
    assert (FRAMED.min(), FRAMED.max()) == (0, 255)
    height, width = extent(SEVEN)
    assert extent(FRAMED) == (BOX, round(BOX * width / height))


def test_a_digit_is_centred_by_its_mass() -> None:
    assert centre_of_mass(FRAMED) == pytest.approx((14, 14), abs=0.5)
    ys = np.nonzero(FRAMED)[0]
    assert abs((ys.min() + ys.max()) / 2 - 14) > 0.5, "a 7 is heavy at its top, so its box is off the middle"


def test_dark_ink_on_light_is_inverted() -> None:
    np.testing.assert_array_equal(from_png(encoded(255 - SEVEN)), FRAMED)


@pytest.mark.parametrize("at", [(7, 7), (9, 93), (122, 8), (60, 60)])
def test_where_a_digit_is_drawn_does_not_matter(at: tuple[int, int]) -> None:
    np.testing.assert_array_equal(from_png(encoded(seven(at=at))), FRAMED)


@pytest.mark.parametrize(("size", "scale", "pen"), [((60, 50), 33, 4), ((400, 300), 200, 24), ((1024, 1024), 800, 96)])
def test_how_large_a_digit_is_drawn_matters_little(size: tuple[int, int], scale: int, pen: int) -> None:
    assert (
        likeness(
            from_png(encoded(seven(size, at=(60 * scale // 400, 70 * scale // 400), scale=scale, pen=pen))), FRAMED
        )
        > 0.9
    )


def test_a_tiny_digit_in_a_huge_picture_is_enlarged() -> None:
    framed = from_png(encoded(seven((1024, 1024), at=(900, 500), scale=10, pen=1)))
    assert extent(framed)[0] == BOX
    assert likeness(framed, FRAMED) > 0.7


def test_a_hairline_in_a_huge_picture_becomes_full_ink() -> None:
    framed = from_png(encoded(255 - seven((1024, 1024), at=(100, 60), scale=900, pen=1)))
    assert extent(framed)[0] == BOX
    assert framed.max() == 255
    assert np.median(framed[framed > 0]) > 100


def test_a_line_one_pixel_wide_is_a_one() -> None:
    page = np.full((300, 200), 255, np.uint8)
    page[20:280, 30] = 0
    one = np.zeros((SIDE, SIDE), np.uint8)
    one[4:24, 14] = 255
    np.testing.assert_array_equal(from_png(encoded(page)), one)


@pytest.mark.parametrize("shape", [(2, 1), (1, 2), (3, 1), (1, 3), (1, 1024), (1024, 1), (5, 5)])
def test_a_single_pixel_of_ink_is_enough(shape: tuple[int, int]) -> None:
    page = np.zeros(shape, np.uint8)
    page[-1, -1] = 255
    framed = from_png(encoded(page))
    assert extent(framed) == (BOX, BOX)
    assert centre_of_mass(framed) == pytest.approx((14, 14), abs=0.5)


def test_ink_too_lopsided_to_be_centred_stays_whole() -> None:
    page = np.zeros((100, 100), np.uint8)
    page[10:90, 10:16] = 255
    page[49:51, 10:90] = 255
    assert extent(from_png(encoded(page))) == (BOX, BOX)


def test_ink_that_runs_over_the_edge_is_not_taken_for_paper() -> None:
    touching = SEVEN[40:, 50:]
    assert (touching[0] > 0).mean() > 0.4
    whole = from_png(encoded(np.pad(touching, 30)))
    np.testing.assert_array_equal(from_png(encoded(255 - touching)), whole)


def test_training_images_are_left_alone_bit_for_bit(digits: Examples) -> None:
    alone = [image for image in digits.values[:300] if is_framed(image)]
    assert len(alone) > 0.95 * 300
    for image in alone:
        np.testing.assert_array_equal(from_png(encoded(image)), image)


@pytest.mark.parametrize("at", [(0, 0), (8, 3), (3, 3), (8, 8)])
def test_a_28x28_picture_whose_ink_lies_elsewhere_is_framed(digits: Examples, at: tuple[int, int]) -> None:
    image = digits.values[5]
    ys, xs = np.nonzero(image)
    ink = image[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    elsewhere = np.zeros_like(image)
    elsewhere[at[0] : at[0] + len(ink), at[1] : at[1] + ink.shape[1]] = ink
    framed = from_png(encoded(elsewhere))
    assert centre_of_mass(framed) == pytest.approx((14, 14), abs=0.7)
    assert likeness(framed, from_png(encoded(np.pad(image, 20)))) > 0.97


def test_a_line_around_is_cut_off() -> None:
    drawn = seven((280, 280), at=(80, 60), scale=150, pen=20)
    for page, line in ((drawn, 255), (255 - drawn, 0), (255 - drawn, 150)):
        wanted = from_png(encoded(page))
        for thick, margin in ((1, 0), (2, 0), (5, 0), (1, 1), (2, 3)):
            around = page.copy()
            for place in range(margin, margin + thick):
                around[[place, -1 - place], margin : 280 - margin] = line
                around[margin : 280 - margin, [place, -1 - place]] = line
            np.testing.assert_array_equal(from_png(encoded(around)), wanted)


def test_a_line_on_three_sides_is_cut_off_and_so_is_one_set_in_from_the_edge() -> None:
    drawn = seven((280, 280), at=(80, 60), scale=150, pen=20)
    for page, line in ((drawn, 255), (255 - drawn, 0)):
        wanted, ground = from_png(encoded(page)), page[0, 0]
        for missing in range(4):
            around = page.copy()
            for side in {0, 1, 2, 3} - {missing}:
                np.rot90(around, side)[:2] = line
            np.testing.assert_array_equal(from_png(encoded(around)), wanted)
        card = np.pad(np.pad(page, 4, constant_values=line), 14, constant_values=ground)
        np.testing.assert_array_equal(from_png(encoded(card)), wanted)


SEGMENTS = {"0": "abcdef", "2": "abged", "3": "abgcd", "5": "afgcd", "6": "afgedc", "8": "abcdefg", "9": "abcdfg"}


@pytest.mark.parametrize("margin", [2, 10])
@pytest.mark.parametrize("digit", SEGMENTS)
def test_strokes_along_the_sides_are_no_line_around(digit: str, margin: int) -> None:
    height, width, pen = 180, 100, 3
    places = {
        "a": np.s_[:pen, :], "d": np.s_[-pen:, :], "g": np.s_[88:91, :],
        "f": np.s_[:90, :pen], "b": np.s_[:90, -pen:], "e": np.s_[90:, :pen], "c": np.s_[90:, -pen:],
    }  # fmt: skip
    page = np.zeros((height, width), np.uint8)
    for segment in SEGMENTS[digit]:
        page[places[segment]] = 255
    page = np.pad(page, margin)
    assert likeness(from_png(encoded(255 - page)), from_png(encoded(np.pad(page, 60)))) > 0.99


def test_a_small_digit_keeps_its_pale_rim(digits: Examples) -> None:
    alike = []
    for image in digits.values[:100]:
        half = np.asarray(Image.fromarray(image).resize((14, 14), Image.Resampling.BOX))
        alike.append(likeness(from_png(encoded(np.pad(half, 12))), from_png(encoded(np.pad(image, 20)))))
    # Without it the worst is 0.86: a digit whose rim is a good part of what there is.
    assert min(alike) > 0.88


def test_a_line_around_a_picture_of_28x28_is_cut_off(digits: Examples) -> None:
    image = digits.values[5]
    for ground in (0, 255):
        page = np.where(ground, 255 - image, image).astype(np.uint8)
        page[[0, -1]] = page[:, [0, -1]] = 255 - ground
        assert likeness(from_png(encoded(page)), image) > 0.9


def test_a_thick_frame_is_what_was_drawn() -> None:
    page = np.zeros((280, 280), np.uint8)
    page[:40] = page[-40:] = 255
    page[:, :40] = page[:, -40:] = 255
    page[120:160, 120:160] = 255
    assert from_png(encoded(255 - page)).any()


def test_a_28x28_drawing_in_dark_ink_is_framed() -> None:
    drawing = seven((SIDE, SIDE), at=(3, 3), scale=12, pen=2)
    framed = from_png(encoded(255 - drawing))
    assert extent(framed)[0] == BOX
    assert centre_of_mass(framed) == pytest.approx((14, 14), abs=0.5)


def shaded(ink: Grey, *, noise: float = 6.0, seed: int = 0) -> Grey:
    """Grey paper, darker towards one corner, under a noisy scanner; the ink is dark but not black."""
    height, width = ink.shape
    slope = np.linspace(-30, 30, width) + np.linspace(-25, 25, height)[:, None]
    page = 180 + slope + np.random.default_rng(seed).normal(0, noise, ink.shape) - 0.45 * ink
    return page.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("seed", range(3))
def test_shaded_and_noisy_paper_is_cleaned(seed: int) -> None:
    framed = from_png(encoded(shaded(SEVEN, seed=seed)))
    assert likeness(framed, FRAMED) > 0.97
    assert np.mean(framed[FRAMED == 0]) < 2


def test_light_ink_on_a_grey_board_is_cleaned() -> None:
    assert likeness(from_png(encoded(255 - shaded(SEVEN))), FRAMED) > 0.97


@pytest.mark.parametrize(
    "page",
    [
        np.zeros((200, 200), np.uint8),
        np.full((300, 100), 255, np.uint8),
        np.zeros((SIDE, SIDE), np.uint8),
        np.full((SIDE, SIDE), 255, np.uint8),
        np.full((1, 1), 255, np.uint8),
        np.where(SEVEN > 0, np.uint8(200), np.uint8(200 + FAINTEST - 1)),
        np.broadcast_to(np.arange(200, dtype=np.uint8), (100, 200)),
        shaded(np.zeros((300, 300), np.uint8), noise=20),
        np.zeros((50, 50, 4), np.uint8),
    ],
    ids=["black", "white", "28x28 black", "28x28 white", "one pixel", "faint", "a slope", "noise", "transparent"],
)
def test_a_blank_picture_is_refused(page: Grey) -> None:
    with pytest.raises(ValueError, match=r"the picture is blank; draw in an ink"):
        from_png(encoded(np.ascontiguousarray(page)))


@pytest.fixture(scope="module")
def mnist() -> Examples:
    folder = os.environ.get("TENFOLD_DATA")
    if folder is None:
        pytest.skip("set TENFOLD_DATA to a folder that holds the files of MNIST")
    return load_builtin("mnist", Path(folder))


def test_mnist_is_left_alone_bit_for_bit(mnist: Examples) -> None:
    assert all(is_framed(image) for image in mnist.values[:20_000])
    for image in mnist.values[:1_000]:
        np.testing.assert_array_equal(from_png(encoded(image)), image)


def test_mnist_enlarged_off_centre_and_inverted_is_still_read(mnist: Examples) -> None:
    known = mnist.values[:10_000].reshape(-1, SIDE * SIDE).astype(np.float32)
    known /= np.linalg.norm(known, axis=1, keepdims=True)
    originals, labels = mnist.values[10_000:10_500], mnist.labels[10_000:10_500]

    def accuracy(images: Grey) -> float:
        nearest = (images.reshape(-1, SIDE * SIDE).astype(np.float32) @ known.T).argmax(axis=1)
        return float(np.mean(mnist.labels[nearest] == labels))

    pages = []
    for image in originals:
        page = Image.new("L", (400, 300))
        page.paste(Image.fromarray(image).resize((230, 230), Image.Resampling.BICUBIC), (150, 20))
        pages.append(255 - np.asarray(page))
    assert accuracy(np.stack([from_png(encoded(page)) for page in pages])) > accuracy(originals) - 0.015
