"""What tus 1.0 says of requests and answers, sentence by sentence: https://tus.io/protocols/resumable-upload."""

import hashlib
from base64 import b64encode
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.settings import Settings
from service.store.store import Store
from tests.answers import problem
from tests.service.api.behind import PROXY, proxied
from tests.service.api.routes.uploads import BYTES, FILE, TUS, begun, offset, sent

LAB = "https://lab.example.com"


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: what headers say does not depend on the database; the store's tests run on both."""
    return sqlite_url


def checksum(content: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm} {b64encode(hashlib.new(algorithm, content).digest()).decode()}"


def test_options_tell_what_is_spoken_to_whoever_asks(api: TestClient) -> None:
    answer = api.options("/uploads")
    assert (answer.status_code, answer.content) == (204, b"")
    said = {name: value for name, value in answer.headers.items() if name.startswith("tus-")}
    assert said == {
        "tus-resumable": "1.0.0",
        "tus-version": "1.0.0",
        "tus-extension": "creation,creation-defer-length,creation-with-upload,expiration,termination,checksum",
        "tus-max-size": "2000000",
        "tus-checksum-algorithm": "sha1,sha256",
    }
    assert api.put("/uploads").headers["allow"] == "GET, HEAD, POST, OPTIONS"
    assert api.post("/uploads/x").headers["allow"] == "GET, HEAD, PATCH, DELETE"


def test_a_file_comes_in_pieces_and_each_answer_says_how_far_it_has_come(api: TestClient, settings: Settings) -> None:
    described = "filename bGV0dGVycy5jc3Y=,relative cGF0aA==,is_empty"
    answer = api.post("/uploads", headers={**TUS, "Upload-Length": str(len(FILE)), "Upload-Metadata": described})
    place = answer.headers["location"]
    assert (answer.status_code, answer.content, answer.headers["upload-offset"]) == (201, b"", "0")
    assert place.startswith("/uploads/")
    assert answer.headers["tus-resumable"] == "1.0.0"
    for start in range(0, len(FILE), 200):
        assert offset(api, place) == start
        answer = sent(api, place, FILE[start : start + 200], start)
        assert (answer.status_code, answer.content, answer.headers["tus-resumable"]) == (204, b"", "1.0.0")
        assert int(answer.headers["upload-offset"]) == min(len(FILE), start + 200)
        assert parsedate_to_datetime(answer.headers["upload-expires"]).tzinfo is not None
    head = api.head(place, headers=TUS)
    assert (head.status_code, head.headers["cache-control"], head.content) == (200, "no-store", b"")
    assert head.headers["upload-offset"] == head.headers["upload-length"] == str(len(FILE))
    assert head.headers["upload-metadata"] == described
    assert settings.artifacts.joinpath(*place.split("/")).read_bytes() == FILE
    assert sent(api, place, b"", len(FILE)).status_code == 204, "who was not told that all is there asks again"
    shown = api.get(place)
    assert shown.headers["upload-offset"] == str(len(FILE))
    assert {name: shown.json()[name] for name in ("state", "offset", "length", "name")} == {
        "state": "whole",
        "offset": len(FILE),
        "length": len(FILE),
        "name": "letters.csv",
    }
    assert shown.json()["links"]["self"] == place


def test_another_version_of_tus_is_refused_and_told_which_is_spoken(api: TestClient) -> None:
    place = begun(api)
    for said in ({}, {"Tus-Resumable": "0.2.2"}, {"Tus-Resumable": "2.0.0"}):
        of_bytes = {**said, "Content-Type": BYTES["Content-Type"], "Upload-Offset": "0"}
        refused = [
            api.post("/uploads", headers={**said, "Upload-Length": "3"}),
            api.patch(place, content=b"abc", headers=of_bytes),
        ]
        refused += [api.get(place, headers=said), api.delete(place, headers=said)] if said else []
        for answer in refused:
            assert "Tus-Resumable: 1.0.0" in problem(answer, 412)["detail"]
            assert answer.headers["tus-version"] == "1.0.0"
    assert api.head(place, headers={"Tus-Resumable": "0.2.2"}).status_code == 412
    assert offset(api, place) == 0


def test_bytes_go_on_from_where_they_have_come_to_and_from_nowhere_else(api: TestClient) -> None:
    place = begun(api, 10)
    sent(api, place, b"abcd")
    for wrong in (0, 3, 5, 10):
        detail = problem(sent(api, place, b"xx", wrong), 409)["detail"]
        assert f"is at byte 4, and not at {wrong}" in detail
        assert f"HEAD {place}" in detail
    problem(api.patch(place, content=b"x", headers=BYTES), 400)
    problem(sent(api, place, b"x", 4, **{"Upload-Offset": "-1"}), 422)
    for kind in ("application/octet-stream", "text/csv", ""):
        problem(sent(api, place, b"xx", 4, **{"Content-Type": kind}), 415)
    problem(sent(api, place, b"xx", 4, **{"Content-Encoding": "gzip"}), 415)
    problem(sent(api, "/uploads/nowhere", b"xx"), 404)
    assert offset(api, place) == 4
    assert sent(api, place, b"efghij", 4).status_code == 204


