"""Every route that takes JSON reads it strictly; what cannot be taken is refused by all of them alike."""

import gzip
import json

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from service.api.documents import DocumentRoute
from service.api.routes import adoption, aliases, ensembles, exports, models, sweeps
from service.api.routes.datasets import data_versions, rows, sets
from service.api.routes.jobs import actions, checkpoints, evaluation, events, holding, metrics, plots, submit
from service.artifacts import Artifacts
from service.predict.requests import MAX_FLAT_BYTES
from service.protocols.tensors import MAX_LISTS, MAX_QUOTES
from service.store.store import Store
from tests.answers import pointers, problem
from tests.pixels import JSON
from tests.records import succeeded

BLANK = json.dumps([[0, 255] * 14] * 28).encode()
ROUTERS = (
    submit,
    actions,
    holding,
    metrics,
    plots,
    evaluation,
    checkpoints,
    events,
    sweeps,
    models,
    aliases,
    ensembles,
    adoption,
    exports,
    sets,
    data_versions,
    rows,
)


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: how bodies are read does not depend on the database."""
    return sqlite_url


@pytest.fixture
def model(store: Store, artifacts: Artifacts) -> str:
    """A job that has succeeded: the model that answers."""
    return succeeded(store, artifacts)


def test_every_route_with_a_document_is_one_that_reads_it_strictly() -> None:
    routes = [route for of in ROUTERS for route in of.router.routes if isinstance(route, APIRoute)]
    with_body = [route for route in routes if route.body_field is not None]
    assert {type(route) for route in with_body} == {DocumentRoute}
    assert len(with_body) >= 6


NATIVE = {
    "/jobs": b'{"labels": {"a": %b}}',
    "/jobs/%b/continue": b'{"epochs": %b}',
    "/sweeps": b'{"base": {"labels": {"a": %b}}, "grid": {"seed": [1]}}',
    "/models": b'{"name": %b}',
    "/predict": b'{"model": %b, "image": ' + BLANK + b"}",
    "/predict ": b'{"image": ' + BLANK.replace(b"0", b"%b", 1) + b"}",
}
FOREIGN = {
    "/invocations": b'{"inputs": [' + BLANK.replace(b"0", b"%b", 1) + b"]}",
    "/v1/models/default:predict": b'{"instances": [' + BLANK + b'], "signature_name": %b}',
    "/v2/models/default/infer": b'{"id": %b, "inputs": [{"name": "x", "datatype": "FP32", "shape": [1,784], "data": '
    + BLANK
    + b"}]}",
}
NASTY = [b"NaN", b"Infinity", b"1e999", b"1" * 5000, b'"\\ud800"', b'"\\u0000"', b"[" * 2000 + b"]" * 2000]


def test_a_value_that_nobody_can_answer_is_refused_everywhere(api: TestClient, model: str) -> None:
    for value in NASTY:
        for path, body in NATIVE.items():
            answer = api.post(path.strip().replace("%b", model), content=body.replace(b"%b", value), headers=JSON)
            assert problem(answer, 422)["detail"]
        if b"NaN" in value:  # which these clients write for what is missing
            continue
        for path, body in FOREIGN.items():  # whose clients do not know 422
            answer = api.post(path, content=body.replace(b"%b", value), headers=JSON)
            assert (answer.status_code, "error" in answer.json()) == (400, True), (path, answer.text)


def test_a_field_that_is_given_twice_counts_nowhere(api: TestClient, model: str, store: Store) -> None:
    count = len(store.jobs.find(limit=10))
    bodies = {
        "/jobs": (b'{"epochs": 1, "epochs": 9}', "/epochs"),
        f"/jobs/{model}/continue": (b'{"epochs": 1, "changes": {"seed": 1, "seed": 2}}', "/changes/seed"),
        "/sweeps": (b'{"grid": {"seed": [1], "seed": [2]}}', "/grid/seed"),
        "/models": (b'{"name": "a", "name": "b", "members": []}', "/name"),
        "/predict": (b'{"image": %b, "top_k": 1, "top_k": 2}' % BLANK, "/top_k"),
    }
    for path, (body, pointer) in bodies.items():
        assert pointers(api.post(path, content=body, headers=JSON)) == {pointer}, path
    champion = "/models/mnist/aliases/champion"
    answer = api.put(champion, content=b'{"version": 1, "versions": {"1": 0.5, "1": 0.5}}', headers=JSON)
    assert pointers(answer) == {"/versions/1"}
    assert len(store.jobs.find(limit=10)) == count


def test_unknown_fields_are_counted_and_ten_of_them_told(api: TestClient) -> None:
    fields = {f"field{number}": 0 for number in range(200)}
    for path in ("/predict", "/jobs"):
        told = problem(api.post(path, json=fields), 422)
        assert len(told["errors"]) == 10
        assert "197 more" in told["detail"]
    long = problem(api.post("/predict", json={"x" * 5000: 0}), 422)
    assert len(long["detail"]) < 300


LONG: dict[str, tuple[str, bytes]] = {
    "unknown keys": ("/predict", b"{%b}" % b",".join(b'"k%d":1' % number for number in range(70_000))),
    "opened lists": ("/predict", b"[" * 2**20),
    "opened objects": ("/predict", b'{"a":' * 2**18),
    "commas": ("/predict", b"," * 2**20),
    "empty images": ("/predict", b'{"images":[' + b"[]," * 2**18 + b"[]]}"),
    "short rows": ("/predict", b'{"image":[' + b"[0]," * 2**18 + b"[0]]}"),
    "an image without end": ("/predict", b'{"images":[[[' + b"0," * 2**19 + b"0]]]}"),
    "something behind": ("/predict", b'{"images":[' + BLANK + b"," * 2**20 + b"]}"),
    "keys behind": ("/predict", b'{"images":[%b],%b}' % (BLANK, b",".join(b'"k%d":1' % n for n in range(70_000)))),
    "letters": ("/predict", b'{"images_base64":"%b"}' % (b"A" * MAX_FLAT_BYTES)),
    "lists": ("/invocations", b'{"instances":[' + b"[]," * MAX_LISTS + b"[]]}"),
    "strings": ("/invocations", b'{"instances":[' + b'"",' * MAX_QUOTES + b'""]}'),
    "strings for v1": ("/v1/models/default:predict", b'{"instances":[' + b'"",' * MAX_QUOTES + b'""]}'),
    "objects": ("/v2/models/default/infer", b'{"inputs":[' + b"{}," * MAX_LISTS + b"{}]}"),
    "trials": ("/sweeps", b'{"trials":[' + b"1," * 250_000 + b"1]}"),
    "keys of a sweep": ("/sweeps", b"{%b}" % b",".join(b'"k%d":1' % number for number in range(70_000))),
}


def test_what_would_explode_is_refused(api: TestClient, model: str) -> None:
    for which, (path, body) in LONG.items():
        answer = api.post(path, content=body, headers=JSON)
        assert answer.status_code == (422 if path in {"/predict", "/sweeps"} else 400), (which, answer.text[:200])
        assert len(answer.content) < 10_000


def test_a_csv_of_other_lines_than_images_is_refused(api: TestClient, model: str) -> None:
    lines = [line * 2**18 for line in (b"\n", b"a\r", b"1,1\n", b" \r\n")]
    for content in (*lines, b"," * 2**20, b"1," * 2**19, b"", b"\n", b"a,b\n", b"0," * 784 + b"0\n"):
        answer = api.post("/invocations", content=content, headers={"Content-Type": "text/csv"})
        assert (answer.status_code, answer.json()["error"] != "") == (400, True), content[:20]


def test_documents_are_a_mebibyte_at_most_and_specs_64_kib(api: TestClient, model: str) -> None:
    for path, most in {"/jobs": 2**16, "/sweeps": 2**20, "/models": 2**20}.items():
        problem(api.post(path, content=b" " * (most + 1), headers=JSON), 413)


def test_a_body_in_a_coding_is_refused_where_none_is_undone(api: TestClient, model: str) -> None:
    first, last = (
        [*JSON.items(), *(("Content-Encoding", coding) for coding in codings)]
        for codings in (("gzip", "identity"), ("identity", "gzip"))
    )
    for path in (*NATIVE, "/invocations", "/v1/models/default:predict"):
        body = gzip.compress(b'{"image": %b}' % BLANK)
        for headers in (first, last):
            assert api.post(path.strip().replace("%b", model), content=body, headers=headers).status_code == 415, path
    csv = [("Content-Type", "text/csv"), ("Content-Encoding", "identity"), ("Content-Encoding", "gzip")]
    assert api.post("/datasets?name=mine", content=b"", headers=csv).status_code == 415
