"""What is no sound PNG file is refused by name, and costs neither memory nor time."""

import io
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
from PIL import Image, ImageFile, PngImagePlugin

from models.images import BOX, FAINTEST, MAX_BYTES, MAX_SIDE, SIDE, from_png
from tests.models.images.pngs import (
    END,
    FRAMED,
    PIXELS,
    PLAIN,
    SEVEN,
    SIGNATURE,
    Grey,
    chunk,
    encoded,
    extent,
    handmade,
    header,
    unfiltered,
)

ROOT = Path(__file__).parent.parent.parent.parent


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
