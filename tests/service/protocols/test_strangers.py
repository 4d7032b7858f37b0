"""What no client of other model servers sends: refused before it costs much, and in few words."""

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.artifacts import Artifacts
from service.errors import LONGEST_DETAIL
from service.store.store import Store
from tests.answers import problem
from tests.forms import TITANIC, TITANIC_PLAN, weights_of
from tests.pixels import JSON, images
from tests.records import succeeded
from tests.service.conftest import MadeOnce

INFER, V1, INVOCATIONS = "/v2/models/default/infer", "/v1/models/default:predict", "/invocations"
FEW_BYTES = 1_000
OF_TEN_FAULTS = 4_000


@pytest.fixture
def database_url(url_of_model: str) -> str:
    return url_of_model


@pytest.fixture(autouse=True)
def model(made_once: MadeOnce) -> str:
    """A model that can be asked."""
    return made_once("mnist", succeeded)


def refused(answer: Any, words: str, most: int = FEW_BYTES) -> None:
    """Check that this is a refusal of few words, which says these."""
    assert answer.status_code == 400, answer.text
    assert words in answer.json()["error"]
    assert len(answer.content) < most


def nested(depth: int, inside: str = "1") -> str:
    return "[" * depth + inside + "]" * depth


ROWS = json.dumps(images(1)[0].tolist())


NUMBERS = [
    (f'[{nested(1000)},"{"a" * 13_000}"]', "unevenly"),
    ('["a"]', "784"),
    (f'[[1],"{"a" * 13_000}"]', "unevenly"),
    ('[[1],{"a":1}]', "unevenly"),
    ("[[1,2],[3]]", "unevenly"),
    (f"[{ROWS},{ROWS}]", "more than the 784 numbers"),
    (nested(3, ROWS), "more than 4 deep"),
    (nested(1000), "more than 4 deep"),
    ("[[],[]]", "784"),
]


def test_numbers_are_nested_evenly_and_not_deep(api: TestClient) -> None:
    for data, words in NUMBERS:
        tensor = f'{{"inputs":[{{"name":"x","datatype":"UINT8","shape":[1,784],"data":{data}}}]}}'
        refused(api.post(INFER, content=tensor, headers=JSON), words)
        for path in (V1, INVOCATIONS):
            refused(api.post(path, content=f'{{"instances":[{data}]}}', headers=JSON), words)
    pixels = images(2)
    for shape in ((2, 1, 28, 28), (2, 28, 28, 1), (2, 784)):
        answer = api.post(V1, json={"instances": pixels.reshape(shape).tolist()})
        assert len(answer.json()["predictions"]) == 2, answer.text


TENSOR = {"name": "x", "datatype": "UINT8", "shape": [1, 784], "data": [0] * 784}
DEEP = json.loads(nested(500))
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"inputs": [{**TENSOR, "shape": [1] * 20_000}]}, "shape is [1, 1, 1"),
    ({"inputs": [{**TENSOR, "datatype": "A" * 20_000}]}, "datatype is 'AAA"),
    ({"inputs": [{**TENSOR, "datatype": DEEP}]}, "datatype is [["),
    ({"inputs": [{**TENSOR, "datatype": {"a" * 20_000: 1}}]}, "datatype is {"),
    ({"inputs": [TENSOR], "outputs": [{"name": "A" * 20_000}]}, "asks for 'AAA"),
    ({"inputs": [TENSOR], "outputs": [{"name": DEEP}]}, "asks for [["),
    ({"inputs": [TENSOR], "outputs": [{"name": ["digit"] * 20_000}]}, "asks for ['digit', 'digit'"),
]


def test_of_what_is_refused_no_more_than_the_beginning_is_repeated(api: TestClient) -> None:
    for document, words in WRONG:
        refused(api.post(INFER, json=document), words)
    for parameters in ({"a" * 20_000: 1}, {f"p{number}": 1 for number in range(10_000)}):
        answer = api.post("/v2/repository/models/default/load", json={"parameters": parameters})
        refused(answer, "are not served")
    (fault,) = problem(api.get("/jobs", params={"label": "a" * 20_000}), 422)["errors"]
    assert len(fault["detail"]) < FEW_BYTES
    long = "a" * 20_000
    for answer in (api.get(f"/v2/models/{long}"), api.post(f"/v2/models/{long}/versions/{long}/infer", json={})):
        assert answer.status_code == 404
        assert len(answer.json()["error"]) <= LONGEST_DETAIL + len("...")


