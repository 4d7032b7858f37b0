"""Files over HTTP: under which conditions they are sent, and which part of them."""

import pytest
from fastapi.testclient import TestClient

from service.artifacts import Artifacts
from service.store.store import Store
from tests.answers import problem
from tests.records import succeeded


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: how files are sent does not depend on the database."""
    return sqlite_url


@pytest.fixture
def files(api: TestClient, store: Store, artifacts: Artifacts) -> list[str]:
    """The paths of the same file: a checkpoint, and a version."""
    job_id = succeeded(store, artifacts, model="m")
    return [f"/jobs/{job_id}/checkpoints/best.safetensors", "/models/m/versions/1/export.safetensors"]


def test_if_match_holds_of_the_strong_tag_alone(api: TestClient, files: list[str]) -> None:
    for path in files:
        whole = api.get(path)
        tag = whole.headers["etag"]
        for holds in (tag, "*", f'"other", {tag}'):
            assert api.get(path, headers={"If-Match": holds}).content == whole.content
        several = [("If-Match", '"other"'), ("If-Match", tag)]
        assert api.get(path, headers=several).status_code == 200
        for method in ("GET", "HEAD"):
            for fails in ('"other"', f"W/{tag}"):
                answer = api.request(method, path, headers={"If-Match": fails, "If-None-Match": tag})
                assert answer.status_code == 412
        assert tag in problem(api.get(path, headers={"If-Match": '"other"', "Range": "bytes=0-4"}), 412)["detail"]
        assert "If-Match" in problem(api.get(path, headers={"If-Match": "other"}), 400)["detail"]


def test_ranges_are_of_bytes_and_of_get(api: TestClient, files: list[str]) -> None:
    for path in (*files, "/static/swagger-ui/swagger-ui.css"):
        whole = api.get(path)
        assert api.get(path, headers={"Range": "bytes=1-4"}).content == whole.content[1:5]
        assert api.get(path, headers={"Range": "Bytes=-3"}).content == whole.content[-3:]
        for unknown in ("items=0-4", "seconds=1-", "items"):
            answer = api.get(path, headers={"Range": unknown})
            assert (answer.status_code, answer.content) == (200, whole.content), unknown
        for wanted in ("bytes=0-4", f"bytes={len(whole.content)}-", "items=0-4", "bytes=x"):
            head = api.head(path, headers={"Range": wanted})
            assert (head.status_code, head.headers["content-length"]) == (200, str(len(whole.content))), wanted
        behind = api.get(path, headers={"Range": f"bytes={len(whole.content)}-"})
        assert behind.headers["content-range"] == f"bytes */{len(whole.content)}"
        problem(behind, 416)
        problem(api.get(path, headers={"Range": "bytes=4-1"}), 400)


def test_several_ranges_are_parts_of_one_answer(api: TestClient, files: list[str]) -> None:
    whole = api.get(files[0]).content
    answer = api.get(files[0], headers={"Range": f"bytes=0-3,100-199,{len(whole) - 2}-"})
    assert answer.status_code == 206
    parts = [part.partition(b"\r\n\r\n")[2] for part in answer.content.split(b"\r\n--")]
    assert parts[:3] == [whole[:4], whole[100:200], whole[-2:]]


def test_a_head_reads_nothing_of_the_file(api: TestClient, files: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.pread", None)
    assert api.head(files[0]).status_code == 200


def test_every_file_declares_what_may_be_answered(api: TestClient) -> None:
    paths = api.get("/openapi.json").json()["paths"]
    routes = {path: methods["get"] for path, methods in paths.items() if "get" in methods}
    of_files = {path: route for path, route in routes.items() if "206" in route["responses"]}
    assert len(of_files) == 7
    for path, route in of_files.items():
        assert {"200", "206", "304", "400", "404", "412", "416", "503"} <= set(route["responses"]), path
        named = {parameter["name"] for parameter in route["parameters"]}
        assert {"range", "if-range", "if-match", "if-none-match"} <= named, path
