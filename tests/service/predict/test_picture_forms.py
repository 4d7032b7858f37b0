"""A picture is read in whatever form it comes: seven kinds of files, as a body, in a form, as a data URL, in base64."""

import base64
import io
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from numpy.typing import NDArray
from PIL import Image

from models.images import to_png
from tests.answers import problem
from tests.records import succeeded
from tests.service.conftest import MadeOnce

KINDS = ("PNG", "JPEG", "WEBP", "AVIF", "GIF", "BMP", "TIFF")


@pytest.fixture
def database_url(url_of_model: str) -> str:
    return url_of_model


@pytest.fixture
def model(made_once: MadeOnce) -> str:
    return made_once("mnist", succeeded)


def seven() -> NDArray[np.uint8]:
    image = np.zeros((28, 28), np.uint8)
    image[4:7, 8:20] = 255
    for row in range(7, 24):
        image[row, 19 - row // 3 : 22 - row // 3] = 255
    return image


def drawn(scale: int = 10) -> Image.Image:
    """Give a digit as it is drawn: large, dark on light."""
    return Image.fromarray(255 - np.kron(seven(), np.ones((scale, scale), np.uint8)))


def saved(image: Image.Image, kind: str = "PNG", **how: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **how)
    return file.getvalue()


def text(file: bytes) -> str:
    return base64.b64encode(file).decode()


def read(answer: Any) -> tuple[str, float]:
    assert answer.status_code == 200, answer.text
    found = answer.json()
    one = found["predictions"][0] if "predictions" in found else found
    return one["label"], max(one["probabilities"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_says_the_same_in_whatever_form_it_comes(api: TestClient, model: str, kind: str) -> None:
    wanted = read(api.post("/predict", content=saved(drawn()), headers={"Content-Type": "image/png"}))
    file = saved(drawn(), kind, **({"quality": 95} if kind in ("JPEG", "WEBP", "AVIF") else {}))
    url = f"data:image/{kind.lower()};base64,{text(file)}"
    answers = [
        api.post("/predict", content=file, headers={"Content-Type": f"image/{kind.lower()}"}),
        api.post("/predict", content=file, headers={"Content-Type": "image/*"}),
        api.post("/predict", files={"file": ("picture", file)}),
        api.post("/predict", json={"image": url}),
        api.post("/predict", json={"image": text(file)}),
        api.post("/predict", json={"images": [text(file), url]}),
        api.post("/predict", json={"images_base64": text(file)}),
        api.post("/predict", json={"images_base64": url, "model": None}),
    ]
    assert {read(answer)[0] for answer in answers} == {wanted[0]}
    assert [read(answer)[1] for answer in answers] == pytest.approx([wanted[1]] * len(answers), abs=0.1)


def test_base64_of_other_alphabets_with_blanks_and_without_its_end_is_read(api: TestClient, model: str) -> None:
    file = saved(drawn())
    wanted = read(api.post("/predict", json={"image": text(file)}))
    urlsafe = base64.urlsafe_b64encode(file).decode().rstrip("=")
    folded = base64.encodebytes(file).decode()
    for sent in (urlsafe, folded, f"data:;base64,{folded}", f"data:image/png;charset=x;BASE64,{urlsafe}"):
        assert read(api.post("/predict", json={"image": sent})) == wanted


@pytest.mark.parametrize(
    ("sent", "pointer", "says"),
    [
        ({"image": "no base64!"}, "/image", "no picture in base64"),
        ({"image": ""}, "/image", "it is empty"),
        ({"image": "https://example.org/7.png"}, "/image", "nothing is fetched"),
        ({"image": text(b"%PDF-1.7")}, "/image", "it is a PDF document; draw its pages as PNG"),
        ({"image": text(b"<svg xmlns='x'/>")}, "/image", "it is an SVG drawing"),
        ({"image": text(b"\0\0\0\x18ftypheic" + bytes(20))}, "/image", "it is a HEIC picture; save it as JPEG or PNG"),
        ({"image": text(saved(drawn())[:-300])}, "/image", "cut short"),
        ({"image": text(saved(drawn(), "JPEG")[:-300])}, "/image", "cut short"),
        ({"images": [text(b"x"), [1]]}, "/images/1", "this is no text"),
        ({"images": ["!"]}, "/images/0", "no picture in base64"),
        ({"images": [text(b"x"), text(b"y")]}, "/images/1", "none of the 2 pictures"),
        ({"images_base64": text(saved(drawn())[:99])}, "/images_base64", "cut short"),
        ({"images_base64": "é"}, "/images_base64", "no base64"),
    ],
)
def test_what_is_no_picture_is_told_with_its_place_and_the_remedy(
    api: TestClient, model: str, sent: dict[str, Any], pointer: str, says: str
) -> None:
    answer = problem(api.post("/predict", json=sent), 422)
    assert says in answer["detail"]
    assert pointer in [fault["pointer"] for fault in answer["errors"]]


def test_one_of_several_that_cannot_be_read_is_told_in_its_place(api: TestClient, model: str) -> None:
    good, heic = text(saved(drawn())), text(b"\0\0\0\x18ftypheic" + bytes(20))
    found = api.post("/predict", json={"images": [good, heic, good]}).json()["predictions"]
    assert ["error" in one for one in found] == [False, True, False]
    assert "HEIC" in found[1]["error"]


def test_the_model_of_a_form_is_heeded(api: TestClient, model: str) -> None:
    file = {"file": ("7.png", to_png(seven()), "image/png")}
    assert "nope" in problem(api.post("/predict", files=file, data={"model": "nope"}), 404)["detail"]
    assert read(api.post("/predict", files=file, data={"model": model}))


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_turned_picture_is_set_upright(api: TestClient, model: str, turn: int) -> None:
    ways = [None, *(Image.Transpose(way) for way in (0, 3, 1, 5, 2, 6, 4))]
    lying = drawn() if (way := ways[turn - 1]) is None else drawn().transpose(way)
    exif = Image.Exif()
    exif[0x0112] = turn
    wanted = read(api.post("/predict", content=saved(drawn()), headers={"Content-Type": "image/png"}))
    found = api.post("/predict", content=saved(lying, exif=exif), headers={"Content-Type": "image/png"})
    assert read(found) == wanted


def test_a_photo_of_twelve_megapixels_is_read_and_one_that_takes_too_much_is_refused_with_the_limit(
    api: TestClient, model: str
) -> None:
    page = Image.new("RGB", (4032, 3024), (230, 228, 225))
    page.paste(drawn(60).convert("RGB"), (900, 700))
    assert read(api.post("/predict", content=saved(page, "JPEG"), headers={"Content-Type": "image/jpeg"}))
    large = saved(Image.new("1", (7000, 6000)), "TIFF", compression="group4")
    answer = problem(api.post("/predict", content=large, headers={"Content-Type": "image/tiff"}), 422)
    assert "7,000 x 6,000 pixels" in answer["detail"]
    assert "million pixels, or a JPEG" in answer["detail"]
    vast = saved(Image.new("1", (8000, 7000)), "TIFF", compression="group4")
    answer = problem(api.post("/predict", content=vast, headers={"Content-Type": "image/tiff"}), 422)
    assert "50 million pixels" in answer["detail"]