def test_more_bytes_than_were_said_are_refused_and_nothing_of_them_is_kept(api: TestClient) -> None:
    place = begun(api, 10)
    assert "10 bytes by its Upload-Length" in problem(sent(api, place, b"x" * 11), 413)["detail"]
    problem(sent(api, place, iter([b"abcd", b"efghijk"])), 413)
    assert offset(api, place) == 0
    for length in ("2000001", "1" + "0" * 30):
        told = problem(api.post("/uploads", headers={**TUS, "Upload-Length": length}), 413)["detail"]
        assert "TENFOLD_MAX_UPLOAD_BYTES" in told


def test_what_is_said_twice_or_is_no_part_of_what_is_spoken_is_refused(api: TestClient) -> None:
    twice = [*TUS.items(), ("Upload-Length", "3"), ("Upload-Length", "4")]
    assert "Upload-Length several times" in problem(api.post("/uploads", headers=twice), 400)["detail"]
    for said in ("partial", "final;/uploads/a /uploads/b"):
        joined = {**TUS, "Upload-Length": "3", "Upload-Concat": said}
        assert "Tus-Extension" in problem(api.post("/uploads", headers=joined), 400)["detail"]
    assert api.get("/uploads").json()["data"] == []


def test_a_length_may_be_said_later_and_once(api: TestClient) -> None:
    answer = api.post("/uploads", headers={**TUS, "Upload-Defer-Length": "1"})
    place = answer.headers["location"]
    assert answer.headers["upload-defer-length"] == "1"
    sent(api, place, b"abc")
    head = api.head(place, headers=TUS)
    assert (head.headers["upload-defer-length"], "upload-length" in head.headers) == ("1", False)
    assert api.get(place).json()["state"] == "open"
    problem(sent(api, place, b"", 3, **{"Upload-Length": "2"}), 409)
    problem(sent(api, place, b"", 3, **{"Upload-Length": "2000001"}), 413)
    problem(sent(api, place, b"x" * 2_000_000, 3), 413)
    problem(sent(api, place, iter([b"x" * 1_000_000] * 2), 3), 413)
    at = offset(api, place)
    assert at == 3
    sent(api, place, b"", at, **{"Upload-Length": str(at + 1)})
    problem(sent(api, place, b"", at, **{"Upload-Length": "1999999"}), 409)
    sent(api, place, b"!", at)
    head = api.head(place, headers=TUS)
    assert (head.headers["upload-length"], "upload-defer-length" in head.headers) == (str(at + 1), False)
    for said in ({}, {"Upload-Length": "3", "Upload-Defer-Length": "1"}):
        problem(api.post("/uploads", headers={**TUS, **said}), 400)
    problem(api.post("/uploads", headers={**TUS, "Upload-Defer-Length": "2"}), 422)


def test_the_first_bytes_may_come_along(api: TestClient, store: Store) -> None:
    said = {**BYTES, "Upload-Length": "10"}
    answer = api.post("/uploads", content=b"abcd", headers=said)
    assert (answer.status_code, answer.headers["upload-offset"]) == (201, "4")
    assert sent(api, answer.headers["location"], b"efghij", 4).headers["upload-offset"] == "10"
    before = store.uploads.weight()
    problem(api.post("/uploads", content=b"x" * 11, headers=said), 413)
    problem(api.post("/uploads", content=b"abcd", headers={**said, "Upload-Checksum": checksum(b"abce")}), 460)
    problem(api.post("/uploads", content=b"abcd", headers={**said, "Content-Type": "text/csv"}), 415)
    assert store.uploads.weight() == before, "nobody was told where those are"


def test_a_body_whose_checksum_is_another_is_not_kept(api: TestClient) -> None:
    place = begun(api, 8)
    for algorithm in ("sha1", "sha256"):
        at = offset(api, place)
        refused = sent(api, place, b"abcd", at, **{"Upload-Checksum": checksum(b"abce", algorithm)})
        assert problem(refused, 460)["title"] == "Checksum Mismatch"
        assert offset(api, place) == at
        right = sent(api, place, b"abcd", at, **{"Upload-Checksum": checksum(b"abcd", algorithm)})
        assert right.headers["upload-offset"] == str(at + 4)
    for wrong in ("crc32 abcd", "sha256", "sha256 !", "sha1 YQ==x"):
        said = {"Upload-Checksum": wrong}
        assert "Upload-Checksum" in problem(sent(api, place, b"", 8, **said), 400)["detail"]


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("C:\\data\\a b.csv", "a b.csv"),
        ("../../etc/passwd", "passwd"),
        ("süß.csv", "süß.csv"),
        ("a\nb\0.csv", "ab.csv"),
        ("x" * 300, "x" * 255),
        ("folder/", None),
    ],
)
def test_a_file_is_called_what_its_sender_calls_it_without_folders(api: TestClient, given: str, name: str) -> None:
    assert api.get(begun(api, name=given)).json()["name"] == name


