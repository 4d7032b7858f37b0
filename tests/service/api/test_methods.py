"""405 lists all methods of a path, and the first address of the service leads everywhere."""

import pytest
from fastapi.testclient import TestClient

from service.artifacts import Artifacts
from service.store.store import Store
from tests.answers import problem
from tests.records import submit, succeeded


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: which methods there are does not depend on the database."""
    return sqlite_url


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PATCH", "/jobs", "GET, HEAD, POST"),
        ("POST", "/jobs/x", "GET, HEAD, PUT, DELETE"),
        ("GET", "/jobs/x/cancel", "POST"),
        ("POST", "/models/x/aliases/y", "GET, HEAD, PUT, DELETE"),
        ("DELETE", "/datasets", "GET, HEAD, POST"),
        ("GET", "/predict", "POST"),
        ("TRACE", "/jobs", "GET, HEAD, POST"),
        ("POST", "/livez", "GET, HEAD"),
        ("DELETE", "/v2/models/x/infer", "POST"),
        ("OPTIONS", "/v1/models/x:predict", "POST"),
        ("OPTIONS", "/v1/models/x", "GET, HEAD"),
        ("OPTIONS", "/jobs", "GET, HEAD, POST"),
        ("OPTIONS", "/predict", "POST"),
        ("DELETE", "/", "GET, HEAD"),
        ("POST", "/docs", "GET, HEAD"),
        ("PUT", "/openapi.json", "GET, HEAD"),
        ("POST", "/static/swagger-ui/swagger-ui.css", "GET, HEAD"),
        ("HEAD", "/jobs/x/cancel", "POST"),
        ("PUT", "/jobs/x/events", "GET, HEAD"),
    ],
)
def test_a_method_that_a_path_does_not_have_is_told_those_that_it_has(
    api: TestClient, method: str, path: str, allow: str
) -> None:
    answer = api.request(method, path)
    assert answer.status_code == 405
    assert answer.headers["allow"] == allow
    if method != "HEAD" and not path.startswith(("/v1", "/v2")):
        problem(answer, 405)


def test_head_is_get_without_the_body(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    job_id = succeeded(store, artifacts)
    events, stream = f"/jobs/{job_id}/events", {"Accept": "text/event-stream"}
    paths = [
        "/",
        "/jobs",
        f"/jobs/{job_id}",
        events,
        "/docs",
        "/openapi.json",
        "/livez",
        "/static/swagger-ui/swagger-ui.css",
    ]
    paths += [
        "/nowhere",
        "/jobs/none",
        "/jobs/none/events",
        "/jobs?lable=x",
        "/predict",
        "/static/nothing",
        "/v2/models/x",
    ]
    paths += [f"/jobs/{job_id}/checkpoints/best.safetensors", "/models/mnist/aliases/champion"]
    for path in paths:
        got, head = api.get(path), api.head(path)
        assert (head.status_code, head.content) == (got.status_code, b""), path
        assert {**head.headers, "date": ""} == {**got.headers, "date": ""}, path
    running = submit(store)
    streamed = api.head(f"/jobs/{running}/events", headers=stream)  # which GET would not end
    assert (streamed.status_code, streamed.content) == (200, b"")
    assert streamed.headers["content-type"].startswith("text/event-stream")


def test_the_first_address_says_what_answers_and_where_everything_is(api: TestClient) -> None:
    found = api.get("/").json()
    assert (found["name"], found["version"]) == ("tenfold", api.get("/version").json()["version"])
    documented = set(api.get("/openapi.json").json()["paths"])
    for link in found["links"].values():
        assert link in documented | {"/docs", "/openapi.json"}
    assert api.get(found["links"]["documentation"]).status_code == 200
