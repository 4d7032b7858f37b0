"""Many pictures become one array: one size, grey or colour, in their order, and what was done is told."""

import re
from typing import Any

import numpy as np
import pytest
from PIL import Image

from models.data.reading import npy
from models.data.reading.found import UnreadableError
from tests.models.data.reading.pictures.files import noise, saved, sentences, some, written


def faults(files: dict[str, bytes], **options: Any) -> list[str]:
    with pytest.raises(UnreadableError) as caught:
        written(files, **options)
    return [f"{fault.where}: {fault.detail}; {fault.remedy}" for fault in caught.value.faults]


def test_grey_pictures_of_one_size_are_written_as_they_are() -> None:
    values, done, told = written(some())
    assert done.shape == (12, 9, 1)
    assert done.kept.all()
    assert all((values[place] == noise(seed=place)).all() for place in range(20))
    assert told.taken_for["pictures"] == {"PNG": 20}
    assert told.warnings == []


def test_a_picture_in_colour_makes_all_coloured_wherever_it_stands() -> None:
    for place in (0, 7, 19):
        files = some()
        name = list(files)[place]
        files[name] = saved(Image.fromarray(noise(channels=3, seed=place)))
        values, done, told = written(files)
        assert done.shape == (12, 9, 3)
        assert (values[place] == noise(channels=3, seed=place)).all()
        assert all((values[other] == noise(seed=other)[..., None]).all() for other in range(20) if other != place)
        assert "of 20 pictures, 19 are grey" in sentences(told)
        assert written(files, channels=1)[0].shape == (20, 12, 9)
    assert written(some(), channels=3)[1].shape == (12, 9, 3)


def test_pictures_of_mixed_size_are_brought_to_the_median_and_that_is_told() -> None:
    files = some(16, height=20, width=30) | {
        "a": saved(Image.fromarray(noise(40, 60))),
        "b": saved(Image.fromarray(noise(10, 30))),
    }
    values, done, told = written(files)
    assert done.shape == (20, 30, 1)
    assert (values[0] == noise(20, 30)).all()
    told_of = sentences(told)
    assert re.search(
        r"mixed sizes: pictures have 3 sizes, from 10 x 30 to 40 x 60 pixels; 2 were brought to 20 x 30", told_of
    )
    assert "1 of them enlarged, 1 of other proportions stretched" in told_of
    assert "20 x 30: 16" in told_of


def test_the_last_of_many_may_be_the_one_of_another_size() -> None:
    files = some(200) | {"large": saved(Image.fromarray(noise(24, 18)))}
    values, done, told = written(files)
    assert done.shape == (12, 9, 1)
    assert len(values) == 201
    assert "mixed sizes" in sentences(told)


def test_large_pictures_become_small_enough_to_be_learned_from() -> None:
    files = {f"{n}.jpg": saved(Image.fromarray(noise(300, 400, 3, seed=n)), "JPEG") for n in range(3)}
    assert written(files)[1].shape == (48, 64, 3)
    assert "size: all pictures have 300 x 400 pixels; 3 were brought to 48 x 64" in sentences(written(files)[2])
    assert written(files, size=[30, 40])[1].shape == (30, 40, 3)
    assert written({"a": saved(Image.fromarray(noise(128, 128)))})[1].shape == (128, 128, 1)


def test_size_and_fit_are_heeded_and_told() -> None:
    files = some(4, height=10, width=30)
    for fit in ("pad", "crop"):
        _, done, told = written(files, size=[10, 10], fit=fit)
        assert done.shape == (10, 10, 1)
        how = "padded with their ground" if fit == "pad" else "cut to their middle"
        assert f"4 of other proportions {how}" in sentences(told)
    assert (written(files, size=[10, 10], fit="crop")[0][0] == noise(10, 30)[:, 10:20]).all()


def test_a_few_broken_pictures_are_dropped_and_told() -> None:
    files = some(40)
    files["1/3.png"] = files["1/3.png"][:50]
    files["0/8.png"] = b"<svg/>"
    values, done, told = written(files)
    assert [place for place in range(40) if not done.kept[place]] == [3, 8]
    assert len(values) == 38
    assert (values[3] == noise(seed=4)).all()
    (drop,) = told.dropped
    assert drop["count"] == 2
    assert [one["where"] for one in drop["examples"]] == ["1/3.png", "0/8.png"]
    assert "SVG" in drop["examples"][1]["text"]


def test_many_broken_pictures_are_refused_each_by_its_name() -> None:
    files = some(20) | {
        "c/bad.heic": b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic",
        "c/bad.png": b"\x89PNG\r\n\x1a\n",
    }
    told = faults(files)
    assert told[0] == "c/bad.heic: it is a HEIC picture; save it as JPEG or PNG"
    assert told[1].startswith("c/bad.png: it is damaged")
    assert len(faults({f"{n}.png": b"no picture" for n in range(30)})) == 20
    assert len(faults({f"{n}.png": b"no picture" for n in range(3)})) == 3
    assert "no pictures" in faults({})[0]


def test_what_was_done_to_pictures_is_told_with_counts() -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    files = some(20)
    files |= {
        "turned": saved(Image.fromarray(noise()), "JPEG", exif=exif),
        "deep": saved(Image.fromarray(noise().astype(np.uint16))),
        "clear": saved(Image.fromarray(noise(channels=4))),
        "inks": saved(Image.new("CMYK", (9, 12)), "JPEG"),
        "moving": saved(Image.fromarray(noise()), "GIF", save_all=True, append_images=[Image.fromarray(noise(seed=1))]),
        "profile": saved(Image.fromarray(noise()), icc_profile=bytes(200)),
        "odd": saved(Image.fromarray(noise()), "JPEG", exif=b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x05junk"),
    }
    told = sentences(written(files)[2])
    for sentence in (
        "orientation: turned upright, as the EXIF says: 1 picture",
        "transparency: transparent pixels",
        "frames: of more than one frame or page, the first was taken: 1 picture",
        "colours: from the colours of printing inks",
        "colours: a colour profile is there, and was not applied: 1 picture",
        "depth: of sixteen bits",
        "depth: the greatest number in pictures of sixteen bits is ",
        "orientation: damaged EXIF, and so perhaps not turned as it should be: 1 picture",
    ):
        assert sentence in told
    assert "22 PNG" in told or "23 PNG" in told


def test_an_array_that_would_be_too_large_is_refused_before_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npy, "MOST_BYTES", 20 * 12 * 9)
    assert written(some())[1].shape == (12, 9, 1)
    files = some() | {"c": saved(Image.fromarray(noise(channels=3)))}
    (told,) = faults(files)
    assert re.search(r"21 pictures of 12 x 9 pixels take 0.0 GiB.*size=\[6, 5\]|size=\[11, 8\]", told)
