"""One picture: every mode and form that is read becomes the right pixels, and what is none says so."""

import io
import struct
import zlib
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from models import preparation
from models.data.reading.pictures.decode import Picture, decode, look
from models.data.reading.pictures.outcome import BrokenError, Form
from models.data.schema import Images
from tests.models.data.reading.pictures.files import noise, saved

pytestmark = pytest.mark.usefixtures("as_in_its_process")

GREY, COLOUR = noise(), noise(channels=3)


def pixels(picture: Picture) -> NDArray[np.uint8]:
    flat = np.frombuffer(picture.pixels, np.uint8)
    return flat.reshape(picture.about.height, picture.about.width, *([3] if picture.about.channels == 3 else []))


def decoded(image: Image.Image, form: str = "PNG", **how: Any) -> NDArray[np.uint8]:
    return pixels(decode(saved(image, form, **how), Form()))


def broken(data: bytes) -> str:
    with pytest.raises(BrokenError) as caught:
        decode(data, Form())
    assert caught.value.remedy
    return caught.value.detail


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "GIF"])
def test_forms_without_loss_are_read_bit_for_bit(form: str) -> None:
    assert (decoded(Image.fromarray(GREY), form) == GREY).all()
    if form != "GIF":
        assert (decoded(Image.fromarray(COLOUR), form) == COLOUR).all()


def test_webp_and_avif_and_jpeg_are_read_as_pillow_reads_them() -> None:
    assert (decoded(Image.fromarray(COLOUR), "WEBP", lossless=True) == COLOUR).all()
    for form in ("AVIF", "JPEG", "WEBP"):
        data = saved(Image.fromarray(COLOUR), form)
        assert (pixels(decode(data, Form())) == np.asarray(Image.open(io.BytesIO(data)))).all()
        assert decode(data, Form()).about.format == form


def test_colours_that_are_the_same_everywhere_are_grey() -> None:
    same = np.repeat(GREY[..., None], 3, axis=2)
    assert (decoded(Image.fromarray(same)) == GREY).all()
    assert (pixels(decode(saved(Image.fromarray(same)), Form(channels=3))) == same).all()
    grey = decode(saved(Image.fromarray(COLOUR)), Form(channels=1))
    assert (pixels(grey) == np.asarray(Image.fromarray(COLOUR).convert("L"))).all()


