"""Uploads: kept once, whole or not at all, with what was said about them."""

import json
import zipfile
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.settings import Settings
from service.store.store import Store
from tests.answers import problem


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: how errors are worded does not depend on the database; the store's tests run on both."""
    return sqlite_url


def rows(count: int = 30) -> bytes:
    return "\n".join(",".join([str(number % 10), *["7"] * 784]) for number in range(count)).encode()


def upload(api: TestClient, content: bytes = rows(), name: str = "letters", kind: str = "text/csv", **said: Any) -> Any:
    return api.post("/datasets", params={"name": name, **said}, content=content, headers={"Content-Type": kind})


def form(api: TestClient, body: bytes, **said: str) -> Any:
    return upload(api, body, kind='multipart/form-data; boundary="x y"', **said)


def test_an_upload_is_a_version_that_is_read_and_the_same_again_is_that_version(
    api: TestClient, settings: Settings
) -> None:
    answer = upload(api)
    version = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (202, "/datasets/letters/versions/1")
    assert (version["name"], version["version"], version["state"]) == ("letters", 1, "reading")
    assert version["file"] == {"name": None, "size": len(rows()), "sha256": version["file"]["sha256"]}
    again = upload(api, kind="application/vnd.ms-excel")
    assert (again.status_code, again.json()) == (200, version)
    assert again.headers["location"] == answer.headers["location"]
    assert upload(api, rows(31)).json()["version"] == 2
    assert upload(api, name="others").json()["version"] == 1, "another data set may have the same bytes"
    assert len(list(settings.artifacts.rglob("file-*"))) == 3
    assert api.get("/datasets/letters").headers["retry-after"] == "2"


@pytest.mark.parametrize("cut", [1, 7, 10_000])
def test_a_form_brings_the_file_in_its_one_part(api: TestClient, settings: Settings, cut: int) -> None:
    head = b'--x y\r\nContent-Disposition: form-data; name="file"; filename="C:\\\\data\\\\a b.csv"\r\n'
    body = b"preamble\r\n" + head + b"Content-Type: text/csv\r\n\r\n" + rows() + b"\r\n--x y--\r\nepilogue"
    chunks = iter([body[start : start + cut] for start in range(0, len(body), cut)])
    kind = {"Content-Type": 'multipart/form-data; boundary="x y"'}
    answer = api.post("/datasets?name=letters", content=chunks, headers=kind)
    assert answer.status_code == 202, answer.text
    assert answer.json()["file"]["name"] == "a b.csv"
    (kept,) = settings.artifacts.rglob("file-*")
    assert kept.read_bytes() == rows()
    assert upload(api).status_code == 200, "the bytes are what counts"
    assert api.post("/datasets?name=letters", files={"file": ("b.csv", rows())}).status_code == 200


def test_forms_that_cannot_be_read_are_refused_and_nothing_of_them_is_kept(
    api: TestClient, store: Store, settings: Settings
) -> None:
    part = b'--x y\r\nContent-Disposition: form-data; name="%b"\r\n\r\n0,1\r\n'
    named = b'--x y\r\nContent-Disposition: form-data; name="%b"; filename="%b"\r\n\r\n0,1\r\n'
    for body, told in (
        (
            part % b"file" + part % b"label" + b"--x y--",
            "a part label; its parts are file, once or for each of several",
        ),
        (part % b"data" + b"--x y--", "a part data; its parts are file"),
        (part % b"file" * 21 + b"--x y--", "more than 20 parts; send fewer files, or one ZIP of them"),
        (named % (b"file", b"a.npy") * 2 + b"--x y--", "two parts of the form are called a.npy; give each file a name"),
        (b"--x y\r\n\r\n0,1\r\n--x y--", "a part without a name"),
        (b"--x y--\r\n", "no part"),
    ):
        assert told in problem(form(api, body), 422)["detail"]
    for body in (part % b"file", part % b"file" * 2, part % b"file" + b"--x y", b"", b"--x y\r\nA: " + b"b" * 10_000):
        problem(form(api, body), 400)
    assert "boundary" in problem(upload(api, kind="multipart/form-data"), 400)["detail"]
    assert store.datasets.get("letters") is None
    assert not [path for path in settings.artifacts.rglob("*") if path.is_file()]


