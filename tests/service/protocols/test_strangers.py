"""What no client of other model servers sends: refused before it costs much, and in few words."""

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.artifacts import Artifacts
from service.errors import LONGEST_DETAIL
from service.store.store import Store
from tests.answers import problem
from tests.pixels import JSON, images
from tests.records import succeeded

INFER, V1, INVOCATIONS = "/v2/models/default/infer", "/v1/models/default:predict", "/invocations"
FEW_BYTES = 1_000


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: which database it is makes no difference to what is predicted."""
    return sqlite_url


@pytest.fixture(autouse=True)
def model(store: Store, artifacts: Artifacts) -> str:
    """A model that can be asked."""
    return succeeded(store, artifacts)


def refused(answer: Any, words: str) -> None:
    """Check that this is a refusal of few words, which says these."""
    assert answer.status_code == 400, answer.text
    assert words in answer.json()["error"]
    assert len(answer.content) < FEW_BYTES


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