def test_grey_is_grey_in_webp_as_well_though_it_rounds_each_colour_by_itself() -> None:
    grey = Image.fromarray(np.add.outer(np.arange(30, dtype=np.uint8) * 4, np.arange(40, dtype=np.uint8)))
    for image in (grey, grey.convert("RGB")):
        picture = decode(saved(image, "WEBP"), Form())
        assert picture.about.channels == 1
        assert picture.about.marks == ["nearly"]
        assert np.abs(pixels(picture).astype(int) - np.asarray(grey)).max() <= 8
    tinted = np.repeat(np.asarray(grey)[..., None], 3, axis=2) + np.array([0, 0, 3], np.uint8)
    assert decode(saved(Image.fromarray(tinted), "WEBP", lossless=True), Form()).about.channels == 3
    assert decode(saved(Image.fromarray(tinted - np.array([0, 0, 2], np.uint8))), Form()).about.channels == 3


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_a_picture_is_turned_as_its_exif_says(turn: int, form: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    how = {"WEBP": {"lossless": True}}.get(form, {})
    data = saved(Image.fromarray(COLOUR), form, exif=exif, **how)
    plain = np.asarray(Image.open(io.BytesIO(saved(Image.fromarray(COLOUR), form, **how))))
    rows = {
        1: plain, 2: plain[:, ::-1], 3: plain[::-1, ::-1], 4: plain[::-1], 5: plain.swapaxes(0, 1),
        6: plain[::-1].swapaxes(0, 1), 7: plain[::-1, ::-1].swapaxes(0, 1), 8: plain[:, ::-1].swapaxes(0, 1),
    }  # fmt: skip
    picture = decode(data, Form())
    assert (pixels(picture) == rows[turn]).all()
    assert ("turned" in picture.about.marks) == (turn != 1)
    assert look(data).about[:2] == picture.about[:2] == rows[turn].shape[:2]


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_exif_that_is_damaged_keeps_the_picture_as_it_lies(form: str) -> None:
    data = saved(Image.fromarray(COLOUR), form, exif=b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x05junk")
    picture = decode(data, Form())
    assert "exif" in picture.about.marks
    assert (pixels(picture) == pixels(decode(saved(Image.fromarray(COLOUR), form), Form()))).all()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_maker_s_note_that_is_cut_short_says_nothing_of_the_turn(form: str) -> None:
    entries = struct.pack("<HHIIHHII", 0x0112, 3, 1, 6, 0x927C, 7, 10**6, 38)
    exif = b"Exif\0\0" + struct.pack("<2sHIH", b"II", 42, 8, 2) + entries + bytes(4)
    turned = decode(saved(Image.fromarray(COLOUR), form, exif=exif), Form())
    plain = Image.Exif()
    plain[0x0112] = 6
    assert "turned" in turned.about.marks
    assert (pixels(turned) == pixels(decode(saved(Image.fromarray(COLOUR), form, exif=plain), Form()))).all()


def test_sixteen_bits_are_divided_by_256() -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (12, 9), np.uint16)
    for form in ("PNG", "TIFF"):
        picture = decode(saved(Image.fromarray(deep), form), Form())
        assert (pixels(picture) == deep >> 8).all()
        assert picture.about.greatest == deep.max()
    assert (decoded(Image.fromarray(deep.astype(np.int32)), "TIFF") == deep >> 8).all()
    swapped = bytearray(saved(Image.frombytes("I;16B", (9, 12), deep.astype(">u2").tobytes()), "TIFF"))
    assert (pixels(decode(bytes(swapped), Form())) == deep >> 8).all()
    assert "beyond sixteen bits" in broken(saved(Image.fromarray(deep.astype(np.int32) * 9), "TIFF"))
    assert "beyond sixteen bits" in broken(saved(Image.fromarray(-1 - deep.astype(np.int32)), "TIFF"))


def test_one_bit_is_black_and_white() -> None:
    bits = GREY > 127
    for form in ("PNG", "TIFF", "BMP", "GIF"):
        assert (decoded(Image.fromarray(bits), form) == 255 * bits.astype(np.uint8)).all()


def test_a_palette_gives_its_colours() -> None:
    indexed = Image.fromarray(COLOUR).quantize(16)
    for form in ("PNG", "GIF", "BMP", "TIFF"):
        assert (decoded(indexed, form) == np.asarray(indexed.convert("RGB"))).all()


def transparent() -> dict[str, bytes]:
    ink = np.zeros((12, 9, 4), np.uint8)
    ink[3:7, 2:8] = (0, 0, 0, 255)
    light = ink.copy()
    light[..., :3] = 255
    framed = noise(channels=4)
    framed[[0, -1], :, 3] = framed[:, [0, -1], 3] = 255
    palette = Image.fromarray(GREY).convert("P")
    return {
        "dark ink": saved(Image.fromarray(ink)),
        "light ink": saved(Image.fromarray(light)),
        "opaque border": saved(Image.fromarray(framed)),
        "all over": saved(Image.fromarray(noise(channels=4))),
        "grey": saved(Image.fromarray(noise(channels=4)).convert("LA")),
        "palette": saved(palette, transparency=bytes(range(256))),
        "one colour of a palette": saved(palette, transparency=int(GREY[5, 5])),
        "one level": saved(Image.fromarray(GREY), transparency=int(GREY[5, 5])),
        "nowhere": saved(Image.fromarray(COLOUR).convert("RGBA")),
    }


@pytest.mark.parametrize("name", transparent())
def test_transparent_pixels_lie_on_what_they_lie_on_when_a_network_is_asked(name: str) -> None:
    data = transparent()[name]
    schema = Images(height=12, width=9, channels=3, preparation="plain")
    picture = decode(data, Form(channels=3))
    assert (pixels(picture) == preparation.prepare(data, schema)).all()
    assert ("transparent" in picture.about.marks) == (name != "nowhere")


def test_light_ink_on_nothing_stays_light_and_dark_ink_dark() -> None:
    dark, light = (pixels(decode(transparent()[f"{which} ink"], Form())) for which in ("dark", "light"))
    assert dark[4, 4] == 0
    assert dark[0, 0] == 255
    assert (light == 255 - dark).all()


def test_inks_become_red_green_and_blue() -> None:
    cyan = Image.new("CMYK", (9, 12), (255, 0, 0, 0))
    assert tuple(decoded(cyan, "TIFF")[0, 0]) == (0, 255, 255)
    red, green, blue = decoded(cyan, "JPEG", quality=95)[0, 0].astype(int)
    assert red < 5
    assert min(green, blue) > 250
    # As Photoshop writes them: the numbers are turned round, and a marker says so.
    jpeg = saved(Image.fromarray(255 - np.asarray(cyan), "CMYK"), "JPEG", quality=95)
    assert b"Adobe" in jpeg
    assert decode(jpeg, Form()).about.marks == ["inks"]


def test_lab_becomes_red_green_and_blue() -> None:
    lab = Image.new("LAB", (9, 12), (136, 80, 67))
    red, green, blue = decoded(lab, "TIFF")[0, 0].astype(int)
    assert len({red, green, blue}) == 3
    assert decode(saved(Image.new("LAB", (9, 12), (255, 0, 0)), "TIFF"), Form()).about.marks == ["lab"]


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_of_an_animation_the_first_frame_is_taken(form: str) -> None:
    frames = [Image.new("RGB", (9, 12), colour) for colour in ("red", "blue", "lime")]
    how = {"lossless": True} if form == "WEBP" else {}
    picture = decode(saved(frames[0], form, save_all=True, append_images=frames[1:], **how), Form())
    red, green, blue = pixels(picture)[5, 5].astype(int)
    assert red > 245
    assert max(green, blue) < 10
    assert picture.about.marks == ["animated"]


def test_fractions_are_refused() -> None:
    assert "fractions" in broken(saved(Image.fromarray(GREY).convert("F"), "TIFF"))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "empty"),
        (b"\x00" * 100, "zeros"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b"<svg/>", "SVG"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", "HEIC"),
        (b"\x00\x00\x00\x18ftypisom\x00\x00\x00\x00isommp41", "film"),
        (b"\x00\x00\x00\x18ftypcrx \x00\x00\x00\x01", "raw"),
        (b"8BPS\x00\x01", "Photoshop"),
        (b"%PDF-1.7", "PDF"),
        (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"FUJIFILMCCD-RAW", "raw"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1", "Git LFS"),
        (b"label,pixel0\n1,2\n", "none of PNG"),
    ],
)
def test_what_is_no_picture_that_is_read_is_called_by_its_name(data: bytes, told: str) -> None:
    assert told in broken(data)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "AVIF", "GIF", "BMP", "TIFF"])