@pytest.mark.parametrize("cut", [1, 7, 10_000])
def test_several_files_of_a_form_are_kept_as_one_zip_of_them(api: TestClient, settings: Settings, cut: int) -> None:
    part = b'--x y\r\nContent-Disposition: form-data; name="%b"; filename="%b"\r\nContent-Type: a/b\r\n\r\n%b\r\n'
    body = (
        part % (b"file", b"C:\\data\\a.npy", b"one\r\n--x")
        + part % (b"file", b"", b"")
        + part % (b"file", b"b.npy", b"")
    )
    body += part % (b"images", b"c d", b"2" * 3_000) + part % (b"labels", "é".encode(), b"3") + b"--x y--"
    chunks = iter([body[start : start + cut] for start in range(0, len(body), cut)])
    kind = {"Content-Type": 'multipart/form-data; boundary="x y"'}
    answer = api.post("/datasets?name=letters", content=chunks, headers=kind)
    assert answer.status_code == 202, answer.text
    assert answer.json()["file"]["name"] == "a.npy and 3 more.zip"
    (stored,) = [path for path in settings.artifacts.rglob("*") if path.is_file()]
    with zipfile.ZipFile(stored) as archive:
        assert {about.filename: archive.read(about) for about in archive.infolist()} == {
            "a.npy": b"one\r\n--x", "b.npy": b"", "images/c d": b"2" * 3_000, "labels/é": b"3"
        }  # fmt: skip
        assert {about.compress_type for about in archive.infolist()} == {zipfile.ZIP_STORED}
    again = api.post("/datasets?name=letters", content=body, headers=kind)
    assert (again.status_code, again.json()["version"]) == (200, 1), "equal files make equal bytes, whenever they come"


def test_one_file_of_a_form_stays_what_it_is_beside_an_input_left_empty(api: TestClient, settings: Settings) -> None:
    part = b'--x y\r\nContent-Disposition: form-data; name="file"; filename="%b"\r\n\r\n%b\r\n'
    answer = form(api, part % (b"", b"") + part % (b"a.csv", rows()) + b"--x y--")
    assert (answer.status_code, answer.json()["file"]["name"]) == (202, "a.csv")
    assert upload(api).status_code == 200


def test_uploads_that_cannot_be_are_refused(api: TestClient, settings: Settings) -> None:
    assert "the body is empty; send the file" in problem(upload(api, b""), 422)["detail"]
    problem(upload(api, name="../x"), 422)
    assert "is built in" in problem(upload(api, name="mnist"), 409)["detail"]
    assert "append=true" in problem(upload(api, rows(3000)), 413)["detail"]
    assert "append=true" in problem(api.post("/datasets?name=x", content=iter([rows(3000)])), 413)["detail"]
    packed = {"Content-Type": "text/csv", "Content-Encoding": "gzip"}
    problem(api.post("/datasets?name=zip", content=b"x", headers=packed), 415)
    assert not [path for path in settings.artifacts.rglob("*") if path.is_file()]


def test_a_length_may_have_thousands_of_zeros_in_front(api: TestClient) -> None:
    headers = {"Content-Type": "text/csv", "Content-Length": "0" * 5_000 + str(len(rows()))}
    answer = api.post("/datasets?name=mine", content=rows(), headers=headers)
    assert answer.status_code == 202, answer.text


def test_options_come_one_by_one_or_together_and_hold_for_the_next_version(api: TestClient) -> None:
    first = upload(api, label="0", header="false", options='{"ignore": ["Id"], "size": [8, 8]}').json()
    assert first["options"] == {"label": 0, "header": False, "ignore": ["Id"], "size": [8, 8]}
    assert upload(api, rows(31), label="digit").json()["options"] == first["options"] | {"label": "digit"}
    taken_back = upload(api, rows(32), options='{"label": null, "size": null}').json()
    assert taken_back["options"] == {"header": False, "ignore": ["Id"]}
    for number, (size, kept) in enumerate([("8x9", [8, 9]), ("8", [8, 8]), ("[8,9]", [8, 9])], start=33):
        plain = upload(api, rows(number), size=size, scale="0,16").json()
        assert (plain["options"]["size"], plain["options"]["scale"]) == (kept, [0, 16])
    again = api.post("/datasets/letters/versions", json={"from": 1, "options": {"label": "species"}})
    assert (again.status_code, again.headers["location"]) == (202, "/datasets/letters/versions/7")
    assert again.json()["options"] == first["options"] | {"label": "species"}
    assert again.json()["file"] == first["file"]
    same = api.post("/datasets/letters/versions", json={"from": 7, "options": {"label": 0}})
    assert (same.status_code, same.json()["version"]) == (200, 1)


