"""What is no sound PNG file is refused by name, and costs neither memory nor time."""

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

from models.data.reading.pictures.decode import decode
from models.data.reading.pictures.outcome import BrokenError, Form
from models.framing import FAINTEST, SIDE
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
    from_png,
    handmade,
    header,
    unfiltered,
)

ROOT = Path(__file__).parent.parent.parent.parent


SQUEEZED = zlib.compress(PIXELS)
NO_PICTURE = "it is none of PNG, JPEG, WebP"
CUT_SHORT = "cut short or damaged, as a PNG picture"
LESS = "it holds less pixels than its header says"
MANY = "it has more than 50 million pixels"
DAMAGED = "it is damaged"
UNKNOWN = "not identified by this driver"
REFUSED = {
    "nothing": (b"", "it is empty"),
    "text": (b"a 7, please", NO_PICTURE),
    "another line end": (PLAIN.replace(b"\r\n", b"\n", 1), NO_PICTURE),
    "only the signature": (SIGNATURE, DAMAGED),
    "no header": (SIGNATURE + chunk(b"IDAT", SQUEEZED) + END, DAMAGED),
    "a short header": (SIGNATURE + chunk(b"IHDR", bytes(12)) + END, "Truncated IHDR"),
    "two headers": (handmade(header(), PIXELS, header(60_000, 60_000)), MANY),
    "half a file": (PLAIN[: len(PLAIN) // 2], CUT_SHORT),
    "no last byte": (PLAIN[:-1], CUT_SHORT),
    "no end": (PLAIN[: -len(END)], CUT_SHORT),
    "a chunk of four gigabytes": (SIGNATURE + header() + b"\xff\xff\xff\xffIDAT" + bytes(99), CUT_SHORT),
    "a flipped bit": (PLAIN.replace(SQUEEZED[:1], b"\x79"), "damaged"),
    "no pixels": (SIGNATURE + header() + END, LESS),
    "too few rows": (handmade(header(), PIXELS[:-201]), LESS),
    "half of the rows": (handmade(header(), PIXELS[: len(PIXELS) // 2]), LESS),
    "too few rows of an interlaced one": (handmade(header(interlace=1), PIXELS), LESS),
    "pixels that do not inflate": (SIGNATURE + header() + chunk(b"IDAT", b"noise") + END, DAMAGED),
    "an unknown filter": (handmade(header(3, 1), b"\x09\0\0\xff"), DAMAGED),
    "a broken palette": (
        handmade(header(3, 1, colour=3), b"\0\0\1\2", chunk(b"PLTE", bytes(999))),
        "invalid palette size",
    ),
    "three bits": (handmade(header(depth=3), PIXELS), UNKNOWN),
    "an unknown interlace": (handmade(header(interlace=2), PIXELS), DAMAGED),
    "no width": (handmade(header(width=0), b""), UNKNOWN),
    "no height": (handmade(header(height=0), b""), UNKNOWN),
    "dimensions of a bomb": (handmade(header(50_000, 50_000), PIXELS), MANY),
}
HARMLESS = {
    "a wrong checksum of the end": PLAIN[:-1] + b"\0",
    "one row too many": handmade(header(), PIXELS + bytes(201)),
    "no checksum of the pixels": SIGNATURE + header() + chunk(b"IDAT", SQUEEZED[:-4]) + END,
}
"""Nothing of the picture itself is lost."""


@pytest.mark.parametrize(("file", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_sound_png_is_refused_by_name(file: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_png(file)


@pytest.mark.parametrize("file", HARMLESS.values(), ids=HARMLESS)
def test_what_is_whole_but_for_what_stands_around_it_is_read(file: bytes) -> None:
    np.testing.assert_array_equal(from_png(file), FRAMED)


def test_every_truncation_is_refused() -> None:
    for length in range(len(PLAIN)):
        with pytest.raises(ValueError, match=r"this picture cannot be read: it is .*; "):
            from_png(PLAIN[:length])


# What takes long to make is made when it is asked for: every process of the suite reads this file.
def profiles() -> list[bytes]:
    return [chunk(b"iCCP", b"profile\0\0" + zlib.compress(bytes(64 << 20), 9))] * 3


def texts() -> list[bytes]:
    megabyte = zlib.compress(bytes(1 << 20), 9)
    return [chunk(b"zTXt", b"%d\0\0" % number + megabyte) for number in range(200)]


@pytest.mark.parametrize(
    ("ballast", "message"), [(profiles, "Decompressed data too large"), (texts, "Too much memory used in text")]
)
def test_text_and_profiles_that_inflate_without_end_are_refused(
    ballast: Callable[[], list[bytes]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        from_png(handmade(header(), PIXELS, *ballast()))


PEAK_MEMORY = """
import sys
from pathlib import Path
from models.data.schema import USUAL
from models.preparation import prepare

def peak():
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1])

prepare(Path(sys.argv[1]).read_bytes(), USUAL)
file = Path(sys.argv[2]).read_bytes()
before = peak()
try:
    prepare(file, USUAL)
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
def test_no_file_takes_more_than_twenty_megabytes_or_what_pillow_allows_texts(
    make: Callable[[], bytes], tmp_path: Path
) -> None:
    file = make()
    (tmp_path / "plain.png").write_bytes(PLAIN)
    (tmp_path / "heavy.png").write_bytes(file)
    command = [sys.executable, "-c", PEAK_MEMORY, str(tmp_path / "plain.png"), str(tmp_path / "heavy.png")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) <= (20 if make is not HEAVY["bombs of text"] else 72) * 1024


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


@pytest.mark.parametrize(("colour", "channels"), [(0, 1), (2, 3), (6, 4)])
@pytest.mark.parametrize("mark", [True, False])
def test_rows_that_are_there_or_not_are_told_whatever_their_last_pixel_is(
    colour: int, channels: int, mark: bool
) -> None:
    last = (3,) if channels == 1 else (3, 1, 2, 5)[:channels]
    rows = b"".join(b"\0" + bytes(range(60)) * channels + bytes(last if mark else channels) for _ in range(61))
    whole = handmade(header(61, 61, colour=colour), rows)
    form = Form(None, None)
    assert decode(whole, form).about.height == 61
    with pytest.raises(BrokenError) as less:
        decode(handmade(header(61, 61, colour=colour), rows[: len(rows) // 61 * 60]), form)
    assert LESS in less.value.detail
