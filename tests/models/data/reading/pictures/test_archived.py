"""A ZIP of pictures is read as the rows of the same pictures would be, to the last bit."""

import io
import zipfile

import numpy as np
from PIL import Image

from tests.models.data.reading.forms import digits, faults_of, found_in, pixels
from tests.models.data.reading.pictures.files import noise, saved


def zipped(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


def folders(form: str = "PNG") -> dict[str, bytes]:
    pictures, labels = digits()
    pairs = enumerate(zip(pictures, labels, strict=True))
    return {
        f"{label}/{place:03}.{form.lower()}": saved(Image.fromarray(picture), form)
        for place, (picture, label) in pairs
    }  # fmt: skip


def test_digits_in_files_are_the_same_data_set_as_digits_in_rows() -> None:
    found, _ = found_in(zipped(folders()))
    assert found.sha256 == found_in(pixels())[0].sha256
    assert found.schema == found_in(pixels())[0].schema
    assert found.sha256 == found_in(zipped(folders("TIFF")))[0].sha256


def test_photographs_of_many_sizes_become_small_pictures_in_colour() -> None:
    files = {
        f"{'cat' if place % 2 else 'dog'}/{place}.jpg": saved(
            Image.fromarray(noise(200 + place, 300 - place, 3, seed=place)), "JPEG"
        )
        for place in range(24)
    }
    found, examples = found_in(zipped(files))
    assert examples.values.shape == (24, 47, 64, 3)
    assert found.schema.classes == ("cat", "dog")
    kinds = [one["kind"] for one in found.reading["warnings"]]
    assert "mixed sizes" in kinds
    assert "order of colours" not in kinds
    assert found_in(zipped(files), size=[20, 30], channels=1)[1].values.shape == (24, 20, 30)


def test_a_broken_picture_is_told_by_its_member() -> None:
    files = folders()
    names = list(files)
    files[names[3]] = b"\x89PNG\r\n\x1a\nnone"
    found, examples = found_in(zipped(files))
    assert (examples.values == np.delete(digits()[0], 3, axis=0)).all()
    (drop,) = found.reading["dropped"]
    assert names[3] in drop["examples"][0]["where"]
    told = faults_of(zipped(files | {f"0/{n}.png": b"GIF89a" for n in range(30)}))
    assert len(told) == 20


def test_pictures_of_one_colour_are_refused() -> None:
    blank = saved(Image.new("L", (28, 28), 7))
    assert "all pixels are 7" in faults_of(zipped({f"{n % 2}/{n}.png": blank for n in range(20)}))[0]
