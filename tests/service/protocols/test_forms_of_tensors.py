"""Tables and pictures of any size through the protocols of other model servers, as their clients send them."""

import base64
import io
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tritonclient.http as triton
from fastapi.testclient import TestClient
from numpy.typing import NDArray
from PIL import Image

from models import inference
from models.data.plan import Levels, Plan
from models.data.schema import Column, Images, Table
from tests.forms import TITANIC, TITANIC_PLAN, stored, weights_of
from tests.pixels import JSON
from tests.records import succeeded
from tests.service.conftest import MadeOnce

SIGNS = Images(height=16, width=16, preparation="plain", classes=tuple(f"sign {number}" for number in range(47)))
COLOURS = Images(height=6, width=5, channels=3, preparation="plain", classes=("cat", "dog"))
FORMS: dict[str, tuple[Images | Table, Any]] = {
    "titanic": (TITANIC, TITANIC_PLAN),
    "signs": (SIGNS, None),
    "colours": (COLOURS, None),
}
FILES = {name: weights_of(*form) for name, form in FORMS.items()}
NETWORKS = {name: inference.read(file) for name, file in FILES.items()}
CSV = {"Content-Type": "text/csv"}
INVOCATIONS = "/invocations"

FRAME = pd.DataFrame(
    {
        "Name": ["Allen", None, "Sage", "Uruchurtu"],
        "alone": [True, False, True, False],
        "Age": [38.0, np.nan, 4.5, 71.0],
        "Sex": ["female", "male", None, "nobody"],
        "Pclass": [1, 2, 3, 3],
    }
)
AS_STORED = np.array([[0, 0, 38, 1], [1, 1, np.nan, 0], [2, np.nan, 4.5, 1], [2, -1, 71, 0]])


@pytest.fixture
def database_url(url_of_model: str) -> str:
    return url_of_model


@pytest.fixture
def model(request: pytest.FixtureRequest, made_once: MadeOnce) -> str:
    """A model of the form that a test names, the only one there is."""
    name: str = request.param
    made_once(name, lambda store, artifacts: succeeded(store, artifacts, model=name, file=FILES[name]))
    return name


