"""/v2, /v1 and /invocations of pictures of any size and colour, of named classes, and of tables of mixed columns."""

import base64
import json
import struct
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from models import inference
from models.data.plan import Plan
from models.data.schema import Images, Table
from models.images import to_png
from service.artifacts import Artifacts
from service.store.store import Store
from tests.forms import FACES, SCALED, STRICT, TITANIC, TITANIC_PLAN, WINE, WINE_PLAN, stored, weights_of
from tests.records import succeeded
from tests.service.conftest import MadeOnce

NAMES = tuple(f"sign {number:02}" for number in range(47))
SIGNS = Images(height=16, width=16, preparation="plain", classes=NAMES)
FLAGS = Images(height=8, width=6, channels=3, preparation="plain", classes=("Chad", "Mali", "Peru"))
SMALL = Images(height=8, width=8, scale=(0, 16), steps=16, preparation="plain")
FORMS: dict[str, tuple[Images | Table, Plan | None]] = {
    "signs": (SIGNS, None),
    "flags": (FLAGS, None),
    "faces": (FACES, None),
    "scaled": (SCALED, None),
    "small": (SMALL, None),
    "wine": (WINE, WINE_PLAN),
    "titanic": (TITANIC, TITANIC_PLAN),
    "strict": (STRICT, TITANIC_PLAN),
}
FILES = {name: weights_of(*form) for name, form in FORMS.items()}
NETWORKS = {name: inference.read(file) for name, file in FILES.items()}


@pytest.fixture
def database_url(url_of_model: str) -> str:
    return url_of_model


@pytest.fixture
def model(request: pytest.FixtureRequest, made_once: MadeOnce) -> str:
    """A model of the form that a test names."""
    name: str = request.param
    made_once(name, lambda store, artifacts: succeeded(store, artifacts, model=name, file=FILES[name]))
    return name


