"""Predicting: a trained network reads images, and tells how far it can be believed.

The third page. `trained` is a network, `versions` are three that differ by their seed alone; see conftest.py.
"""

import io
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.walkthrough.steps import STRIPES, train


def test_the_network_reads_images_that_it_never_saw(tenfold: httpx.Client, trained: dict[str, Any]) -> None:
    examples = tenfold.get(trained["links"]["examples"], params={"limit": 100}).json()
    answer = tenfold.post("/predict", json={"images": examples["images"], "model": trained["id"]}).json()
    read = [prediction["digit"] for prediction in answer["predictions"]]
    assert np.mean(np.array(read) == examples["labels"]) > 0.9
    assert answer["model"]["job_id"] == trained["id"]
    assert answer["model"]["weights_sha256"] == trained["result"]["best_weights_sha256"]


def test_one_image_is_one_answer_however_it_is_sent(tenfold: httpx.Client, trained: dict[str, Any]) -> None:
    image = tenfold.get(trained["links"]["examples"], params={"limit": 1}).json()["images"][0]
    pixels = np.array(image, dtype=np.uint8)
    png = io.BytesIO()
    Image.fromarray(pixels).save(png, "PNG")
    model = {"model": trained["id"]}
    answers = [
        tenfold.post("/predict", json={"image": image, **model}).json(),
        tenfold.post("/predict", params=model, content=png.getvalue(), headers={"Content-Type": "image/png"}).json(),
        tenfold.post(
            "/predict", params=model, content=pixels.tobytes(), headers={"Content-Type": "application/octet-stream"}
        ).json(),
    ]
    assert answers[0] == answers[1] == answers[2]
    assert set(answers[0]) == {"label", "digit", "probabilities", "model"}
    assert sum(answers[0]["probabilities"]) == pytest.approx(1.0, abs=1e-5)


def test_a_drawing_of_any_size_is_read(tenfold: httpx.Client, trained: dict[str, Any]) -> None:
    paper = Image.new("L", (300, 200), 255)
    ImageDraw.Draw(paper).line([(150, 30), (150, 170)], fill=0, width=18)
    png = io.BytesIO()
    paper.save(png, "PNG")
    answer = tenfold.post(
        "/predict",
        params={"model": trained["id"]},
        content=png.getvalue(),
        headers={"Content-Type": "image/png"},
    )
    assert answer.json()["digit"] == 1


def test_a_network_is_asked_by_the_name_of_its_data_where_its_model_was_given_no_other(
    tenfold: httpx.Client, trained: dict[str, Any]
) -> None:
    assert trained["spec"]["model"] == trained["spec"]["dataset"] == "digits"
    form = {"Content-Type": "application/octet-stream"}
    answer = tenfold.post("/predict", params={"model": "digits"}, content=STRIPES, headers=form)
    assert answer.json()["model"]["name"] == "digits"


def test_who_names_no_network_asks_the_model_called_default(tenfold: httpx.Client) -> None:
    usual = train(tenfold, model="default", epochs=1)
    answer = tenfold.post("/predict", content=STRIPES, headers={"Content-Type": "application/octet-stream"})
    assert answer.json()["model"]["job_id"] == usual["id"]


def test_an_answer_tells_how_far_it_can_be_believed(tenfold: httpx.Client, versions: list[dict[str, Any]]) -> None:
    examples = tenfold.get(f"/jobs/{versions[0]['job_id']}/examples", params={"limit": 50}).json()
    noise = [[(37 * row + 91 * column) % 256 for column in range(28)] for row in range(28)]
    asked: dict[str, Any] = {"model": "reader", "details": True, "reject_below": 0.6, "explain": "gradient"}
    images = [*examples["images"], noise]
    *digits, strange = tenfold.post("/predict", params=asked, json={"images": images}).json()["predictions"]
    assert strange["novelty"] < 0.01, "no image of the data set looks like this"
    assert sum(digit["novelty"] > 0.05 for digit in digits) > 40
    assert all(digit["rejected"] == (max(digit["probabilities"]) < 0.6) for digit in digits)
    assert len(strange["gradient"]) == 28
