"""/v2, /v1 and /invocations: what clients of other model servers send, and how it is refused."""

import asyncio
import gzip
import json
import zlib
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from models import inference
from service.predict.batcher import LARGEST
from service.predict.requests import MAX_SCHEMA_BYTES
from service.protocols import responses
from service.store.store import Store
from tests.pixels import images
from tests.records import submit, succeeded, weights
from tests.service.conftest import MadeOnce

NETWORK = inference.read(weights(seed=0))
INFER = "/v2/models/default/infer"


@pytest.fixture
def database_url(url_of_model: str) -> str:
    return url_of_model


@pytest.fixture
def model(made_once: MadeOnce) -> str:
    """A job that has succeeded, with the weights of NETWORK."""
    return made_once("mnist", succeeded)


def tensor(pixels: Any, **more: Any) -> dict[str, Any]:
    about = {"name": "pixels", "shape": list(pixels.shape), "datatype": "UINT8", "data": pixels.tolist()}
    return {name: value for name, value in {**about, **more}.items() if value is not ...}


def binary(api: TestClient, document: dict[str, Any] | bytes, tail: bytes, **headers: str) -> Any:
    head = document if isinstance(document, bytes) else json.dumps(document).encode()
    length = {"Inference-Header-Content-Length": str(len(head))}
    return api.post(INFER, content=head + tail, headers={**length, **headers})


