"""Bodies of POST /predict that are no images."""

import io
import json
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from service.artifacts import Artifacts
from service.store.store import Store
from tests.answers import pointers, problem
from tests.records import succeeded
from tests.service.conftest import MadeOnce

BLANK = [[0, 255] * 14] * 28


@pytest.fixture
def database_url(url_of_model: str) -> str:
    return url_of_model


@pytest.fixture
def model(made_once: MadeOnce) -> str:
    """A job that has succeeded: what a body is to hold depends on whom it asks."""
    return made_once("mnist", succeeded)


def test_prediction_without_any_network_says_what_to_do(api: TestClient) -> None:
    assert "POST /jobs" in problem(api.post("/predict", json={"image": BLANK}), 404)["detail"]
    problem(api.post("/predict", json={"image": BLANK, "model": "nobody"}), 404)


IMAGES: list[tuple[Any, str]] = [
    ({}, "/image"),
    ({"image": BLANK, "images": [BLANK]}, "/image"),
    ({"image": BLANK[:27]}, "/image"),
    ({"image": [*BLANK[:27], [0] * 27]}, "/image/27"),
    ({"image": [*BLANK[:27], [0] * 27 + [256]]}, "/image/27/27"),
    ({"image": [*BLANK[:27], [0] * 27 + [-1]]}, "/image/27/27"),
    ({"image": [*BLANK[:27], [0] * 27 + [None]]}, "/image/27/27"),
    ({"image": [*BLANK[:27], [0] * 27 + ["1"]]}, "/image/27/27"),
    ({"image": [*BLANK[:27], [0] * 27 + [True]]}, "/image/27/27"),
    ({"image": "seven"}, "/image"),
    ({"images": []}, "/images"),
    ({"image": BLANK, "modell": "x"}, "/modell"),
    ({"image": BLANK, "model": "x" * 257}, "/model"),
    ([], ""),
]


@pytest.mark.parametrize(("body", "pointer"), IMAGES)
@pytest.mark.usefixtures("model")
def test_an_image_that_is_none_is_refused_with_a_pointer_to_the_pixel(api: TestClient, body: Any, pointer: str) -> None:
    assert pointers(api.post("/predict", json=body)) == {pointer}


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
@pytest.mark.usefixtures("model")
def test_a_pixel_that_is_no_number_is_refused(api: TestClient, number: str) -> None:
    body = json.dumps({"image": BLANK}).replace("0", number, 1)
    answer = api.post("/predict", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 422}
    problem(answer, answer.status_code)


@pytest.mark.parametrize("kind", ["", "text/plain", "video/mp4", "application/x-www-form-urlencoded"])
def test_a_body_of_an_unknown_kind_is_a_415(api: TestClient, kind: str) -> None:
    assert "image/png" in problem(api.post("/predict", content=b"x", headers={"Content-Type": kind}), 415)["detail"]


@pytest.mark.parametrize("size", [0, 783, 785, 784 * 10_001])
@pytest.mark.usefixtures("model")
def test_raw_bytes_that_make_no_images_are_refused(api: TestClient, size: int) -> None:
    problem(api.post("/predict", content=bytes(size), headers={"Content-Type": "application/octet-stream"}), 422)


def png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no image",
        png(Image.new("L", (1025, 8))),
        png(Image.new("L", (50, 50), 255)),
        png(Image.new("L", (9, 9)))[:-20],
    ],
)
@pytest.mark.usefixtures("model")
def test_a_png_that_shows_nothing_readable_is_refused(api: TestClient, body: bytes) -> None:
    problem(api.post("/predict", content=body, headers={"Content-Type": "image/png"}), 422)


@pytest.mark.usefixtures("model")
def test_what_is_no_base64_is_refused_whatever_letters_it_has(api: TestClient) -> None:
    for text in ("é", "ab*d", "abc", "\u0000", "=" * 8):
        assert pointers(api.post("/predict", json={"images_base64": text})) == {"/images_base64"}


BOM = b"\xef\xbb\xbf"


@pytest.mark.parametrize("path", ["/predict", "/invocations", "/v1/models/default:predict"])
def test_a_byte_order_mark_before_json_is_passed_over_everywhere(
    api: TestClient, store: Store, artifacts: Artifacts, path: str
) -> None:
    succeeded(store, artifacts)
    document = {"image": BLANK} if path == "/predict" else {"instances": [BLANK]}
    answer = api.post(path, content=BOM + json.dumps(document).encode(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 200, answer.text
    many = {"images": [BLANK] * 50} if path == "/predict" else {"instances": [BLANK] * 50}
    answer = api.post(path, content=BOM + json.dumps(many).encode(), headers={"Content-Type": "application/json"})
    assert len(answer.json()["predictions"]) == 50
    submitted = api.post("/jobs", content=BOM + b"{}", headers={"Content-Type": "application/json"})
    assert submitted.status_code in {202, 422}
