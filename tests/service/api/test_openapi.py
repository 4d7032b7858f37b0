"""The OpenAPI document says what routes answer."""

import json
import re

import pytest
from fastapi.testclient import TestClient

from service.errors import rendered


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: how errors are worded does not depend on the database; the store's tests run on both."""
    return sqlite_url


def test_every_route_declares_its_errors_and_says_what_it_does(api: TestClient) -> None:
    document = api.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    for reference in re.findall(r'"\$ref": ?"([^"]+)"', json.dumps(document)):
        target = document
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]
    for path, methods in document["paths"].items():
        for method, route in methods.items():
            assert route["summary"], f"{method} {path}"
            assert route["description"], f"{method} {path}"
            for status, answer in route["responses"].items():
                if status >= "400" and (path, status) != ("/readyz", "503"):
                    media_type = rendered(int(status), "", path)[2]
                    assert media_type in answer["content"], f"{method} {path} {status}"


@pytest.mark.parametrize(
    ("method", "path", "statuses"),
    [
        ("post", "/v2/repository/models/{model}/load", {"413"}),
        ("post", "/v2/repository/models/{model}/unload", {"413"}),
        ("get", "/v2/models", {"503"}),
        ("post", "/v2/repository/index", {"503"}),
    ],
)
def test_a_status_that_is_answered_is_declared(api: TestClient, method: str, path: str, statuses: set[str]) -> None:
    if "413" in statuses:
        large = api.request(method, path.replace("{model}", "m"), content=b" " * (2**20 + 1))
        assert (large.status_code, large.headers["content-type"]) == (413, "application/json")
    assert statuses <= api.get("/openapi.json").json()["paths"][path][method]["responses"].keys()
