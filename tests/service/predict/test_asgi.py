"""POST /predict: what may be sent, and what comes back; how it is refused is in test_requests.py."""

import asyncio
import base64
import io
import json
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from models import inference
from models.data.schema import USUAL
from service.artifacts import Artifacts
from service.errors import Invalid
from service.predict.asgi import Predict
from service.predict.batcher import LARGEST, Batcher, Pace
from service.predict.inputs.arrays import Arrays
from service.predict.pictures import Pictures
from service.predict.predictor import Predictor
from service.predict.receive import Bodies
from service.predict.requests import MAX_SCHEMA_BYTES, Asked, _thoroughly, reader
from service.predict.schemas import MAX_IMAGES
from service.predict.served import Served
from service.store.store import Store
from tests.answers import pointers, problem
from tests.pixels import JSON, RAW, images
from tests.records import succeeded, weights
from tests.service.conftest import MadeOnce

NETWORK = inference.read(weights(seed=0))


@pytest.fixture
def database_url(url_of_model: str) -> str:
    return url_of_model


@pytest.fixture
def model(made_once: MadeOnce) -> str:
    """A job that has succeeded, with the weights of NETWORK."""
    return made_once("mnist", succeeded)


def png(pixels: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def assert_are_those_of(network: inference.Network, pixels: NDArray[Any], predictions: list[dict[str, Any]]) -> None:
    expected = network.probabilities(pixels)
    np.testing.assert_allclose([found["probabilities"] for found in predictions], expected, rtol=0, atol=1e-6)
    assert [found["digit"] for found in predictions] == expected.argmax(axis=1).tolist()


def test_several_images_may_be_sent_in_every_way(api: TestClient, model: str) -> None:
    pixels = images(5)
    answers = [
        api.post("/predict", json={"images": pixels.tolist()}),
        api.post("/predict", json={"images": pixels.astype(float).tolist(), "model": model}),
        api.post("/predict", json={"images_base64": base64.b64encode(pixels.tobytes()).decode()}),
        api.post("/predict", content=pixels.tobytes(), headers=RAW),
        api.post("/predict", files=[("files", (f"{number}.png", png(image))) for number, image in enumerate(pixels)]),
    ]
    for answer in answers:
        assert answer.status_code == 200, answer.text
        assert answer.json()["model"]["job_id"] == model
        assert_are_those_of(NETWORK, pixels, answer.json()["predictions"])


def test_pixels_may_be_fractions(api: TestClient, model: str) -> None:
    pixels = images(1) / np.float32(1.7)
    answer = api.post("/predict", json={"image": pixels[0].astype(float).tolist()})
    assert_are_those_of(NETWORK, pixels, [answer.json()])


@pytest.mark.parametrize(
    "send",
    [
        lambda pixels: {"content": pixels.tobytes(), "headers": RAW},
        lambda pixels: {"content": json.dumps({"model": None, "images": pixels.tolist()}), "headers": JSON},
        lambda pixels: {"json": {"images_base64": base64.b64encode(pixels.tobytes()).decode()}},
    ],
    ids=["raw", "json", "base64"],
)
def test_many_images_are_computed_in_several_batches(
    api: TestClient, model: str, send: Callable[[NDArray[np.uint8]], dict[str, Any]]
) -> None:
    pixels = images(2 * LARGEST + 1)
    answer = api.post("/predict", **send(pixels))
    assert answer.status_code == 200, answer.text
    assert_are_those_of(NETWORK, pixels, answer.json()["predictions"])


def test_ten_thousand_images_may_be_sent_and_no_more(api: TestClient, model: str) -> None:
    most = api.post("/predict", content=b"\0\xff" * (392 * MAX_IMAGES), headers=RAW)
    assert len(most.json()["predictions"]) == MAX_IMAGES
    problem(api.post("/predict", content=b"\0\xff" * (392 * (MAX_IMAGES + 1)), headers=RAW), 422)
    blank = json.dumps([[0, 255] * 14] * 28, separators=(",", ":"))
    body = f'{{"images":[{",".join([blank] * (MAX_IMAGES + 1))}]}}'
    assert len(body) > MAX_SCHEMA_BYTES
    assert pointers(api.post("/predict", content=body, headers=JSON)) == {"/images"}


def test_a_file_that_is_no_picture_has_an_error_in_its_place_and_the_others_are_answered(
    api: TestClient, model: str
) -> None:
    pixels = images(3)
    good = [("files", ("good.png", png(image))) for image in pixels]
    bad = ("files", ("bad.png", b"no picture"))
    answer = api.post("/predict", files=[bad, good[0], bad, bad, good[1], good[2], bad])
    assert answer.status_code == 200
    found = answer.json()["predictions"]
    assert ["error" in entry for entry in found] == [True, False, True, True, False, False, True]
    assert "none of PNG, JPEG" in found[0]["error"]
    assert_are_those_of(NETWORK, pixels, [entry for entry in found if "error" not in entry])
    answers = [problem(api.post("/predict", files=[bad] * count), 422) for count in (1, 2)]
    assert [[fault["pointer"] for fault in answer["errors"]] for answer in answers] == [
        ["/files/0"], ["/files/0", "/files/1"],
    ]  # fmt: skip


def test_forms_that_cannot_be_taken_apart_are_refused(api: TestClient) -> None:
    def send(body: bytes, kind: str = "multipart/form-data; boundary=b") -> Any:
        return api.post("/predict", content=body, headers={"Content-Type": kind})

    part = b"--b\r\nContent-Disposition: form-data; name=x; filename=y\r\n\r\nno picture\r\n"
    problem(send(part + b"--b--\r\n"), 404)  # it is sound, but there is no model
    problem(send(part + b"--b--\r\n", "multipart/form-data"), 400)
    problem(send(part), 400)
    problem(send(part + part), 400)
    problem(send(b""), 400)
    problem(send(b"--b\r\nno empty line\r\n--b--\r\n"), 400)
    problem(send(b"--b--\r\n"), 422)
    problem(send(part * (MAX_IMAGES + 1) + b"--b--\r\n"), 422)


def test_the_surest_digits_are_listed_in_order(api: TestClient, model: str) -> None:
    pixels = images(3)
    single = api.post("/predict?top_k=10", content=pixels[0].tobytes(), headers=RAW).json()
    assert [entry["probability"] for entry in single["top"]] == sorted(single["probabilities"], reverse=True)
    assert sorted(entry["digit"] for entry in single["top"]) == list(range(10))
    for found in api.post("/predict?top_k=3", content=pixels.tobytes(), headers=RAW).json()["predictions"]:
        assert [found["probabilities"][entry["digit"]] for entry in found["top"]] == sorted(
            found["probabilities"], reverse=True
        )[:3]
        assert found["top"][0]["digit"] == found["digit"]


def test_lines_are_what_each_image_would_get_alone(api: TestClient, model: str) -> None:
    pixels = images(LARGEST + 3)
    answer = api.post("/predict", content=pixels.tobytes(), headers={**RAW, "Accept": "application/x-ndjson"})
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["x-content-type-options"] == "nosniff"
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert_are_those_of(NETWORK, pixels, lines)
    assert {line["model"]["job_id"] for line in lines} == {model}
    one = api.post("/predict", content=pixels[0].tobytes(), headers={**RAW, "Accept": "application/x-ndjson"})
    assert set(json.loads(one.text)) == {"digit", "label", "probabilities", "model"}


def test_a_model_that_is_said_twice_is_one(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    succeeded(store, artifacts, model="mine")
    body = {"image": images(1)[0].tolist(), "model": "mine"}
    assert api.post("/predict?model=mine", json=body).json()["model"]["name"] == "mine"
    assert pointers(api.post("/predict?model=nope", json=body)) == {"/model"}
    assert pointers(api.post("/predict?model=mine/1", json=body)) == {"/model"}


@pytest.mark.parametrize(
    "query", ["top_k=0", "top_k=11", "top_k=x", "timeout=0", "timeout=-1", "timeout=nan", "model="]
)
def test_a_question_that_cannot_be_is_refused(api: TestClient, model: str, query: str) -> None:
    answer = api.post(f"/predict?{query}", content=b"\0\xff" * 392, headers=RAW)
    assert pointers(answer) == {f"#query/{query.partition('=')[0]}"}


@pytest.mark.parametrize("text", ["?", "AAAA", base64.b64encode(bytes(785)).decode(), ""])
def test_base64_that_is_no_image_is_refused(api: TestClient, model: str, text: str) -> None:
    assert pointers(api.post("/predict", json={"images_base64": text})) == {"/images_base64"}


@pytest.mark.parametrize("wrong", [256, -1, None, "1", True, 1e300, 255.0000001])
def test_a_wrong_pixel_among_many_images_is_pointed_to(api: TestClient, model: str, wrong: Any) -> None:
    pixels = images(300).tolist()
    pixels[211][12][5] = wrong
    assert pointers(api.post("/predict", json={"images": pixels})) == {"/images/211/12/5"}


NAMES: list[tuple[dict[str, str], int]] = [
    ({"Host": "evil.example"}, 400),
    ({"Host": ""}, 400),
    ({"Host": "localhost.evil.example"}, 400),
    ({"Origin": "http://evil.example"}, 403),
    ({"Sec-Fetch-Site": "cross-site"}, 403),
    ({"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}, 200),
    ({"Host": "LOCALHOST:80"}, 200),
    ({"Host": "[::1]:8000"}, 200),
]


@pytest.mark.parametrize(("headers", "status"), NAMES)
def test_hosts_and_origins_are_looked_at_as_everywhere_else(
    api: TestClient, model: str, headers: dict[str, str], status: int
) -> None:
    answer = api.post("/predict", content=b"\0\xff" * 392, headers={**RAW, **headers})
    assert answer.status_code == status, answer.text
    assert status == 200 or problem(answer, status)


@pytest.mark.parametrize("headers", [{}, {"Sec-Fetch-Site": "same-origin"}], ids=["bypass", "middlewares"])
def test_answers_are_the_same_on_both_ways(api: TestClient, model: str, headers: dict[str, str]) -> None:
    good = api.post("/predict", content=b"\0\xff" * 392, headers={**RAW, **headers})
    bad = api.post("/predict", content=b"", headers={**RAW, **headers})
    assert good.json()["model"]["job_id"] == model
    assert problem(bad, 422)["instance"] == "/predict"
    for answer in (good, bad):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
    assert int(good.headers["content-length"]) == len(good.content)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_only_post_predicts(api: TestClient, method: str) -> None:
    answer = api.request(method, "/predict")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"
    assert method == "HEAD" or problem(answer, 405)


def test_a_network_that_too_many_wait_for_says_when_to_come_again(api: TestClient, model: str) -> None:
    assert api.portal is not None
    served: Served = api.portal.call(api.app.state.dependencies.predictor.find, None)  # type: ignore[attr-defined]
    served.batcher.most_waiting = 2
    assert api.post("/predict", content=b"\0\xff" * 784, headers=RAW).status_code == 200
    refused = api.post("/predict", content=b"\0\xff" * (392 * 3), headers=RAW)
    assert "waiting" in problem(refused, 429)["detail"]
    assert int(refused.headers["retry-after"]) > 0


def test_an_answer_that_cannot_be_ready_in_time_is_a_503(api: TestClient, model: str) -> None:
    assert api.post("/predict?timeout=60", content=b"\0\xff" * 392, headers=RAW).status_code == 200
    late = api.post("/predict?timeout=0.000000001", content=b"\0\xff" * 392, headers=RAW)
    assert "within" in problem(late, 503)["detail"]
    assert int(late.headers["retry-after"]) > 0


def test_a_body_that_is_longer_than_any_may_be_is_refused(api: TestClient) -> None:
    chunks = (b" " * 2**20 for _ in range(65))
    problem(api.post("/predict", content=chunks, headers=JSON), 413)


def test_who_leaves_while_the_body_is_read_or_the_network_is_busy_gets_and_costs_nothing(
    store: Store, artifacts: Artifacts
) -> None:
    succeeded(store, artifacts)
    computed: list[int] = []
    entered, opened = threading.Event(), threading.Event()

    async def test() -> None:
        predictor = Predictor(store, artifacts)
        served = await predictor.find(None)

        def compute(rows: NDArray[Any]) -> NDArray[Any]:
            entered.set()
            assert opened.wait(30)
            computed.append(len(rows))
            return NETWORK.probabilities(rows)

        # The same network, at a pace at which its batches go to a thread, and with a witness.
        object.__setattr__(served, "batcher", Batcher(compute, Pace(1.0, 0.0)))
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        def receiving(*messages: dict[str, Any]) -> Callable[[], Any]:
            left = [*messages, {"type": "http.disconnect"}]

            async def receive() -> Any:
                return left.pop(0) if len(left) > 1 else left[0]

            return receive

        scope = {"headers": [(b"content-type", b"application/octet-stream")], "query_string": b"", "path": "/predict"}
        predict = Predict(predictor, Bodies(), Pictures())
        await predict(scope, receiving({"type": "http.request", "body": b"\0\xff" * 392, "more_body": True}), send)
        await predict(scope, receiving(), send)
        assert computed == []
        running = served.batcher.put(np.zeros((1, 784), np.uint8))
        assert await asyncio.to_thread(entered.wait, 30)
        await predict(scope, receiving({"type": "http.request", "body": b"\0\xff" * (392 * 7)}), send)
        opened.set()
        await running
        assert sent == []
        assert computed == [1]

    asyncio.run(asyncio.wait_for(test(), timeout=30))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 300) | st.floats(-5, 300) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@example(value="\0", place="pixel")
@example(value={"": ""}, place="body")
@given(value=json_values, place=st.sampled_from(["pixel", "line", "image", "images", "body", "model", "extra"]))
def test_what_the_quick_reader_takes_is_what_the_schema_allows(value: Any, place: str) -> None:
    """A document that is right but for one value: read in full as if looked at thoroughly, or refused."""
    image: Any = images(1)[0].tolist()
    document: Any = {"images": [image, images(1)[0].tolist()]}
    if place == "pixel":
        image[3][4] = value
    elif place == "line":
        image[3] = value
    elif place == "image":
        document["images"][0] = value
    elif place == "body":
        document = value
    else:
        document[place] = value
    body = json.dumps(document).encode()
    assert outcome(reader("application/json"), body) == outcome(_thoroughly, body)


TAKES = Arrays(USUAL, "it")


def outcome(read: Callable[[bytes], Asked], body: bytes) -> Any:
    try:
        asked = read(body)
        taken = TAKES.take(asked)
    except Invalid as refusal:
        return list(refusal.faults)
    return taken.several, asked.model, taken.rows.astype(np.float32).tolist()
