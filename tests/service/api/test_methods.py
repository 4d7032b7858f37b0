"""405 lists all methods of a path, and the first address of the service leads everywhere."""

import pytest
from fastapi.testclient import TestClient

from tests.answers import problem


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
    ],
)
def test_a_method_that_a_path_does_not_have_is_told_those_that_it_has(
    api: TestClient, method: str, path: str, allow: str
) -> None:
    answer = api.request(method, path)
    assert answer.status_code == 405
    assert answer.headers["allow"] == allow
    if not path.startswith("/v2"):
        problem(answer, 405)


def test_the_first_address_says_what_answers_and_where_everything_is(api: TestClient) -> None:
    found = api.get("/").json()
    assert (found["name"], found["version"]) == ("tenfold", api.get("/version").json()["version"])
    documented = set(api.get("/openapi.json").json()["paths"])
    for link in found["links"].values():
        assert link in documented | {"/docs", "/openapi.json"}
    assert api.get(found["links"]["documentation"]).status_code == 200