def error(answer: Any, status: int, words: str = "") -> None:
    """Check that this is an error as those clients understand it, and a problem document beside."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    document = answer.json()
    assert document["error"] == document["detail"]
    assert document["status"] == status
    assert words in document["error"]


def outputs(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return {output["name"]: np.array(output["data"]).reshape(output["shape"]) for output in answer.json()["outputs"]}


def test_all_protocols_give_the_logits_of_predict(api: TestClient, model: str) -> None:
    pixels = images(3)
    body = {"instances": pixels.tolist()}
    found = [
        outputs(api.post(INFER, json={"inputs": [tensor(pixels)]}))["logits"],
        outputs(api.post(f"/v2/models/{model}/infer", json={"inputs": [tensor(pixels)]}))["logits"],
        *(
            [prediction["logits"] for prediction in api.post(path, json=body).json()["predictions"]]
            for path in ("/invocations", "/v1/models/default:predict", f"/v1/models/{model}:predict")
        ),
    ]
    for logits in found:
        assert np.array_equal(np.float32(logits), np.float32(found[0]))
        np.testing.assert_allclose(logits, NETWORK.logits(pixels), rtol=0, atol=1e-4)
    predictions = api.post("/predict", json={"images": pixels.tolist()}).json()["predictions"]
    probabilities = np.array([one["probabilities"] for one in predictions], np.float32)
    assert np.array_equal(inference.softmax(np.array(found[0], np.float32)), probabilities)


@pytest.mark.parametrize("shape", [(3, 28, 28), (3, 784), (3, 1, 28, 28)])
@pytest.mark.parametrize("datatype", ["UINT8", "INT16", "UINT64", "FP32", "FP64"])
def test_pixels_come_in_every_shape_and_kind_as_json_and_as_bytes(
    api: TestClient, model: str, shape: tuple[int, ...], datatype: str
) -> None:
    kind = {"UINT8": "u1", "INT16": "<i2", "UINT64": "<u8", "FP32": "<f4", "FP64": "<f8"}[datatype]
    pixels = images(3).reshape(shape).astype(kind)
    size = {"binary_data_size": pixels.nbytes}
    answers = [
        api.post(INFER, json={"inputs": [tensor(pixels, datatype=datatype, name="input-0")]}),
        api.post(INFER, json={"inputs": [tensor(pixels, datatype=datatype, data=pixels.ravel().tolist())]}),
        binary(api, {"inputs": [tensor(pixels, datatype=datatype, data=..., parameters=size)]}, pixels.tobytes()),
    ]
    for answer in answers:
        found = outputs(answer)
        assert list(found) == ["logits", "probabilities", "digit"]
        np.testing.assert_allclose(found["logits"], NETWORK.logits(images(3)), rtol=0, atol=1e-4)
        assert found["digit"].tolist() == NETWORK.logits(images(3)).argmax(axis=1).tolist()


def test_outputs_come_as_they_were_asked_for(api: TestClient, model: str) -> None:
    asked = [{"name": "digit", "parameters": {"binary_data": False}}, {"name": "logits"}]
    document = {
        "id": "7",
        "model_name": "ignored",
        "inputs": [tensor(images(2))],
        "outputs": asked,
        "parameters": {"binary_data_output": True},
    }
    answer = api.post(INFER, json=document)
    length = int(answer.headers["inference-header-content-length"])
    head, tail = json.loads(answer.content[:length]), answer.content[length:]
    assert (head["id"], head["model_name"]) == ("7", "default")
    assert [output["name"] for output in head["outputs"]] == ["digit", "logits"]
    assert "data" in head["outputs"][0]
    assert head["outputs"][1]["parameters"] == {"binary_data_size": 80} == {"binary_data_size": len(tail)}
    np.testing.assert_allclose(np.frombuffer(tail, "<f4").reshape(2, 10), NETWORK.logits(images(2)), rtol=0, atol=1e-4)


def test_classes_are_named_from_the_surest_on(api: TestClient, model: str) -> None:
    asked = [{"name": "probabilities", "parameters": {"classification": 3}}]
    (output,) = api.post(INFER, json={"inputs": [tensor(images(1))], "outputs": asked}).json()["outputs"]
    assert (output["datatype"], output["shape"]) == ("BYTES", [1, 3])
    (expected,) = NETWORK.probabilities(images(1))
    best = np.argsort(-expected)[:3].tolist()
    assert [text.split(":")[1:] for text in output["data"]] == [[str(digit)] * 2 for digit in best]
    assert float(output["data"][0].split(":")[0]) == pytest.approx(expected.max(), abs=1e-5)


def test_a_raw_request_is_pixels_alone(api: TestClient, model: str) -> None:
    answer = binary(api, b"", images(1).tobytes())
    head = json.loads(answer.content[: int(answer.headers["inference-header-content-length"])])
    assert all("binary_data_size" in output["parameters"] for output in head["outputs"])
    error(binary(api, b"", bytes(783)), 400, "784 bytes")
    error(binary(api, b"", b""), 400, "1 to")


def test_bodies_may_be_compressed_but_not_without_bound(api: TestClient, model: str) -> None:
    body = json.dumps({"inputs": [tensor(images(1))]}).encode()
    for encoding, packed in {"gzip": gzip.compress(body), "deflate": zlib.compress(body)}.items():
        outputs(api.post(INFER, content=packed, headers={"Content-Encoding": encoding}))
        error(api.post(INFER, content=packed[:-9], headers={"Content-Encoding": encoding}), 400, "cut short")
        error(api.post(INFER, content=body, headers={"Content-Encoding": encoding}), 400, "inflated")
    lines = [("Content-Encoding", coding) for coding in ("identity", "GZIP", "identity")]
    outputs(api.post(INFER, content=gzip.compress(body), headers=lines))
    error(api.post(INFER, content=gzip.compress(zlib.compress(body)), headers=[*lines, lines[1]]), 415)
    bomb = gzip.compress(bytes(65 * 2**20))
    error(api.post(INFER, content=bomb, headers={"Content-Encoding": "gzip"}), 413)
    error(api.post(INFER, content=body, headers={"Content-Encoding": "br"}), 415)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"shape": [1, -28, -28]}, "negative"),
        ({"shape": [2**62, 28, 28]}, "1 to"),
        ({"shape": [0, 28, 28]}, "1 to"),
        ({"shape": [28, 28]}, "send [n,28,28]"),
        ({"shape": "x"}, "whole numbers"),
        ({"datatype": "BYTES"}, "shape"),
        ({"datatype": "BOOL"}, "datatype"),
        ({"datatype": ["FP32"]}, "datatype"),
        ({"datatype": "FP16"}, "FP16"),
        ({"name": 1}, "name"),
        ({"data": [1, 2]}, "784"),
        ({"data": ...}, "data"),
        ({"data": [[1], 2]}, "unevenly"),
        ({"data": [256] * 784}, "numbers from 0 to 255"),
        ({"data": [True] * 784}, "no number"),
        ({"data": ["1"] * 784}, "no number"),
        ({"data": [None] * 784}, "no number"),
        ({"data": [0.5] * 784}, "fractions"),
        ({"parameters": {"shared_memory_region": "x"}}, "shared memory"),
        ({"parameters": {"binary_data_size": 784}}, "both"),
        ({"parameters": {"binary_data_size": 784}, "data": ...}, "cut short"),
        ({"parameters": {"binary_data_size": -1}, "data": ...}, "binary_data_size"),
        ({"parameters": 1}, "object"),
    ],
)
def test_a_wrong_input_is_refused_with_its_reason(
    api: TestClient, model: str, change: dict[str, Any], words: str
) -> None:
    error(api.post(INFER, json={"inputs": [tensor(images(1), **change)]}), 400, words)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"inputs": []}, "there is 0"),
        ({"inputs": [tensor(images(1))] * 2}, "there are 2"),
        ({"inputs": None}, "no list"),
        ({"inputs": [1]}, "inputs[0]"),
        ({"id": 7}, "id"),
        ({"outputs": [{"name": "none"}]}, "outputs asks"),
        ({"outputs": [{"name": ["digit"]}]}, "outputs asks"),
        ({"outputs": [{"name": "digit"}] * 2}, "at most once"),
        ({"outputs": 1}, "outputs"),
        ({"outputs": [{"name": "digit", "parameters": {"classification": 1}}]}, "digit"),
        ({"outputs": [{"name": "logits", "parameters": {"classification": 0}}]}, "from 1"),
        ({"outputs": [{"name": "logits", "parameters": {"binary_data": 1}}]}, "true or false"),
        ({"parameters": {"timeout": -1}}, "microseconds"),
    ],
)
def test_a_wrong_request_is_refused_with_its_reason(
    api: TestClient, model: str, change: dict[str, Any], words: str
) -> None:
    error(api.post(INFER, json={"inputs": [tensor(images(1))], **change}), 400, words)


def test_bytes_that_do_not_fit_what_is_said_of_them_are_refused(api: TestClient, model: str) -> None:
    raw = images(1).tobytes()
    document = {"inputs": [tensor(images(1), data=..., parameters={"binary_data_size": 784})]}
    error(binary(api, document, raw + b"x"), 400, "unexpected additional input data")
    error(binary(api, document, raw[:-1]), 400, "cut short")
    error(binary(api, {"inputs": [tensor(images(1))]}, raw), 400, "unexpected additional input data")
    wrong = {"inputs": [tensor(images(2), data=..., parameters={"binary_data_size": 784})]}
    error(binary(api, wrong, raw), 400, "1,568")
    for length in ("-1", "x", "99999", "9" * 5000):
        error(api.post(INFER, content=raw, headers={"Inference-Header-Content-Length": length}), 400, "length")
    error(binary(api, b"[]", raw), 400, "object")
    error(api.post(INFER, content=raw), 400, "JSON")
    nan = np.full((1, 784), np.nan, "<f4")
    document = {"inputs": [tensor(nan, datatype="FP32", data=..., parameters={"binary_data_size": nan.nbytes})]}
    error(binary(api, document, nan.tobytes()), 400, "numbers from 0 to 255")
    error(api.post(INFER, content=b" " * (MAX_SCHEMA_BYTES + 1)), 413, "bytes")


def test_every_error_below_v2_is_one_that_its_clients_understand(api: TestClient, store: Store) -> None:
    error(api.post(INFER, json={}), 404, "no model yet")
    error(api.get("/v2/nowhere"), 404)
    error(api.get("/v2/models/none"), 404)
    error(api.get("/v2/models/none/versions/3"), 404)
    error(api.get(INFER), 405)
    error(api.post(f"/v2/models/{submit(store)}/infer", json={}), 503, "epoch")
    error(api.post(INFER, json={}, headers={"Origin": "http://elsewhere"}), 403)
    error(api.get("/v2", headers={"Host": "elsewhere"}), 400)
    error(api.post("/v2/repository/models/none/load"), 404)
    error(api.post("/v2/repository/index", content=bytes(2**20 + 1)), 413)
    assert api.get("/v2x").headers["content-type"] == "application/problem+json"


def test_a_full_queue_is_told_as_such(api: TestClient, model: str) -> None:
    served = api.portal.call(api.app.state.dependencies.predictor.find, None)  # type: ignore[union-attr, attr-defined]
    served.batcher.most_waiting = 0
    answer = api.post(INFER, json={"inputs": [tensor(images(1))]})
    error(answer, 429)
    assert int(answer.headers["retry-after"]) > 0
    error(api.post("/invocations", json={"inputs": images(1).tolist()}), 429)


def test_models_are_described_listed_loaded_and_forgotten(api: TestClient, model: str) -> None:
    assert api.get("/v2").json() == api.get("/v2/").json()
    assert "binary_tensor_data" in api.get("/v2").json()["extensions"]
    assert api.get("/v2/health/live").json()["live"]
    assert api.get("/v2/health/ready").json()["ready"]
    assert api.get("/v2/models").json() == {"models": ["mnist"]}
    assert [entry["name"] for entry in api.post("/v2/repository/index").json()] == ["mnist"]
    about = api.get("/v2/models/default").json()
    configured = api.get("/v2/models/default/config").json()
    for one, other in (("inputs", "input"), ("outputs", "output")):
        assert [entry["name"] for entry in about[one]] == [entry["name"] for entry in configured[other]]
    assert api.get(f"/v2/models/{model}/ready").json() == {"name": model, "ready": True}
    served = api.portal.call(api.app.state.dependencies.predictor.find, None)  # type: ignore[union-attr, attr-defined]
    for action in ("unload", "load"):
        assert api.post(f"/v2/repository/models/default/{action}").status_code == 200
    again = api.portal.call(api.app.state.dependencies.predictor.find, None)  # type: ignore[union-attr, attr-defined]
    assert served is not again
    error(api.post("/v2/repository/models/default/load", json={"parameters": {"config": "{}"}}), 400, "config")
    error(api.post("/v2/repository/models/default/load", content=b"["), 400, "JSON")


def test_what_was_answered_is_counted(api: TestClient, model: str) -> None:
    api.post(INFER, json={"inputs": [tensor(images(3))]})
    api.post(INFER, json={"inputs": []})
    (stats,) = api.get("/v2/models/default/stats").json()["model_stats"]
    assert (stats["inference_count"], stats["execution_count"]) == (3, 1)
    counts = {name: times["count"] for name, times in stats["inference_stats"].items()}
    assert (counts["success"], counts["fail"], counts["compute_infer"]) == (1, 1, 1)
    assert (counts["queue"], stats["version"]) == (1, "1"), "perf_analyzer looks for a version whose queue was used"
    assert {"compute_input", "compute_output", "cache_hit", "cache_miss"} <= set(counts)
    assert api.get("/v2/models/stats").json()["model_stats"] == [stats]


def test_more_than_a_batch_is_answered_in_order(api: TestClient, model: str) -> None:
    pixels = images(2 * LARGEST + 1)
    document = {"inputs": [tensor(pixels, data=..., parameters={"binary_data_size": pixels.nbytes})]}
    found = outputs(binary(api, document, pixels.tobytes()))["logits"]
    np.testing.assert_allclose(found, NETWORK.logits(pixels), rtol=0, atol=1e-4)


def test_a_long_answer_is_not_encoded_in_the_loop(api: TestClient, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    in_loop: list[bool] = []
    encode = responses.encode

    def noting(*arguments: Any) -> Any:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            in_loop.append(False)
        else:
            in_loop.append(True)
        return encode(*arguments)

    monkeypatch.setattr(responses, "encode", noting)
    for count in (1, LARGEST + 1):
        assert binary(api, b"", bytes(count * 784)).status_code == 200
    assert in_loop == [True, False]
    assert model


def test_no_line_of_a_csv_is_passed_over_but_names(api: TestClient, model: str) -> None:
    flat = images(3).reshape(3, 784).astype(str).tolist()
    names = [f"p{number}" for number in range(784)]

    def post(*rows: list[str], before: str = "") -> Any:
        text = before + "\n".join(",".join(row) for row in rows)
        return api.post("/invocations", content=text.encode(), headers={"Content-Type": "text/csv"})

    expected = NETWORK.logits(images(3)).argmax(axis=1).tolist()
    for rows, before in ((flat, ""), (flat, "\ufeff"), ([names, *flat], "\ufeff"), ([names, *flat], "")):
        predictions = post(*rows, before=before).json()["predictions"]
        assert [prediction["digit"] for prediction in predictions] == expected
    first = flat[0]
    for row in ([f'"{cell}"' for cell in first], [f'"{first[0]}"', *first[1:]], [";".join(first)]):
        rows = [row, *([";".join(its)] if len(row) == 1 else its for its in flat[1:])]
        for before in ("", "\ufeff"):
            predictions = post(*rows, before=before).json()["predictions"]
            assert [prediction["digit"] for prediction in predictions] == expected
    wrong = [
        [f' "{cell}"' for cell in first],
        ["x", *first[1:]],
        [*names[:-1], "7"],
        [""] * 784,
        ["NA"] * 784,
        names[:-1],
        [*names, "more"],
        [";".join(first)],
    ]
    for row in wrong:
        error(post(row, *flat[1:]), 400, "line ")
    error(post(*flat, before="\ufeff\ufeff"), 400, "line 1")


def test_a_version_has_one_name(api: TestClient, model: str) -> None:
    api.post("/v2/models/mnist/versions/1/infer", json={"inputs": [tensor(images(1))]})
    (stats,) = api.get("/v2/models/mnist/versions/1/stats").json()["model_stats"]
    assert stats["inference_count"] == 1
    for number in ("01", "001", "+1", "0", "1" * 5_000, "\u0661"):
        for path in ("", "/ready", "/config", "/stats"):
            error(api.get(f"/v2/models/mnist/versions/{number}{path}"), 404, "no version")
        for path in (f"/v2/models/mnist/versions/{number}/infer", f"/v1/models/mnist/versions/{number}:predict"):
            error(api.post(path, json={"inputs": [tensor(images(1))]}), 404, "no version")


def test_a_version_is_offered_where_it_is_heeded(api: TestClient) -> None:
    paths = api.get("/openapi.json").json()["paths"]
    posts = {path: route["post"] for path, route in paths.items() if path.endswith(("/infer", ":predict"))}
    assert len(posts) == 4
    for path, route in posts.items():
        offered = {(its["name"], its["in"]) for its in route["parameters"]}
        assert offered == {("model", "path")} | ({("version", "path")} if "{version}" in path else set())


def test_scoring_takes_every_form_and_says_what_is_wrong(api: TestClient, model: str) -> None:
    flat = images(2).reshape(2, 784).tolist()
    csv = "\n".join(",".join(map(str, row)) for row in flat)
    named = ",".join(f"p{number}" for number in range(784)) + "\n" + csv
    frame = {"columns": list(range(784)), "data": flat}
    sent: list[dict[str, Any]] = [
        {"json": {"inputs": flat}},
        {"json": {"inputs": {"pixels": flat}}},
        {"json": {"instances": [{"data": row} for row in flat]}},
        {"json": {"dataframe_split": frame}},
        {"content": csv, "headers": {"Content-Type": "text/csv"}},
        {"content": named, "headers": {"Content-Type": "text/csv; charset=utf-8"}},
    ]
    expected = NETWORK.logits(images(2)).argmax(axis=1).tolist()
    for request in sent:
        predictions = api.post("/invocations", **request).json()["predictions"]
        assert [prediction["digit"] for prediction in predictions] == expected
    error(api.post("/invocations", json={"inputs": []}), 400, "1 to")
    error(api.post("/invocations", json={"inputs": [[1]]}), 400, "inputs[0]")
    error(api.post("/invocations", json={"dataframe_split": 1}), 400, "dataframe_split")
    error(api.post("/invocations", json={}), 400, "give one of")
    error(api.post("/invocations", json=[]), 400, "object")
    error(api.post("/invocations", content="x,1\n1,x", headers={"Content-Type": "text/csv"}), 400, "line 1")
    error(api.post("/invocations", content="x", headers={"Content-Type": "text/html"}), 415)
    error(api.post("/v1/models/default:predict", json={"instances": 1}), 400, "instances")
    error(api.post("/v1/models/none:predict", json={"instances": flat}), 404)
    assert api.get("/ping").status_code == 200
    assert api.get("/v1/models/default").json()["ready"]
