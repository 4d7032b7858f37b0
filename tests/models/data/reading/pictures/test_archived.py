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


def test_every_form_of_picture_may_lie_beside_the_others_whatever_its_name() -> None:
    colours, grey = noise(channels=3), noise()
    turned = Image.Exif()
    turned[0x112] = 6
    image = Image.fromarray(colours)
    forms = {
        "png": saved(image), "jpg": saved(image, "JPEG"), "webp": saved(image, "WEBP"), "avif": saved(image, "AVIF"),
        "gif": saved(Image.fromarray(grey), "GIF"), "bmp": saved(image, "BMP"), "tif": saved(image, "TIFF"),
        "cmyk.jpeg": saved(image.convert("CMYK"), "JPEG"), "palette.png": saved(image.convert("P")),
        "alpha.png": saved(Image.fromarray(np.dstack([colours, grey]))),
        "16.png": saved(Image.fromarray(grey.astype(np.uint16) * 257)), "turned.JPG": saved(image, "JPEG", exif=turned),
    }  # fmt: skip
    names = ("cafe\u0301 noir", "th\u00e9")
    found, examples = found_in(zipped({f"{name}/{n} \u00fc.{end}": data for name in names
                                       for n, (end, data) in enumerate(forms.items())}))  # fmt: skip
    assert found.schema.classes == ("caf\u00e9 noir", "th\u00e9")
    assert examples.labels.tolist() == [0] * len(forms) + [1] * len(forms)
    for place, form in enumerate(forms):
        its = examples.values[place]
        if form in {"png", "bmp", "tif"}:
            assert (its == colours).all()
        if form in {"gif", "16.png"}:
            assert (its == grey[..., None]).all()
    told = "\n".join(one["detail"] for one in [*found.reading["notes"], *found.reading["warnings"]])
    assert "the files are 8 PNG and 6 JPEG and 2 WEBP and 2 AVIF and 2 GIF and 2 BMP and 2 TIFF" in told
    for sentence in ("turned upright", "printing inks (CMYK)", "sixteen bits", "transparent pixels"):
        assert sentence in told
    assert "pictures have 2 sizes, from 9 x 12 to 12 x 9 pixels" in told


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
