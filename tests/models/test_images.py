import io
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFile, PngImagePlugin

from models.data.examples import Examples
from models.data.load import load_builtin
from models.images import BOX, FAINTEST, MAX_BYTES, MAX_SIDE, SIDE, from_png

Grey = NDArray[np.uint8]
ROOT = Path(__file__).parent.parent.parent
SIGNATURE = b"\x89PNG\r\n\x1a\n"
END = struct.pack(">I4sI", 0, b"IEND", zlib.crc32(b"IEND"))
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def encoded(picture: Image.Image | NDArray[np.generic], **options: object) -> bytes:
    file = io.BytesIO()
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(file, "PNG", **options)
    return file.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def header(width: int = 200, height: int = 200, depth: int = 8, colour: int = 0, interlace: int = 0) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace))


def handmade(head: bytes, pixels: bytes, *between: bytes) -> bytes:
    return SIGNATURE + head + b"".join(between) + chunk(b"IDAT", zlib.compress(pixels, 9)) + END


def unfiltered(rows: NDArray[np.generic]) -> bytes:
    return b"".join(b"\0" + row.tobytes() for row in rows)


def seven(
    size: tuple[int, int] = (200, 200), *, at: tuple[int, int] = (50, 40), scale: int = 100, pen: int = 12
) -> Grey:
    """A 7 in light ink on dark, [height, width]."""
    image = Image.new("L", size)
    (x, y), right = at, round(0.7 * scale)
    ImageDraw.Draw(image).line(
        [(x, y), (x + right, y), (x + right // 3, y + scale)], fill=255, width=pen, joint="curve"
    )
    return np.asarray(image)


def extent(image: Grey) -> tuple[int, int]:
    """The height and the width of what is inked."""
    ys, xs = np.nonzero(image)
    return int(np.ptp(ys)) + 1, int(np.ptp(xs)) + 1


def centre_of_mass(image: Grey) -> tuple[float, float]:
    ys, xs = np.indices(image.shape)
    return float(np.average(ys, weights=image)), float(np.average(xs, weights=image))


def likeness(one: Grey, other: Grey) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


SEVEN = seven()
PIXELS = unfiltered(SEVEN)
PLAIN = handmade(header(), PIXELS)
FRAMED = from_png(encoded(SEVEN))


# Framing


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


# What is left alone


def test_training_images_are_left_alone_bit_for_bit(digits: Examples) -> None:
    for image in digits.pixels[:300]:
        np.testing.assert_array_equal(from_png(encoded(image)), image)


def test_a_training_image_that_fills_its_frame_is_left_alone() -> None:
    shirt = np.zeros((SIDE, SIDE), np.uint8)
    shirt[:, 6:22] = np.arange(100, 116)
    shirt[3:12] = 180
    np.testing.assert_array_equal(from_png(encoded(shirt)), shirt)


def test_a_training_image_on_a_grey_ground_is_left_alone() -> None:
    bag = np.full((SIDE, SIDE), 100, np.uint8)
    bag[8:24, 2:26] = 230
    np.testing.assert_array_equal(from_png(encoded(bag)), bag)


def test_a_28x28_drawing_in_dark_ink_is_framed() -> None:
    drawing = seven((SIDE, SIDE), at=(3, 3), scale=12, pen=2)
    framed = from_png(encoded(255 - drawing))
    assert extent(framed)[0] == BOX
    assert centre_of_mass(framed) == pytest.approx((14, 14), abs=0.5)


# Paper, noise and blank pictures


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


# Pixel formats


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_mode_gives_the_same_digit(mode: str) -> None:
    deep = Image.fromarray(SEVEN.astype(np.uint16) * 257)
    picture = deep if mode == "I;16" else Image.fromarray(SEVEN).convert(mode)
    assert picture.mode == mode
    np.testing.assert_array_equal(from_png(encoded(picture)), FRAMED)


def test_sixteen_bits_are_scaled_to_eight(digits: Examples) -> None:
    image = digits.pixels[0]
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


# Files that are refused


def jpeg() -> bytes:
    file = io.BytesIO()
    Image.fromarray(SEVEN).save(file, "JPEG")
    return file.getvalue()


SQUEEZED = zlib.compress(PIXELS)
NO_PNG = "this is no PNG file; convert the picture"
CUT_SHORT = "the PNG file is cut short; send all of it"
LESS, MORE = (f"the PNG file holds {word} pixel data than its header says" for word in ("less", "more"))
UNKNOWN_FORMAT = "the PNG header names a pixel format the standard does not know"
REFUSED = {
    "nothing": (b"", NO_PNG),
    "text": (b"a 7, please", NO_PNG),
    "a JPEG": (jpeg(), NO_PNG),
    "another line end": (PLAIN.replace(b"\r\n", b"\n", 1), NO_PNG),
    "only the signature": (SIGNATURE, "the PNG file does not begin with its header"),
    "no header": (SIGNATURE + chunk(b"IDAT", SQUEEZED) + END, "the PNG file does not begin with its header"),
    "a short header": (SIGNATURE + chunk(b"IHDR", bytes(12)) + END, "the PNG file does not begin with its header"),
    "two headers": (handmade(header(), PIXELS, header(60_000, 60_000)), "the PNG file has two headers"),
    "half a file": (PLAIN[: len(PLAIN) // 2], CUT_SHORT),
    "no last byte": (PLAIN[:-1], CUT_SHORT),
    "no end": (PLAIN[: -len(END)], CUT_SHORT),
    "a chunk of four gigabytes": (SIGNATURE + header() + b"\xff\xff\xff\xffIDAT" + bytes(99), CUT_SHORT),
    "a flipped bit": (PLAIN.replace(SQUEEZED[:1], b"\x79"), "fails its checksum"),
    "a wrong checksum": (PLAIN[:-1] + b"\0", "the IEND chunk of the PNG file fails its checksum"),
    "no pixels": (SIGNATURE + header() + END, LESS),
    "too few rows": (handmade(header(), PIXELS[:-201]), LESS),
    "an unfinished stream": (SIGNATURE + header() + chunk(b"IDAT", SQUEEZED[:-4]) + END, LESS),
    "one row too many": (handmade(header(), PIXELS + bytes(201)), MORE),
    "pixels that inflate a thousandfold": (handmade(header(), bytes(200_000_000)), MORE),
    "pixels that do not inflate": (SIGNATURE + header() + chunk(b"IDAT", b"noise") + END, "do not inflate"),
    "an unknown filter": (handmade(header(3, 1), b"\x09\0\0\xff"), "cannot be decoded"),
    "a broken palette": (
        handmade(header(3, 1, colour=3), b"\0\0\1\2", chunk(b"PLTE", bytes(999))),
        "cannot be decoded",
    ),
    "three bits": (handmade(header(depth=3), PIXELS), UNKNOWN_FORMAT),
    "an unknown interlace": (handmade(header(interlace=2), PIXELS), UNKNOWN_FORMAT),
    "no width": (handmade(header(width=0), b""), "the picture has 0 x 200 pixels"),
    "no height": (handmade(header(height=0), b""), "the picture has 200 x 0 pixels"),
    "one column too many": (encoded(np.eye(2, 1025, dtype=np.uint8)), "the picture has 1,025 x 2 pixels"),
    "one row beyond the limit": (encoded(np.eye(1025, 2, dtype=np.uint8)), "the picture has 2 x 1,025 pixels"),
    "dimensions of a bomb": (handmade(header(50_000, 50_000), PIXELS), "the picture has 50,000 x 50,000 pixels"),
}


@pytest.mark.parametrize(("file", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_sound_png_is_refused_by_name(file: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_png(file)


def test_the_limits_themselves_are_allowed() -> None:
    page = np.zeros((MAX_SIDE, MAX_SIDE), np.uint8)
    page[100:900, 500:520] = 255
    file = encoded(page)
    padded = file[: -len(END)] + chunk(b"teXt", bytes(MAX_BYTES - len(file) - 12)) + END
    assert len(padded) == MAX_BYTES
    assert extent(from_png(padded))[0] == BOX
    with pytest.raises(ValueError, match=r"the PNG file has 262,145 bytes; send at most 262,144"):
        from_png(padded + b"\0")


def test_every_truncation_is_refused() -> None:
    for length in range(len(PLAIN)):
        with pytest.raises(ValueError, match="PNG file"):
            from_png(PLAIN[:length])


# Text and colour profiles are never inflated


# What takes long to make is made when it is asked for: every process of the suite reads this file.
def profiles() -> list[bytes]:
    return [chunk(b"iCCP", b"profile\0\0" + zlib.compress(bytes(64 << 20), 9))] * 3


def texts() -> list[bytes]:
    megabyte = zlib.compress(bytes(1 << 20), 9)
    return [chunk(b"zTXt", b"%d\0\0" % number + megabyte) for number in range(200)]


@pytest.mark.parametrize("ballast", [profiles, texts])
def test_text_and_profiles_that_inflate_do_not_matter(ballast: Callable[[], list[bytes]]) -> None:
    np.testing.assert_array_equal(from_png(handmade(header(), PIXELS, *ballast())), FRAMED)


def test_reading_leaves_the_limits_of_pillow_as_they_were() -> None:
    def limits() -> tuple[object, ...]:
        text = PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY
        return *text, Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES

    before = limits()
    from_png(PLAIN)
    assert limits() == before


PEAK_MEMORY = """
import sys
from pathlib import Path
from models.images import from_png

def peak():
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1])

from_png(Path(sys.argv[1]).read_bytes())
file = Path(sys.argv[2]).read_bytes()
before = peak()
try:
    from_png(file)
except ValueError:
    pass
print(peak() - before)
"""


def colours() -> Grey:
    return np.stack([np.pad(SEVEN, 412)] * 3 + [np.full((1024, 1024), 255, np.uint8)], axis=2)


HEAVY: dict[str, Callable[[], bytes]] = {
    "as large as allowed": lambda: encoded(colours()),
    "sixteen bits": lambda: handmade(header(1024, 1024, 16, 6), unfiltered(np.repeat(colours(), 2, axis=2))),
    "a bomb of pixels": lambda: handmade(header(), bytes(200_000_000)),
    "a bomb of dimensions": lambda: handmade(header(50_000, 50_000), PIXELS),
    "bombs of profiles": lambda: handmade(header(), PIXELS, *profiles()),
    "bombs of text": lambda: handmade(header(), PIXELS, *texts()),
    "crumbs": lambda: SIGNATURE + header() + chunk(b"IDAT", b"") * 20_000 + chunk(b"IDAT", SQUEEZED) + END,
}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
@pytest.mark.parametrize("make", HEAVY.values(), ids=HEAVY)
def test_no_file_takes_more_than_twenty_megabytes(make: Callable[[], bytes], tmp_path: Path) -> None:
    file = make()
    assert len(file) <= MAX_BYTES
    (tmp_path / "plain.png").write_bytes(PLAIN)
    (tmp_path / "heavy.png").write_bytes(file)
    command = [sys.executable, "-c", PEAK_MEMORY, str(tmp_path / "plain.png"), str(tmp_path / "heavy.png")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) <= 20 * 1024


# Any bytes


def framed_or_refused(file: bytes) -> None:
    try:
        framed = from_png(file)
    except ValueError:
        return
    assert framed.shape == (SIDE, SIDE)
    assert framed.dtype == np.uint8
    assert np.ptp(framed) >= FAINTEST


@given(st.binary(max_size=200), st.sampled_from([b"", SIGNATURE, SIGNATURE + header()]))
def test_any_bytes_are_framed_or_refused(rest: bytes, start: bytes) -> None:
    framed_or_refused(start + rest)


@given(st.integers(0, len(PLAIN) - 1), st.binary(min_size=1, max_size=8))
def test_any_damage_is_framed_or_refused(at: int, damage: bytes) -> None:
    framed_or_refused(PLAIN[:at] + damage + PLAIN[at + len(damage) :])


@given(
    width=st.integers(0, 40),
    height=st.integers(0, 40),
    depth=st.sampled_from([1, 2, 4, 8, 16]),
    colour=st.sampled_from([0, 2, 3, 4, 6]),
    palette=st.none() | st.binary(max_size=800),
    transparency=st.none() | st.binary(max_size=300),
    noise=st.randoms(use_true_random=False),
)
def test_any_pixels_palette_and_transparency_are_framed_or_refused(
    width: int,
    height: int,
    depth: int,
    colour: int,
    palette: bytes | None,
    transparency: bytes | None,
    noise: Random,
) -> None:
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    row = (width * depth * channels + 7) // 8
    pixels = b"".join(bytes([noise.randrange(5)]) + noise.randbytes(row) for _ in range(height))
    between = [chunk(kind, body) for kind, body in ((b"PLTE", palette), (b"tRNS", transparency)) if body is not None]
    framed_or_refused(handmade(header(width, height, depth, colour), pixels, *between))


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 2**32 - 1), st.sampled_from([2, 8, 256]))
def test_any_picture_is_framed_or_refused(width: int, height: int, seed: int, levels: int) -> None:
    random = np.random.default_rng(seed)
    framed_or_refused(encoded(random.integers(0, levels, (height, width), np.uint8) * np.uint8(255 // (levels - 1))))


# Against the data itself


@pytest.fixture(scope="module")
def mnist() -> Examples:
    folder = os.environ.get("TENFOLD_DATA")
    if folder is None:
        pytest.skip("set TENFOLD_DATA to a folder that holds the files of MNIST")
    return load_builtin("mnist", Path(folder))


def test_mnist_is_left_alone_bit_for_bit(mnist: Examples) -> None:
    for image in mnist.pixels[:5_000]:
        np.testing.assert_array_equal(from_png(encoded(image)), image)


def test_mnist_enlarged_off_centre_and_inverted_is_still_read(mnist: Examples) -> None:
    known = mnist.pixels[:10_000].reshape(-1, SIDE * SIDE).astype(np.float32)
    known /= np.linalg.norm(known, axis=1, keepdims=True)
    originals, labels = mnist.pixels[10_000:10_500], mnist.labels[10_000:10_500]

    def accuracy(images: Grey) -> float:
        nearest = (images.reshape(-1, SIDE * SIDE).astype(np.float32) @ known.T).argmax(axis=1)
        return float(np.mean(mnist.labels[nearest] == labels))

    pages = []
    for image in originals:
        page = Image.new("L", (400, 300))
        page.paste(Image.fromarray(image).resize((230, 230), Image.Resampling.BICUBIC), (150, 20))
        pages.append(255 - np.asarray(page))
    assert accuracy(np.stack([from_png(encoded(page)) for page in pages])) > accuracy(originals) - 0.015