@pytest.mark.parametrize(
    ("said", "place", "told"),
    [
        ({"lable": "x"}, "#query/lable", "did you mean label?"),
        ({"options": '{"lable": 1}'}, "#query/options/lable", "did you mean label?"),
        ({"options": '{"qqqq": 1}'}, "#query/options/qqqq", "there are label, ignore"),
        ({"options": "[1]"}, "#query/options", "a JSON object"),
        ({"options": "{"}, "#query/options", "a JSON object"),
        ({"options": '{"scale": [1, 0]}'}, "#query/options", "the first number must be less than the second"),
        ({"options": '{"size": [0, 8]}'}, "#query/options/size/0", "greater than or equal to 1"),
        ({"channels": "2"}, "#query/channels", "1 or 3"),
        ({"separator": ";;"}, "#query/separator", "at most 1"),
        ({"size": "large"}, "#query/size", "say height and width, as 28x28"),
        ({"scale": "all"}, "#query/scale", "the least and the greatest number of a pixel, as 0,255"),
        ({"fit": "shrink"}, "#query/fit", "'stretch', 'pad' or 'crop'"),
        ({"missing": "skip"}, "#query/missing", "'impute' or 'refuse'"),
        ({"label": "a", "options": '{"label": "b"}'}, "#query/label", "given twice"),
    ],
)
def test_options_that_are_wrong_are_refused_in_their_place(
    api: TestClient, store: Store, said: dict[str, Any], place: str, told: str
) -> None:
    answer = problem(upload(api, **said), 422)
    assert [error["pointer"] for error in answer["errors"]] == [place], json.dumps(answer)
    assert told in answer["errors"][0]["detail"]
    assert store.datasets.get("letters") is None


def test_what_cannot_be_read_anew_is_refused(api: TestClient) -> None:
    upload(api)
    again = "/datasets/letters/versions"
    assert "did you mean label?" in problem(api.post(again, json={"from": 1, "options": {"labl": 1}}), 422)["detail"]
    problem(api.post(again, json={"from": 9}), 404)
    problem(api.post("/datasets/nobody/versions", json={"from": 1}), 404)
    problem(api.post(again, json={"from": 1, "label": "x"}), 422)
    problem(api.post(again, content=b"x", headers={"Content-Type": "text/csv"}), 415)
    assert "is built in" in problem(api.post("/datasets/digits/versions", json={"from": 1}), 409)["detail"]


def test_what_a_reading_says_can_be_said_back(api: TestClient) -> None:
    said: dict[str, Any] = {
        "separator": "semicolon",
        "types": '{"joined": "date"}',
        "ignore": "Id",
        "size": "[28, 28]",
        "fit": "pad",
        "scale": "[0, 255]",
        "classes": '["no", "yes"]',
    }
    options = upload(api, **said).json()["options"]
    assert options == {
        "separator": ";",
        "types": {"joined": "date"},
        "ignore": ["Id"],
        "size": [28, 28],
        "fit": "pad",
        "scale": [0.0, 255.0],
        "classes": ["no", "yes"],
    }
    assert upload(api, ignore="5").json()["options"]["ignore"] == [5], "a place"
    assert upload(api, ignore='["Id", "Name"]').json()["options"]["ignore"] == ["Id", "Name"]
    refused = problem(upload(api, types="joined"), 422)
    assert refused["detail"] == "types is to be written as JSON; 'joined' is none"


def test_a_version_that_is_being_read_is_looked_at_without_waiting(api: TestClient) -> None:
    upload(api)
    answer = api.get("/datasets/letters/versions/1", params={"wait": 0})
    assert (answer.status_code, answer.json()["state"]) == (200, "reading")


def test_who_names_no_data_set_is_told_how(api: TestClient) -> None:
    answer = problem(api.post("/datasets", content=rows(), headers={"Content-Type": "text/csv"}), 422)
    assert answer["errors"] == [
        {"pointer": "#query/name", "detail": "this is missing; say it in the address, as ?name=..."}
    ]