def test_metadata_that_is_none_is_refused(api: TestClient) -> None:
    for wrong in ("filename !", "filename a b", "name YQ==,name YQ=="):
        said = {**TUS, "Upload-Length": "1", "Upload-Metadata": wrong}
        assert "Upload-Metadata" in problem(api.post("/uploads", headers=said), 400)["detail"]
    problem(api.post("/uploads", headers={**TUS, "Upload-Length": "1", "Upload-Metadata": f"a {'A' * 4096}"}), 422)
    named = {**TUS, "Upload-Length": "1", "Upload-Metadata": "name YQ=="}
    assert api.get(api.post("/uploads", headers=named).headers["location"]).json()["name"] == "a"


def test_an_upload_is_ended_with_its_file(api: TestClient, settings: Settings) -> None:
    place = begun(api)
    sent(api, place, FILE[:10])
    answer = api.delete(place, headers=TUS)
    assert (answer.status_code, answer.content) == (204, b"")
    assert list((settings.artifacts / "uploads").iterdir()) == []
    for gone in (api.delete(place, headers=TUS), api.get(place), sent(api, place, b"x", 10)):
        assert "POST /uploads" in problem(gone, 404)["detail"]


def test_who_cannot_send_a_method_says_which_is_meant(api: TestClient) -> None:
    place = begun(api, 4)
    meant = {**BYTES, "Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"}
    assert api.post(place, content=b"abcd", headers=meant).headers["upload-offset"] == "4"
    assert api.get(place, headers={**TUS, "X-HTTP-Method-Override": "DELETE"}).status_code == 200, "of POST alone"
    assert api.post(place, headers={**TUS, "X-HTTP-Method-Override": "PUT"}).status_code == 405
    assert api.post("/jobs/x", headers={**TUS, "X-HTTP-Method-Override": "DELETE"}).status_code == 405
    assert api.post(place, headers={**TUS, "X-HTTP-Method-Override": "DELETE"}).status_code == 204


@pytest.fixture
def behind(settings: Settings) -> Iterator[TestClient]:
    with proxied(settings, trusted_proxies=(PROXY,), allowed_origins=(LAB,)) as client:
        yield client


def test_behind_a_proxy_an_upload_is_where_the_proxy_shows_it(behind: TestClient) -> None:
    outside = {**TUS, "Upload-Length": "1", "X-Forwarded-Prefix": "/ml", "X-Forwarded-Host": "ml.example.com"}
    place = behind.post("/uploads", headers=outside).headers["location"]
    assert place.startswith("/ml/uploads/")
    shown = behind.get(place, headers={"X-Forwarded-Prefix": "/ml"}).json()
    assert shown["links"] == {"self": place, "datasets": "/ml/datasets"}


def test_pages_of_allowed_origins_may_upload_and_no_others(behind: TestClient) -> None:
    asked = {"Origin": LAB, "Access-Control-Request-Method": "PATCH"}
    wanted = "content-type,tus-resumable,upload-offset,upload-checksum"
    preflight = behind.options("/uploads/x", headers={**asked, "Access-Control-Request-Headers": wanted})
    assert preflight.status_code == 204
    assert set(wanted.split(",")) <= set(preflight.headers["access-control-allow-headers"].lower().split(", "))
    assert "PATCH" in preflight.headers["access-control-allow-methods"]
    answer = behind.post("/uploads", headers={**TUS, "Origin": LAB, "Upload-Length": "1"})
    told = set(answer.headers["access-control-expose-headers"].split(", "))
    assert told >= {"Location", "Upload-Offset", "Upload-Length", "Upload-Expires", "Tus-Resumable", "Tus-Version"}
    assert answer.headers["access-control-allow-origin"] == LAB
    foreign: dict[str, Any] = {**BYTES, "Origin": "https://evil.example", "Upload-Length": "1", "Upload-Offset": "0"}
    place = answer.headers["location"]
    for refused in (
        behind.post("/uploads", headers=foreign),
        behind.patch(place, content=b"x", headers=foreign),
        behind.delete(place, headers=foreign),
        behind.post(place, headers={**foreign, "X-HTTP-Method-Override": "DELETE"}),
    ):
        problem(refused, 403)
    evil = {"Origin": "https://evil.example", "Access-Control-Request-Method": "PATCH"}
    assert behind.options(place, headers=evil).status_code == 405
    assert offset(behind, place) == 0
