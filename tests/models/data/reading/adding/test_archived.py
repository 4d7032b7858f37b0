"""Files of pictures in an archive that are appended: of any size, of one class alone, beside a CSV of pixels."""

import io
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.data.examples import TEST
from tests.models.data.reading.adding.versions import noted, pictures, versions
from tests.models.data.reading.archives.made import zipped
from tests.models.data.reading.arrays.made import npz
from tests.models.data.reading.forms import digits, found_in, iris, parquet

IMAGES, LABELS = digits()


def archive(rows: Sequence[int], *, size: int = 28, inside: str = "{label}/{row:03}.png") -> bytes:
    files = {}
    for row in rows:
        file = io.BytesIO()
        Image.fromarray(IMAGES[row]).resize((size, size), Image.Resampling.NEAREST).save(file, "PNG")
        files[inside.format(label=LABELS[row], row=row)] = file.getvalue()
    return zipped(files)


def test_pictures_of_an_archive_follow_those_of_another() -> None:
    whole, expected = found_in(archive(range(40)))
    with versions(archive(range(30))) as letters:
        found, examples = letters.read(archive(range(30, 39)))
        found, examples = letters.read(archive([39]))
        assert found.added == 1
        assert found.sha256 == whole.sha256
        assert np.array_equal(np.asarray(examples.values), expected.values)
        assert len(found.shared) == 2


def test_a_csv_of_pixels_follows_them_and_they_follow_it() -> None:
    with versions(archive(range(30))) as letters:
        _, examples = letters.read(pictures(range(30, 40)))
        assert np.array_equal(np.asarray(examples.values), IMAGES)
    with versions(pictures(range(30), scale=1 / 255)) as letters:
        found, examples = letters.read(archive(range(30, 40)))
        assert np.array_equal(np.asarray(examples.values), IMAGES)
        assert noted(found, "scale") == "pixels are on the scale from 0 to 255, brought to 0 to 1 of letters/1"


def test_pictures_of_other_sizes_are_brought_to_that_of_the_version() -> None:
    with versions(archive(range(30))) as letters:
        found, examples = letters.read(archive(range(30, 36), size=56))
        assert examples.values.shape == (36, 28, 28)
        assert any("56" in note["detail"] for note in [*found.reading["notes"], *found.reading["warnings"]])


def test_each_resizing_is_told_whatever_was_told_before() -> None:
    with versions(archive(range(30), size=56), size=[28, 28], fit="pad") as letters:
        for side in (14, 42, 21):
            rows = range(30, 36)
            wide = {f"{LABELS[row]}/{row}.png": png(np.ones((side, 28)) * 9 * (row - 20)) for row in rows}
            found, _ = letters.read(zipped(wide))
            told = [one["detail"] for one in found.reading["warnings"] if one["kind"] == "size"]
            assert len(told) == 1
            assert told[0].startswith(f"of what was added: all pictures have {side} x 28 pixels; 6 were brought to")


def test_a_split_by_folders_goes_on_and_may_be_of_one_part() -> None:
    parted = "{label}/{part}/{row:03}.png"
    some = [archive(range(start, 40, 2), inside=parted.replace("{part}", part)) for start, part in
            ((0, "train"), (1, "test"))]  # fmt: skip
    files = dict[str, bytes]()
    for data in some:
        with zipfile.ZipFile(io.BytesIO(data)) as its:
            files |= {name: its.read(name) for name in its.namelist()}
    with versions(zipped(files)) as letters:
        assert letters.base is not None
        assert letters.base.examples.parts is not None
        found, examples = letters.read(archive(range(5)))
        assert examples.parts is not None
        assert np.bincount(examples.parts).tolist() == [25, 0, 20]
        assert "all of them are for training" in noted(found, "split")


def test_nearly_black_pictures_are_on_the_scale_of_all_that_are_decoded() -> None:
    with versions(archive(range(30))) as letters:
        found, examples = letters.read(zipped({f"3/{row}.png": png(IMAGES[row] // 255 + row % 2) for row in range(9)}))
        assert np.asarray(examples.values)[30:].max() == 2
        assert noted(found, "scale") == "pixels are on the scale from 0 to 255, as those of letters/1"
        assert "as those of letters/1" in noted(found, "channels")


def test_the_fit_of_a_version_holds_for_what_is_appended() -> None:
    wide = {f"{row % 2}/{row}.png": png(np.hstack([IMAGES[row]] * 2)) for row in range(30)}
    with versions(zipped(wide), size=[28, 28], fit="pad") as letters:
        found, examples = letters.read(zipped({"1/x.png": wide["1/1.png"]}))
        assert np.array_equal(np.asarray(examples.values)[1], np.asarray(examples.values)[30])
        found, _ = letters.read(zipped({"1/y.png": wide["1/3.png"]}), fit="crop")
        assert "crop: so it was said" in str(found.reading["warnings"])


def test_a_part_alone_is_that_part_of_the_version() -> None:
    both = {f"{part}/{row % 2}/{row}.png": png(IMAGES[row]) for row in range(30) for part in ("train", "test")}
    alone = zipped({"x/test/1/90.png": png(IMAGES[31])})
    by_list = zipped({"p/90.png": png(IMAGES[31]), "test.csv": b"file_name,label\n90.png,1\n"})
    with versions(zipped(both)) as letters:
        for data in (alone, by_list):
            _, examples = letters.read(data)
            assert examples.parts is not None
            assert examples.parts[-1] == TEST
    with versions(archive(range(30))) as letters:
        assert "have no split" in letters.faults(alone)[0]


def test_arrays_of_another_form_are_compared_with_the_version_and_not_with_what_nobody_said() -> None:
    with versions(archive(range(30))) as letters:
        for shape in ((5, 9, 9), (5, 28, 28, 3)):
            values = np.arange(np.prod(shape)).reshape(shape) % 251
            faults = letters.faults(npz(x=values, y=np.arange(5) % 2))
            assert "bring them to 28 x 28 pixels, grey, or send all of them" in faults[0]


def test_pictures_for_a_table_or_another_form_are_refused_before_any_is_decoded() -> None:
    broken = {f"{row % 2}/{row}.png": b"\x89PNG\r\n\x1a\n" for row in range(30)}
    column = parquet({"image": list(broken.values()), "label": ["a", "b"] * 15})
    with versions(iris()) as flowers:
        for data in (zipped(broken), column):
            assert "it holds pictures, and letters/1 rows of a table" in flowers.faults(data)[0]
    with versions(archive(range(30))) as letters:
        for data in (zipped(broken), column):
            assert "letters/1 has `digits`" in letters.faults(data, preparation="plain")[0]


def png(pixels: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, "PNG")
    return file.getvalue()