def of(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("model", names, indirect=True)


def tensor(name: str, datatype: str, values: Any, **more: Any) -> dict[str, Any]:
    values = np.asarray(values)
    return {"name": name, "datatype": datatype, "shape": list(values.shape), "data": values.tolist(), **more}


def infer(api: TestClient, model: str, *tensors: dict[str, Any], tail: bytes | None = None, **more: Any) -> Any:
    body = json.dumps({"inputs": tensors, **more}).encode()
    headers = {} if tail is None else {"Inference-Header-Content-Length": str(len(body))}
    return api.post(f"/v2/models/{model}/infer", content=body + (tail or b""), headers=headers)


def outputs(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return {output["name"]: np.array(output["data"]).reshape(output["shape"]) for output in answer.json()["outputs"]}


def refused(answer: Any, *words: str) -> None:
    assert answer.status_code == 400, answer.text
    for word in words:
        assert word in answer.json()["detail"]


def expected(model: str, values: Any) -> Any:
    network = NETWORKS[model]
    return network.logits(inference.taken_in(values, network.plan))


def assert_outputs(model: str, values: Any, answer: Any) -> None:
    found, logits = outputs(answer), expected(model, values)
    assert list(found) == ["logits", "probabilities", "label"]
    np.testing.assert_allclose(found["logits"], logits, rtol=0, atol=1e-4)
    assert found["label"].tolist() == [NETWORKS[model].classes[best] for best in logits.argmax(axis=1)]


def assert_predictions(model: str, values: Any, answer: Any) -> list[Any]:
    assert answer.status_code == 200, answer.text
    predictions: list[Any] = answer.json()["predictions"]
    logits = expected(model, values)
    np.testing.assert_allclose([one["logits"] for one in predictions], logits, rtol=0, atol=1e-4)
    assert [one["label"] for one in predictions] == [NETWORKS[model].classes[best] for best in logits.argmax(axis=1)]
    assert not any("digit" in one for one in predictions)
    return predictions


PEOPLE: list[dict[str, Any]] = [
    {"Pclass": "1", "Sex": "female", "Age": 38.0, "alone": False},
    {"Pclass": "3", "Sex": "male", "Age": None, "alone": True},
    {"Pclass": "2", "Sex": "male", "Age": 2.5, "alone": False},
]
AS_STORED = np.array([[0, 0, 38, 0], [2, 1, np.nan, 1], [1, 1, 2.5, 0]])
COLUMNS = {name: [person[name] for person in PEOPLE] for name in PEOPLE[0]}


def columns_of(people: dict[str, Any]) -> list[dict[str, Any]]:
    kinds = {"Age": "FP64", "alone": "BOOL"}
    return [tensor(name, kinds.get(name, "BYTES"), np.array(cells, object)) for name, cells in people.items()]


@of("signs", "flags", "faces", "scaled")
def test_pictures_of_any_size_come_in_every_shape(api: TestClient, model: str) -> None:
    schema = FORMS[model][0]
    assert isinstance(schema, Images)
    values = stored(schema, 3)
    sent = values if schema.steps is None else schema.origin + values * schema.unit
    kind, numpy = ("UINT8", np.uint8) if schema.scale == (0, 255) else ("FP32", np.float32)
    count, height, width = sent.shape[:3]
    values = sent.astype(numpy)
    shapes = [sent, sent.reshape(count, -1)]
    if schema.channels == 1:
        shapes += [sent.reshape(count, 1, height, width), sent.reshape(count, height, width, 1)]
    else:
        shapes.append(np.moveaxis(sent, 3, 1))
    for shaped in shapes:
        assert_outputs(model, values, infer(api, model, tensor("any", kind, shaped.astype(numpy))))
        raw = np.ascontiguousarray(shaped, numpy).tobytes()
        about = {"name": "x", "datatype": kind, "shape": shaped.shape, "parameters": {"binary_data_size": len(raw)}}
        assert_outputs(model, values, infer(api, model, about, tail=raw))
        for field, path in (("instances", f"/v1/models/{model}:predict"), ("inputs", "/invocations")):
            listed = shaped.astype(numpy).tolist()
            assert_predictions(model, values, api.post(path, json={field: listed}))
    lines = "".join(",".join(map(str, row)) + "\n" for row in sent.astype(numpy).reshape(count, -1).tolist())
    csv = {"Content-Type": "text/csv"}
    assert_predictions(model, values, api.post("/invocations", content=lines, headers=csv))
    refused(infer(api, model, tensor("x", kind, sent.astype(numpy)[:, 1:])), "shape", f"model {model}/1")
    for metadata in (api.get(f"/v2/models/{model}"), api.get(f"/v2/models/{model}/versions/1")):
        (described,) = metadata.json()["inputs"]
        assert (described["datatype"], described["shape"]) == (kind, [-1, *schema.shape])
    config = api.get(f"/v2/models/{model}/config").json()
    assert config["input"][0]["dims"] == list(schema.shape)
    assert json.loads(config["parameters"]["classes"]["string_value"]) == list(schema.classes)


@of("signs", "flags")
def test_files_of_pictures_are_decoded(api: TestClient, model: str) -> None:
    values = stored(FORMS[model][0], 2)
    files = [to_png(picture) for picture in values]
    texts = [base64.b64encode(file).decode() for file in files]
    assert_outputs(model, values, infer(api, model, tensor("image", "BYTES", texts)))
    raw = b"".join(struct.pack("<I", len(file)) + file for file in files)
    about = {"name": "x", "datatype": "BYTES", "shape": [2, 1], "parameters": {"binary_data_size": len(raw)}}
    assert_outputs(model, values, infer(api, model, about, tail=raw))
    ways = [texts, [f"data:image/png;base64,{text}" for text in texts]]
    ways += [[base64.encodebytes(file).decode() for file in files]]
    ways += [[base64.urlsafe_b64encode(file).decode().rstrip("=") for file in files]]
    for way in ways:
        assert_outputs(model, values, infer(api, model, tensor("image", "BYTES", way)))
        tail = b"".join(struct.pack("<I", len(text)) + text.encode() for text in way)
        said = {**about, "parameters": {"binary_data_size": len(tail)}}
        assert_outputs(model, values, infer(api, model, said, tail=tail))
    for instances in (*ways, [{"b64": text} for text in texts], [{"image_bytes": {"b64": text}} for text in texts]):
        for path in (f"/v1/models/{model}:predict", "/invocations"):
            assert_predictions(model, values, api.post(path, json={"instances": instances}))
    v1 = f"/v1/models/{model}:predict"
    refused(api.post(v1, json={"instances": [{"b64": "AAAA"}]}), "instances, picture 0")
    refused(api.post(v1, json={"instances": [{"b64": "?"}]}), "base64")
    refused(api.post(v1, json={"instances": [{"b64": texts[0]}, values[1].tolist()]}), "instances.1 is")
    refused(infer(api, model, tensor("x", "BYTES", ["AAAA"]), parameters={"timeout": 60_000_000}), "picture 0")
    for length in (len(raw) + 1, 2**32 - 1):
        lying = struct.pack("<I", length) + raw[4:]
        refused(infer(api, model, about, tail=lying), "cut short")
    refused(infer(api, model, {**about, "shape": [1]}, tail=raw), "behind")


@of("signs")
def test_classes_are_named(api: TestClient, model: str) -> None:
    values = stored(SIGNS, 2)
    sent = tensor("x", "UINT8", values)
    asked = [{"name": "probabilities", "parameters": {"classification": 3}}, {"name": "label"}]
    found = outputs(infer(api, model, sent, outputs=asked))
    order = np.argsort(-expected(model, values), axis=1)[:, :3]
    assert [[text.split(":")[1:] for text in row] for row in found["probabilities"].tolist()] == [
        [[str(place), NAMES[place]] for place in row] for row in order.tolist()
    ]
    assert found["label"].tolist() == [NAMES[row[0]] for row in order]
    answer = infer(api, model, sent, outputs=[{"name": "label", "parameters": {"binary_data": True}}])
    assert answer.content.endswith(b"".join(struct.pack("<I", 7) + NAMES[row[0]].encode() for row in order))
    refused(infer(api, model, sent, outputs=[{"name": "digit"}]), "there are logits, probabilities, label")


@of("small")
def test_digits_of_any_size_are_given_as_numbers(api: TestClient, model: str) -> None:
    values = stored(SMALL, 3)
    found = outputs(infer(api, model, tensor("x", "FP32", values.astype(np.float32))))
    best = expected(model, values).argmax(axis=1).tolist()
    assert found["digit"].tolist() == best
    raw = api.post(
        f"/v2/models/{model}/infer", content=values.tobytes(), headers={"Inference-Header-Content-Length": "0"}
    )
    assert raw.status_code == 200, raw.text
    (one,) = api.post(f"/v1/models/{model}:predict", json={"instances": values[:1].tolist()}).json()["predictions"]
    assert (one["digit"], one["label"]) == (best[0], str(best[0]))
    refused(infer(api, model, tensor("x", "UINT8", values + 17)), "from 0 to 16")


@of("signs")
def test_pixels_from_0_to_1_are_refused_or_taken_as_such(api: TestClient, model: str) -> None:
    values = stored(SIGNS, 2)
    unit = values / 255
    remedy = "multiply them by 255"
    refused(infer(api, model, tensor("x", "FP64", unit)), remedy)
    refused(infer(api, model, tensor("x", "FP64", np.stack([values[0], unit[1]]))), remedy)
    v1 = f"/v1/models/{model}:predict"
    for path in (v1, "/invocations"):
        refused(api.post(path, json={"instances": unit.tolist()}), remedy)
    line = ",".join(map(str, unit[0].ravel()))
    refused(api.post("/invocations", content=line, headers={"Content-Type": "text/csv"}), remedy)
    scale = {"scale": "unit"}
    assert_outputs(model, values, infer(api, model, tensor("x", "FP64", unit), parameters=scale))
    assert_outputs(model, values, infer(api, model, tensor("x", "FP64", unit, parameters=scale)))
    for path, field in ((v1, "parameters"), ("/invocations", "params")):
        assert_predictions(model, values, api.post(path, json={"instances": unit.tolist(), field: scale}))
    refused(infer(api, model, tensor("x", "FP64", values * 1.0), parameters=scale), "from 0 to 1")
    refused(infer(api, model, tensor("x", "FP64", unit), parameters={"scale": "log"}), "parameters.scale")
    refused(api.post("/invocations", json={"instances": unit.tolist(), "params": 1}), "params")


@of("signs", "titanic")
def test_blank_examples_answer_because_clients_warm_up_with_them(api: TestClient, model: str) -> None:
    described = api.get(f"/v2/models/{model}").json()["inputs"]
    blanks = {"BYTES": "", "BOOL": False}
    tensors = [
        tensor(one["name"], one["datatype"], np.full([1, *one["shape"][1:]], blanks.get(one["datatype"], 0), object))
        for one in described
    ]
    outputs(infer(api, model, *tensors))


@of("titanic")
def test_a_table_comes_by_the_names_of_its_columns_in_every_way(api: TestClient, model: str) -> None:
    tensors = columns_of(COLUMNS)
    assert_outputs(model, AS_STORED, infer(api, model, *tensors))
    answer = infer(api, model, *reversed([{**one, "shape": [3, 1]} for one in tensors]))
    assert_outputs(model, AS_STORED, answer)
    (note,) = json.loads(answer.json()["parameters"]["notes"])
    assert note == {"row": 1, "column": "Age", "kind": "missing", "sent": None, "used": 28.0}
    backwards = [dict(reversed(person.items())) for person in PEOPLE]
    names = list(reversed(COLUMNS))
    split = {"columns": names, "index": [5, 6, 7], "data": [[person[name] for name in names] for person in PEOPLE]}
    v1 = f"/v1/models/{model}:predict"
    requests: list[tuple[str, dict[str, Any]]] = [
        (v1, {"instances": PEOPLE}),
        (v1, {"instances": [{name: [cell] for name, cell in person.items()} for person in PEOPLE]}),
        (v1, {"inputs": COLUMNS}),
        (v1, {"inputs": {name: [[cell] for cell in cells] for name, cells in COLUMNS.items()}}),
        ("/invocations", {"dataframe_split": split}),
        ("/invocations", {"dataframe_records": backwards}),
        ("/invocations", {"inputs": COLUMNS}),
        ("/invocations", {"instances": backwards}),
    ]
    for path, body in requests:
        predictions = assert_predictions(
            model, AS_STORED, api.post(path, content=b"\xef\xbb\xbf" + json.dumps(body).encode())
        )
        assert [len(one.get("notes", [])) for one in predictions] == [0, 1, 0]
    text = "\ufeffalone,Age,Sex,Pclass\nno,38,female,1\nyes,,male,3\nno,2.5,male,2\n"
    assert_predictions(
        model, AS_STORED, api.post("/invocations", content=text.encode(), headers={"Content-Type": "text/csv"})
    )
    described = {one["name"]: one["datatype"] for one in api.get(f"/v2/models/{model}").json()["inputs"]}
    assert described == {"Pclass": "BYTES", "Sex": "BYTES", "Age": "FP64", "alone": "BOOL"}
    kinds = {one["name"]: one["data_type"] for one in api.get(f"/v2/models/{model}/config").json()["input"]}
    assert kinds == {"Pclass": "TYPE_STRING", "Sex": "TYPE_STRING", "Age": "TYPE_FP64", "alone": "TYPE_BOOL"}


@of("titanic")
def test_columns_come_as_bytes_beside_others_in_json(api: TestClient, model: str) -> None:
    texts = b"".join(struct.pack("<I", len(text)) + text for text in (b"female", b"male", b"male"))
    parts = {
        "Sex": ("BYTES", texts),
        "Age": ("FP32", np.array([38, np.nan, 2.5], "<f4").tobytes()),
        "alone": ("BOOL", b"\0\1\0"),
    }
    tensors = [
        {"name": name, "datatype": kind, "shape": [3, 1], "parameters": {"binary_data_size": len(data)}}
        for name, (kind, data) in parts.items()
    ]
    tail = b"".join(data for _, data in parts.values())
    pclass = {"name": "Pclass", "datatype": "INT64", "shape": [3], "data": [1, 3, 2]}
    assert_outputs(model, AS_STORED, infer(api, model, tensors[0], pclass, *tensors[1:], tail=tail))
    refused(infer(api, model, *tensors, tail=tail + b"x"), "unexpected additional input data: 1 bytes")
    refused(infer(api, model, *tensors, tail=tail[:-1]), "cut short", "inputs[2]")
    refused(infer(api, model, *tensors, tail=tail[:-1] + b"\2"), "inputs[2]", "0 or 1")
    nul = texts.replace(b"female", b"fem\0le")
    refused(infer(api, model, tensors[0], tail=nul), "NUL")
    refused(infer(api, model, tensors[0], tail=texts.replace(b"female", b"\xff" * 6)), "UTF-8")


@of("strict")
def test_what_a_strict_table_lacks_or_does_not_know_is_refused_by_its_column(api: TestClient, model: str) -> None:
    v1 = f"/v1/models/{model}:predict"
    split = {"columns": list(COLUMNS), "data": [list(person.values()) for person in PEOPLE]}
    for answer in (
        infer(api, model, *columns_of(COLUMNS)),
        api.post(v1, json={"instances": PEOPLE}),
        api.post("/invocations", json={"dataframe_split": split}),
        api.post("/invocations", json={"dataframe_records": PEOPLE}),
    ):
        refused(answer, "Age is missing", f"model {model}/1")
    (fault,) = api.post("/invocations", json={"dataframe_split": split}).json()["errors"]
    assert fault["pointer"] == "/dataframe_split/data/1/2"
    (fault,) = api.post(v1, json={"instances": PEOPLE}).json()["errors"]
    assert fault["pointer"] == "/instances/1/Age"
    strange = {**PEOPLE[0], "Sex": "femal"}
    refused(api.post(v1, json={"instances": [strange]}), "Sex", "female")


@of("titanic")
def test_nan_stands_for_nothing_as_pandas_writes_it(api: TestClient, model: str) -> None:
    people = [{**person, "Age": np.nan if person["Age"] is None else person["Age"]} for person in PEOPLE]
    v1, body = f"/v1/models/{model}:predict", json.dumps({"instances": people})
    assert "NaN" in body
    predictions = assert_predictions(model, AS_STORED, api.post(v1, content=body))
    assert [len(one.get("notes", [])) for one in predictions] == [0, 1, 0]
    assert_outputs(
        model, AS_STORED, infer(api, model, *columns_of({name: [one[name] for one in people] for name in COLUMNS}))
    )
    refused(api.post(v1, content=body.replace("38.0", "-Infinity")), "finite")
    refused(api.post(v1, content=body[:-1]), "valid JSON")
    refused(api.post(v1, content=b"[" * 100_000 + b"NaN"), "deep")


@of("titanic")
def test_wrong_columns_are_refused_by_their_names(api: TestClient, model: str) -> None:
    tensors = columns_of(COLUMNS)
    refused(infer(api, model, *tensors, tensor("Fare", "FP64", [1.0, 2.0, 3.0])), "no column Fare")
    refused(infer(api, model, *tensors, tensors[0]), "named Pclass")
    refused(infer(api, model, *tensors[:3], tensor("alone", "BOOL", [True])), "alone", "1 rows")
    refused(infer(api, model, tensor("Age", "BYTES", ["old"])), "Age", "no number")
    refused(infer(api, model, tensor("Age", "FP64", ["old"])), "Age", "FP64")
    refused(infer(api, model, tensor("Age", "INT8", [300])), "Age", "beyond")
    refused(infer(api, model, tensor("Age", "FP64", [1.0]), parameters={"scale": "unit"}), "scale is for pictures")
    refused(infer(api, model, tensor("x", "FP64", [[1.0, 2.0, 3.0, 4.0]])), "shape")
    refused(
        api.post(f"/v2/models/{model}/infer", content=b"x", headers={"Inference-Header-Content-Length": "0"}), "raw"
    )
    row = [*PEOPLE[0].values()]
    many = [f"c{number}" for number in range(50_000)]
    for split, words in (
        ({"columns": [*many, many[-1]], "data": [[1] * 50_001]}, "c49999 more than once"),
        ({"columns": [*COLUMNS, "Age"], "data": [[*row, 1]]}, "Age more than once"),
        ({"columns": [*COLUMNS, "Fare"], "data": [[*row, 1]]}, "no column Fare"),
        ({"columns": list(COLUMNS), "data": [row[:3]]}, "data[0]"),
        ({"columns": [1, 2, 3, 4], "data": [row]}, "names"),
        ({"data": [row]}, "no names"),
        ({"columns": list(COLUMNS), "data": []}, "1 to"),
    ):
        refused(api.post("/invocations", json={"dataframe_split": split}), words)
    v1 = f"/v1/models/{model}:predict"
    for body, words in (
        ({"instances": [row]}, "no names"),
        ({"instances": [1]}, "no row of a table"),
        ({"instances": 1}, "1 to"),
        ({"inputs": {"Age": 3}}, "inputs.Age"),
        ({"inputs": {"Age": [3], "Sex": ["male", "male"]}}, "as many values"),
        ({"inputs": [PEOPLE[0]], "instances": [PEOPLE[0]]}, "give one of"),
    ):
        refused(api.post(v1, json=body), words)
    refused(api.post(v1, content='{"instances":[{"Age":1,"Age":2,"Sex":"male"}]}'), "Age is given more than once")


@of("wine")
def test_a_table_of_numbers_may_come_as_one_tensor(api: TestClient, model: str) -> None:
    values = stored(WINE, 4)
    assert_outputs(model, values, infer(api, model, tensor("input-0", "FP64", values)))
    about = {"name": "x", "datatype": "FP64", "shape": [4, 13], "parameters": {"binary_data_size": values.nbytes}}
    assert_outputs(model, values, infer(api, model, about, tail=values.tobytes()))
    for path, body in (
        (f"/v1/models/{model}:predict", {"instances": values.tolist()}),
        ("/invocations", {"inputs": values.tolist()}),
        ("/invocations", {"dataframe_split": {"data": values.tolist()}}),
    ):
        assert_predictions(model, values, api.post(path, json=body))
    refused(infer(api, model, tensor("x", "BYTES", values.astype(str))), "are numbers")
    refused(infer(api, model, tensor("x", "FP64", values[:, 1:])), "[n,13]")


@of("signs", "titanic")
def test_clients_of_tensorflow_serving_find_versions_and_signatures(api: TestClient, model: str) -> None:
    for path in (f"/v1/models/{model}", f"/v1/models/{model}/versions/1"):
        assert api.get(path).json()["model_version_status"][0]["version"] == "1"
    for path in (f"/v1/models/{model}/metadata", f"/v1/models/{model}/versions/1/metadata"):
        told = api.get(path).json()
        assert told["model_spec"]["name"] == model
        signature = told["metadata"]["signature_def"]["signature_def"]["serving_default"]
        assert set(signature["inputs"]) == ({"pixels"} if model == "signs" else set(COLUMNS))
        assert signature["outputs"]["label"]["dtype"] == "DT_STRING"
    assert api.get(f"/v1/models/{model}/versions/2").status_code == 404


def test_of_versions_of_unlike_form_the_one_that_was_asked_is_named(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    for form in ("signs", "small"):
        succeeded(store, artifacts, model="mixed", file=FILES[form])
    shares = {"versions": {"1": 1, "2": 1}}
    assert api.put("/models/mixed/aliases/split", json=shares).status_code == 201
    sent = tensor("x", "UINT8", stored(SIGNS, 1))
    answers = [infer(api, "mixed@split", sent) for _ in range(40)]
    assert {answer.status_code for answer in answers} == {200, 400}
    for answer in answers:
        if answer.status_code == 400:
            refused(answer, "model mixed/2")