def test_a_picture_that_is_cut_short_or_damaged_is_broken_and_nothing_worse(form: str) -> None:
    data = saved(Image.fromarray(COLOUR), form)
    assert "damaged" in broken(data[: len(data) // 2])
    random = np.random.default_rng(0)
    for _ in range(60):
        harmed = bytearray(data)
        for place in random.integers(0, len(data), 3):
            harmed[place] = random.integers(0, 256)
        with suppress(BrokenError):
            decode(bytes(harmed), Form((8, 8)))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_a_bomb_is_refused_by_its_header() -> None:
    side = 30_000
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0))
    rows = zlib.compressobj()
    body = b"".join(rows.compress(bytes(1 + side // 8) * 1000) for _ in range(side // 1000)) + rows.flush()
    bomb = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    assert len(bomb) < 200_000
    assert "50 million pixels" in broken(bomb)
    webp = b"RIFF\x20\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00" + (16_382).to_bytes(3, "little") * 2
    assert "50 million pixels" in broken(webp) or "damaged" in broken(webp)
    assert "16 MiB" in broken(bytes(16 * 2**20 + 1))


def test_texts_in_a_png_are_never_inflated_without_bound() -> None:
    data = saved(Image.fromarray(GREY))
    text = chunk(b"zTXt", b"Comment\x00\x00" + zlib.compress(bytes(64 * 2**20)))
    assert "too large" in broken(data[:33] + text + data[33:])