def of(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("model", names, indirect=True)


def expected(name: str, values: Any) -> NDArray[Any]:
    network = NETWORKS[name]
    return network.probabilities(inference.taken_in(values, network.plan))


def names_of(name: str, probabilities: NDArray[Any]) -> list[str]:
    return [NETWORKS[name].classes[place] for place in probabilities.argmax(axis=1)]


def assert_scored(name: str, values: Any, answer: Any) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["predictions"]
    wanted = expected(name, values)
    np.testing.assert_allclose([one["probabilities"] for one in found], wanted, rtol=0, atol=1e-6)
    assert [one["label"] for one in found] == names_of(name, wanted)
    return found


def asked(api: TestClient, model: str, inputs: list[Any], outputs: list[Any]) -> triton.InferResult:
    """Have Triton's client write a request and read the answer."""
    body, length = triton.InferenceServerClient.generate_request_body(inputs, outputs=outputs)
    headers = JSON if length is None else {"Inference-Header-Content-Length": str(length)}
    answer = api.post(f"/v2/models/{model}/infer", content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    its = answer.headers.get("inference-header-content-length")
    return triton.InferenceServerClient.parse_response_body(answer.content, header_length=its and int(its))


def tensor_of(name: str, values: NDArray[Any], datatype: str, *, binary: bool) -> Any:
    tensor = triton.InferInput(name, list(values.shape), datatype)
    tensor.set_data_from_numpy(values, binary_data=binary)
    return tensor


def assert_inferred(api: TestClient, name: str, values: Any, inputs: list[Any], *, binary: bool) -> None:
    wanted = expected(name, values)
    outputs = [triton.InferRequestedOutput(output, binary_data=binary) for output in ("probabilities", "label")]
    result = asked(api, name, inputs, outputs)
    np.testing.assert_allclose(result.as_numpy("probabilities"), wanted, rtol=0, atol=1e-6)
    # Of JSON the client makes texts, and bytes of bytes.
    labels = [one.decode() if isinstance(one, bytes) else one for one in result.as_numpy("label").ravel()]
    assert labels == names_of(name, wanted)
    best = [triton.InferRequestedOutput("probabilities", binary_data=binary, class_count=1)]
    (first, *_) = asked(api, name, inputs, best).as_numpy("probabilities").ravel()
    share, place, label = (first.decode() if isinstance(first, bytes) else first).split(":")
    assert (int(place), label) == (wanted[0].argmax(), labels[0])
    assert float(share) == pytest.approx(wanted[0].max(), abs=1e-5)


@pytest.mark.parametrize("binary", [True, False])
@of("titanic")
def test_triton_s_client_sends_a_tensor_for_each_column(api: TestClient, model: str, binary: bool) -> None:
    filled = FRAME.fillna({"Sex": "", "Name": ""})
    texts = {name: filled[[name]].astype(str).to_numpy(object) for name in ("Sex", "Name", "Pclass")}
    inputs = [
        tensor_of("Age", np.array([[38.0], [7.0], [4.5], [71.0]]), "FP64", binary=binary),
        tensor_of("alone", FRAME[["alone"]].to_numpy(), "BOOL", binary=binary),
        *(tensor_of(name, cells, "BYTES", binary=binary) for name, cells in texts.items()),
    ]
    values = AS_STORED.copy()
    values[1, 2] = 7.0
    assert_inferred(api, model, values, inputs, binary=binary)


@of("titanic")
def test_what_is_no_number_is_missing_in_bytes(api: TestClient, model: str) -> None:
    inputs = [
        tensor_of("Age", FRAME["Age"].to_numpy(np.float32), "FP32", binary=True),
        tensor_of("Pclass", FRAME["Pclass"].to_numpy(np.int64), "INT64", binary=True),
        tensor_of("alone", FRAME["alone"].to_numpy(np.uint8), "UINT8", binary=True),
        tensor_of("Sex", np.array([b"female", b"male", b"", b"nobody"], object), "BYTES", binary=True),
    ]
    assert_inferred(api, model, AS_STORED, inputs, binary=True)


@pytest.mark.parametrize("binary", [True, False])
@of("signs")
def test_triton_s_client_reads_named_signs(api: TestClient, model: str, binary: bool) -> None:
    pixels = stored(SIGNS, 3).reshape(3, 16, 16)
    for sent in (pixels, pixels.reshape(3, 256), pixels[:, None], pixels[..., None]):
        assert_inferred(api, model, pixels, [tensor_of("x", sent, "UINT8", binary=binary)], binary=binary)


@pytest.mark.parametrize("binary", [True, False])
@of("colours")
def test_triton_s_client_reads_colours_in_either_order(api: TestClient, model: str, binary: bool) -> None:
    pixels = stored(COLOURS, 3)
    for sent in (pixels, pixels.transpose(0, 3, 1, 2), pixels.reshape(3, 90)):
        tensor = tensor_of("pixels", np.ascontiguousarray(sent, np.float32), "FP32", binary=binary)
        assert_inferred(api, model, pixels, [tensor], binary=binary)


def png(pixels: NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


@of("colours", "signs")
def test_pictures_are_sent_as_files(api: TestClient, model: str) -> None:
    pixels = stored(FORMS[model][0], 3)
    files = [png(np.squeeze(one)) for one in pixels]
    texts = [base64.b64encode(file).decode() for file in files]
    for shape in ((3,), (3, 1)):
        raw = tensor_of("pixels", np.array(files, object).reshape(shape), "BYTES", binary=True)
        assert_inferred(api, model, pixels, [raw], binary=True)
        written = tensor_of("pixels", np.array(texts, object).reshape(shape), "BYTES", binary=False)
        assert_inferred(api, model, pixels, [written], binary=False)
    for instances in ([{"b64": text} for text in texts], [{"image_bytes": {"b64": text}} for text in texts], texts):
        assert_scored(model, pixels, api.post(f"/v1/models/{model}:predict", json={"instances": instances}))
        assert_scored(model, pixels, api.post(INVOCATIONS, json={"instances": instances}))
    frame = {"columns": ["image"], "data": [[text] for text in texts]}
    assert_scored(model, pixels, api.post(INVOCATIONS, json={"dataframe_split": frame}))
    assert_scored(model, pixels, api.post(INVOCATIONS, json={"dataframe_records": [{"image": text} for text in texts]}))


@of("colours", "signs")
def test_pictures_are_sent_as_numbers_by_every_protocol(api: TestClient, model: str) -> None:
    pixels = stored(FORMS[model][0], 3)
    flat = pixels.reshape(3, -1)
    frame = pd.DataFrame(flat, columns=[f"pixel{place}" for place in range(flat.shape[1])])
    first = np.moveaxis(pixels, -1, 1) if pixels.ndim == 4 else pixels[:, None]
    last = pixels if pixels.ndim == 4 else pixels[..., None]
    for sent in (pixels, first, last):
        for field in ("instances", "inputs"):
            assert_scored(model, pixels, api.post(f"/v1/models/{model}:predict", json={field: sent.tolist()}))
            assert_scored(model, pixels, api.post(INVOCATIONS, json={field: sent.tolist()}))
        objects = [{"pixels": one} for one in sent.tolist()]
        assert_scored(model, pixels, api.post(f"/v1/models/{model}:predict", json={"instances": objects}))
        assert_scored(model, pixels, api.post(INVOCATIONS, json={"inputs": {"pixels": sent.tolist()}}))
    split = json.loads(frame.to_json(orient="split"))
    assert_scored(model, pixels, api.post(INVOCATIONS, json={"dataframe_split": split}))
    records = json.loads(frame.to_json(orient="records"))
    assert_scored(model, pixels, api.post(INVOCATIONS, json={"dataframe_records": records}))
    for text in (frame.to_csv(index=False), frame.to_csv(index=False, header=False)):
        assert_scored(model, pixels, api.post(INVOCATIONS, content=text, headers=CSV))


@of("titanic")
def test_a_data_frame_s_rows_are_read_by_the_names_of_its_columns(api: TestClient, model: str) -> None:
    v1 = f"/v1/models/{model}:predict"
    for frame in (FRAME, FRAME[FRAME.columns[::-1]]):
        split = json.loads(frame.to_json(orient="split"))
        records = json.loads(frame.to_json(orient="records"))
        given = [
            api.post(INVOCATIONS, json={"dataframe_split": split}),
            api.post(INVOCATIONS, json={"dataframe_records": records}),
            api.post(INVOCATIONS, json={"dataframe_records": records, "params": {"temperature": 1}}),
            api.post(INVOCATIONS, json={"instances": records}),
            api.post(INVOCATIONS, json={"inputs": frame.astype(object).where(frame.notna(), None).to_dict("list")}),
            api.post(v1, json={"instances": records}),
            api.post(v1, json={"inputs": records}),
            api.post(INVOCATIONS, content=frame.to_csv(index=False), headers=CSV),
            api.post(INVOCATIONS, content="\ufeff" + frame.to_csv(index=False), headers=CSV),
        ]
        for answer in given:
            found = assert_scored(model, AS_STORED, answer)
            noted = [[(note["column"], note["kind"]) for note in one["notes"]] for one in found]
            assert ("Age", "missing") in noted[1]
            assert ("Sex", "missing") in noted[2]
            assert ("Sex", "unknown_level") in noted[3]
            assert all(("Name", "ignored") in one for one in noted)
    with_index = FRAME.to_csv()
    assert_scored(model, AS_STORED, api.post(INVOCATIONS, content=with_index, headers=CSV))


def refused(answer: Any, words: str) -> None:
    assert answer.status_code == 400, answer.text
    told = answer.json()
    assert words in told["error"] or words in str(told.get("errors")), answer.text


def column(name: str, datatype: str, data: list[Any]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": [len(data)], "data": data}


IDS = Table(
    columns=(Column(name="device", type="category", levels=("9007199254740992", "9007199254740993")),),
    label="kind",
    classes=("old", "new"),
)
FORMS["ids"] = (IDS, Plan(columns=(Levels(usual=0, kept=(0, 1)),)))
FILES["ids"] = weights_of(*FORMS["ids"])
NETWORKS["ids"] = inference.read(FILES["ids"])


@of("ids")
def test_whole_numbers_are_as_exact_as_they_are_written(api: TestClient, model: str) -> None:
    sent = [2**53, 2**53 + 1]
    values = np.array([[0.0], [1.0]])
    for datatype in ("INT64", "UINT64"):
        answer = api.post(f"/v2/models/{model}/infer", json={"inputs": [column("device", datatype, sent)]})
        assert answer.status_code == 200, answer.text
        found = {output["name"]: output["data"] for output in answer.json()["outputs"]}
        np.testing.assert_allclose(found["probabilities"], expected(model, values).ravel(), rtol=0, atol=1e-6)
    rows = [{"device": number} for number in sent]
    assert_scored(model, values, api.post(INVOCATIONS, json={"dataframe_records": rows}))


@of("titanic")
def test_what_a_tensor_of_a_table_cannot_hold_is_told(api: TestClient, model: str) -> None:
    infer = f"/v2/models/{model}/infer"
    for datatype, number in (("UINT8", 256), ("UINT8", -1), ("INT8", 200), ("INT64", 2**63), ("UINT64", -5)):
        refused(api.post(infer, json={"inputs": [column("Age", datatype, [number])]}), f"beyond those of {datatype}")
    refused(api.post(infer, json={"inputs": [column("Age", "INT32", [1.5])]}), "no INT32")
    refused(api.post(infer, json={"inputs": [column("Age", "FP64", ["1"])]}), "no FP64")
    refused(api.post(infer, json={"inputs": [column("Age", "FP64", [1e300])]}), "too far")
    refused(api.post(infer, json={"inputs": [column("age", "FP64", [1])]}), "did you mean Age?")
    refused(api.post(infer, json={"inputs": [column("Age", "BYTES", ["2024-01-01"])]}), "is no number")
    refused(api.post(infer, json={"inputs": [column("Sex", "FP32", [1.0])] * 2}), "as another is")
    refused(api.post(infer, content=b"12345678", headers={"Inference-Header-Content-Length": "0"}), "for each column")
    one = [column("Age", "FP64", [38])]
    refused(api.post(infer, json={"inputs": one, "parameters": {"scale": "unit"}}), "scale is for pictures")
    rows = {"instances": [{"Age": 38}], "parameters": {"scale": "unit"}}
    refused(api.post(f"/v1/models/{model}:predict", json=rows), "scale is for pictures")
    nothing = api.post(infer, json={"inputs": [column("Age", "FP64", [38, None])]})
    (note,) = [
        note
        for note in json.loads(nothing.json()["parameters"]["notes"])
        if (note["row"], note["column"]) == (1, "Age")
    ]
    assert (note["kind"], note["used"]) == ("missing", 28.0)


@of("signs", "colours")
def test_what_pixels_cannot_be_is_told(api: TestClient, model: str) -> None:
    schema = FORMS[model][0]
    inputs = schema.inputs
    v1 = f"/v1/models/{model}:predict"
    shares, zeros = [0.5] * inputs, [0] * inputs
    tensor = {"name": "x", "datatype": "FP32", "shape": [2, inputs]}
    for bad in (-1, 256, 2**60):
        image = [0, bad, *zeros[2:]]
        words = "number 1 of image 1 is "
        refused(api.post(f"/v2/models/{model}/infer", json={"inputs": [{**tensor, "data": zeros + image}]}), words)
        refused(api.post(v1, json={"instances": [zeros, image]}), "instances[1]")
        refused(api.post(INVOCATIONS, json={"dataframe_split": {"data": [zeros, image]}}), "dataframe_split.data[1]")
    for path, body in (
        (f"/v2/models/{model}/infer", {"inputs": [{**tensor, "shape": [1, inputs], "data": shares}]}),
        (v1, {"instances": [shares]}),
        (INVOCATIONS, {"inputs": [shares]}),
        (INVOCATIONS, {"dataframe_split": {"columns": list(range(inputs)), "data": [shares]}}),
    ):
        refused(api.post(path, json=body), '"scale": "unit"')
        taken = api.post(path, json={**body, "parameters": {"scale": "unit"}})
        assert taken.status_code == 200, taken.text
    refused(api.post(INVOCATIONS, content=",".join(map(str, shares)), headers=CSV), "255")
    refused(api.post(v1, json={"instances": [{"b64": "aGVsbG8="}, zeros]}), "as others of the request are")
    refused(api.post(v1, json={"instances": [{"b64": "aGVsbG8="}]}), "picture 0: this picture cannot be read")
    names = [f"p{place}" for place in reversed(range(inputs))]
    backwards = dict(zip(names, zeros, strict=True))
    refused(api.post(INVOCATIONS, json={"dataframe_records": [backwards]}), "names in dataframe_records")
    refused(api.post(INVOCATIONS, json={"dataframe_split": {"columns": names, "data": [zeros]}}), "in their order")
    refused(
        api.post(INVOCATIONS, content=f"{','.join(names)}\n{','.join('0' * inputs)}", headers=CSV), "in their order"
    )
    for answer in (api.post(v1, json={"instances": [zeros]}), api.post(INVOCATIONS, json={"inputs": [zeros]})):
        assert answer.status_code == 200, "clients warm up with blank pictures"


@of("titanic", "signs", "colours")
def test_models_of_every_form_are_described_to_every_protocol(api: TestClient, model: str) -> None:
    columns = ["Pclass", "Sex", "Age", "alone"] if model == "titanic" else ["pixels"]
    for path in (f"/v1/models/{model}", f"/v1/models/{model}/versions/1"):
        assert api.get(path).json()["model_version_status"][0]["state"] == "AVAILABLE"
        about = api.get(f"{path}/metadata").json()["metadata"]["signature_def"]["signature_def"]["serving_default"]
        assert list(about["inputs"]) == columns
    described = api.get(f"/v2/models/{model}").json()
    assert [tensor["name"] for tensor in described["inputs"]] == columns
    assert [tensor["name"] for tensor in described["outputs"]] == ["logits", "probabilities", "label"]
    settings = api.get(f"/v2/models/{model}/config").json()
    assert [tensor["name"] for tensor in settings["input"]] == columns


@of("titanic")
def test_nan_as_python_writes_it_is_a_missing_cell(api: TestClient, model: str) -> None:
    rows = FRAME.to_dict("records")
    written = json.dumps({"dataframe_split": {**FRAME.to_dict("split"), "index": ["a", "b", "c", "d"]}})
    assert "NaN" in written
    assert_scored(model, AS_STORED, api.post(INVOCATIONS, content=written, headers=JSON))
    for path, field in ((INVOCATIONS, "dataframe_records"), (f"/v1/models/{model}:predict", "instances")):
        text = json.dumps({field: [{**rows[0], "Name": 'NaN \\" NaN'}, *rows[1:]]})
        found = assert_scored(model, AS_STORED, api.post(path, content=text, headers=JSON))
        assert found[0]["notes"][0]["sent"] == 'NaN \\" NaN'
    tensor = json.dumps({"inputs": [column("Age", "FP64", [float("nan"), 3.0])]})
    answer = api.post(f"/v2/models/{model}/infer", content=tensor, headers=JSON)
    assert answer.status_code == 200, answer.text
    for number in ("Infinity", "-Infinity", "nan", "NaNs"):
        body = '{"instances": [{"Age": ' + number + "}]}"
        assert api.post(INVOCATIONS, content=body, headers=JSON).status_code == 400


@of("titanic")
def test_which_cell_is_wrong_is_told(api: TestClient, model: str) -> None:
    rows = [{"Age": 38}, {"Age": "old"}]
    v1 = f"/v1/models/{model}:predict"
    refused(api.post(v1, json={"instances": rows}), "/instances/1/Age")
    refused(api.post(INVOCATIONS, json={"inputs": {"Age": [38, "old"]}}), "/inputs/Age/1")
    refused(api.post(INVOCATIONS, json={"dataframe_split": {"columns": ["Age"], "data": [[38], ["old"]]}}), "/data/1/0")
    infer = api.post(f"/v2/models/{model}/infer", json={"inputs": [column("Age", "BYTES", ["38", "old"])]})
    refused(infer, "/inputs/0/data/1")
    twice = {"columns": [*map(str, range(9)), "Age", "Age"], "data": [[1] * 11]}
    refused(api.post(INVOCATIONS, json={"dataframe_split": twice}), "Age more than once")
    refused(api.post(INVOCATIONS, content="Age,Sex\n38,male\nold,male\n", headers=CSV), "line 3")