HOSTILE: list[tuple[dict[str, Any], str]] = [
    ({"shape": [2**63, 28, 28]}, "1 to"),
    ({"shape": [2**40, 2**40, 2**40]}, "shape"),
    ({"shape": [1, -784]}, "negative"),
    ({"shape": []}, "shape"),
    ({"shape": [1, 784.0]}, "shape"),
    ({"shape": [True, 784]}, "shape"),
    ({"datatype": "BYTES", "shape": [2**62], "data": []}, "1 to"),
    ({"datatype": "BYTES", "shape": [2], "data": ["AA=="]}, "1 elements"),
    ({"datatype": "BYTES", "shape": [1], "data": [DEEP]}, "deep"),
    ({"datatype": "BYTES", "shape": [1], "data": [None]}, "b64"),
    ({"datatype": "BYTES", "shape": [1], "data": {}}, "list"),
    ({"name": "a\0b"}, "NUL"),
    ({"data": ["a\0b"]}, "NUL"),
    ({"data": None}, "list"),
    ({"parameters": {"binary_data_size": 2**62}, "data": []}, "both"),
]


def test_what_lies_about_its_size_costs_nothing(api: TestClient) -> None:
    for change, words in HOSTILE:
        refused(api.post(INFER, json={"inputs": [{**TENSOR, **change}]}), words)
    head = json.dumps({"inputs": [{**TENSOR, "parameters": {"binary_data_size": 2**62}, "data": None}]}).encode()
    head = head.replace(b', "data": null', b"")
    for size in (2**62, 2**31, 4):
        document = head.replace(b"%d" % 2**62, b"%d" % size)
        answer = api.post(
            INFER, content=document + b"\0" * 3, headers={"Inference-Header-Content-Length": str(len(document))}
        )
        refused(answer, "cut short")
    for count, words in ((20_001, "1 to 20,000 tensors"), (2, "one tensor")):
        body = b'{"inputs":[' + b",".join([b'{"name":"x","shape":[1],"datatype":"BOOL","data":[1]}'] * count) + b"]}"
        refused(api.post(INFER, content=body), words)
    for path in (V1, INVOCATIONS):
        refused(api.post(path, json={"instances": [{"b64": DEEP}]}), "b64")
        refused(api.post(path, content=b'{"instances":[{"b64":"a\\u0000"}]}'), "NUL")
        refused(api.post(path, content=b'{"instances":' + b"[" * 300_001), "lists")
        twice = b'{"instances":[{"x":' + b'{"a":1,"a":' * 900 + b"1" + b"}" * 900 + b"}]}"
        assert api.post(path, content=twice).status_code == 400


def test_a_table_is_not_flooded(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    columns = [f"c{number}" for number in range(100_000)]
    frame = {"dataframe_split": {"columns": columns, "data": [[1] * len(columns)]}}
    refused(api.post(INVOCATIONS, json=frame), "order")
    succeeded(store, artifacts, model="titanic", file=weights_of(TITANIC, TITANIC_PLAN))
    infer = "/v2/models/titanic/infer"

    def asked(*tensors: dict[str, Any], tail: bytes = b"") -> Any:
        head = json.dumps({"inputs": tensors}, separators=(",", ":")).encode()
        length = {"Inference-Header-Content-Length": str(len(head))}
        return api.post(infer, content=head + tail, headers=length)

    age = {"name": "Age", "datatype": "FP64", "shape": [1], "data": [1]}
    others = [{**age, "name": f"c{number}"} for number in range(15_000)]
    refused(asked(age, *others), "no column c0", OF_TEN_FAULTS)
    refused(asked(age, *others, *others), "1 to 20,000 tensors")
    refused(asked({**age, "shape": [10_001]}), "1 to 10,000 to model titanic/1")
    refused(asked({**age, "shape": [2**62]}), "1 to 10,000")
    refused(asked({**age, "shape": [2**32, 2**32]}), "shape")
    refused(asked({**age, "name": "Age" * 10_000}), "no column")
    refused(asked({**age, "data": DEEP}), "deep")
    refused(asked({**age, "data": [[1], 2]}), "unevenly")
    refused(asked({**age, "data": [10**400]}), "finite")
    refused(asked({**age, "data": [1e308]}), "too far")
    texts = [
        {"name": f"c{number}", "datatype": "BYTES", "shape": [10_000], "parameters": {"binary_data_size": 40_000}}
        for number in range(51)
    ]
    refused(asked(*texts, tail=bytes(51 * 40_000)), "500,000 elements")
    refused(
        api.post("/v1/models/titanic:predict", json={"instances": [dict.fromkeys(columns, 1)]}),
        "no column c0",
        OF_TEN_FAULTS,
    )
