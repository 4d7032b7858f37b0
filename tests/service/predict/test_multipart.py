"""Forms that are sent to /predict: which of their parts are pictures, and what their fields ask for."""

import io
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from service.artifacts import Artifacts
from service.errors import Invalid, Malformed
from service.predict.multipart import LONGEST_HEAD, MOST_FIELDS, read
from service.predict.schemas import MOST_EXPLAINED
from service.store.store import Store
from tests.answers import pointers, problem
from tests.pixels import images
from tests.records import succeeded


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: which database it is makes no difference to what is predicted."""
    return sqlite_url


def png() -> bytes:
    file = io.BytesIO()
    Image.fromarray(images(1)[0]).save(file, "PNG")
    return file.getvalue()


def post(api: TestClient, fields: dict[str, Any], query: str = "") -> Any:
    return api.post(f"/predict{query}", files=[("image", ("digit.png", png(), "image/png"))], data=fields)


def test_the_fields_of_a_form_are_heeded(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    job_id = succeeded(store, artifacts, model="mine")
    answer = post(api, {"model": "mine/1", "top_k": "2", "details": "true", "reject_below": "0", "timeout": "60"})
    assert answer.status_code == 200, answer.text
    (found,) = answer.json()["predictions"]
    assert len(found["top"]) == 2
    assert {"entropy", "rejected"} <= found.keys()
    assert answer.json()["model"]["job_id"] == job_id
    assert "gradient" in post(api, {"explain": "gradient"}, "?top_k=3").json()["predictions"][0]


def test_too_many_pictures_to_be_explained_are_refused_where_it_was_asked_for(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    succeeded(store, artifacts)
    pictures = [("image", ("digit.png", png(), "image/png"))] * (MOST_EXPLAINED + 1)
    asked = {"explain": "gradient"}
    assert pointers(api.post("/predict", files=pictures, data=asked)) == {"/explain"}
    assert pointers(api.post("/predict", files=pictures, params=asked)) == {"#query/explain"}


@pytest.mark.parametrize(
    ("fields", "query", "status", "pointer", "said"),
    [
        ({"model": "nope"}, "", 404, None, "called nope"),
        ({"modle": "x"}, "", 422, "/modle", "did you mean model?"),
        ({"topk": "3"}, "", 422, "/topk", "did you mean top_k?"),
        ({"threshold": "0.5"}, "", 422, "/threshold", "there are model, timeout"),
        ({"top_k": "11"}, "", 422, "/top_k", "knows 10 classes"),
        ({"top_k": ""}, "", 422, "/top_k", "integer"),
        ({"top_k": ["3", "4"]}, "", 422, "/top_k", "given 2 times"),
        ({"model": "a"}, "?model=a", 422, "/model", "in the query and in the form"),
        ({"model": "x" * 2000}, "", 422, "/model", "too long for a field"),
        ({"model": b"\xff"}, "", 422, "/model", "no text in UTF-8"),
        ({"model": "a\0b"}, "", 422, "/model", "pattern"),
        ({"a~/b": "x"}, "", 422, "/a~0~1b", "no form field a~/b"),
    ],
)
def test_what_a_field_may_not_say_is_refused_by_its_name(
    api: TestClient,
    store: Store,
    artifacts: Artifacts,
    fields: dict[str, Any],
    query: str,
    status: int,
    pointer: str | None,
    said: str,
) -> None:
    succeeded(store, artifacts)
    answer = post(api, fields, query)
    assert said in problem(answer, status)["detail"]
    if pointer is not None:
        assert pointers(answer) == {pointer}


def part(head: str, content: bytes) -> bytes:
    return b"--b\r\n" + head.encode() + b"\r\n\r\n" + content + b"\r\n"


@pytest.mark.parametrize(
    ("head", "content", "is_field"),
    [
        ('Content-Disposition: form-data; name="model"', b"x", True),
        ("content-disposition:form-data;NAME=model", b"x", True),
        ('Content-Disposition: form-data; name="model"\r\nContent-Type: text/plain; charset=utf-8', b"x", True),
        ('Content-Disposition: form-data; name="model"; filename="a.png"', b"x", False),
        ('Content-Disposition: form-data; filename="; name=model"; name="f"', b"x", False),
        ("Content-Disposition: form-data; name=\"f\"; filename*=UTF-8''a.png", b"x", False),
        ('Content-Disposition: form-data; name="f"\r\nContent-Type: image/png', b"x", False),
        ('Content-Disposition: form-data; name="f"', png(), False),
        ("Content-Disposition: form-data", b"x", False),
        ("X-Other: 1", b"x", False),
    ],
)
def test_a_part_is_a_field_if_it_is_named_text(head: str, content: bytes, is_field: bool) -> None:
    files, fields = read(part(head, content) + b"--b--\r\n", "boundary=b", 10)
    assert (files, fields) == (([], [("model", content.decode())]) if is_field else ([content], []))


def test_a_form_has_a_bounded_number_of_fields_and_at_least_one_file(api: TestClient) -> None:
    field = part('Content-Disposition: form-data; name="model"', b"x")
    with pytest.raises(Invalid, match="more than 100 fields"):
        read(field * (MOST_FIELDS + 1) + b"--b--\r\n", "boundary=b", 10)
    answer = api.post(
        "/predict", content=field + b"--b--\r\n", headers={"Content-Type": "multipart/form-data;boundary=b"}
    )
    assert "with a file name" in problem(answer, 422)["detail"]


@pytest.mark.parametrize(
    "parameters",
    ["boundary=b", ' BOUNDARY = "b"', 'charset="a;boundary=c\\"; boundary=d"; boundary=b', "boundary=b;boundary=b;"],
)
def test_the_boundary_of_a_form_may_be_quoted_and_stand_anywhere(parameters: str) -> None:
    assert read(part("A: b", b"x") + b"--b--\r\n", parameters, 10).files == [b"x"]


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ("", "needs one boundary"),
        ("boundary=", "needs one boundary"),
        ("boundary=b; boundary=c", "needs one boundary"),
        ("boundary*=utf-8''b", "needs one boundary"),
        (f"boundary*{'1' * 900}=b", "needs one boundary"),
        (f"boundary={'b' * 71}", "needs one boundary"),
        ('boundary="b "', "needs one boundary"),
        ('boundary="\xe9"', "needs one boundary"),
        (f'a="{";" * 1000}', "needs one boundary"),
        (f'a="{";" * 30_000}', "1,024 letters of parameters"),
        (f"boundary*{'1' * 5000}=b", "1,024 letters of parameters"),
    ],
)
def test_a_form_without_one_boundary_is_refused(parameters: str, said: str) -> None:
    with pytest.raises(Malformed, match=said):
        read(part("A: b", b"x") + b"--b--\r\n", parameters, 10)


def test_the_headers_of_a_part_are_bounded() -> None:
    short = "A: " + "b" * (LONGEST_HEAD - 100)
    assert read(part(short, b"x") + b"--b--\r\n", "boundary=b", 10).files == [b"x"]
    with pytest.raises(Invalid, match="more than 8,192 bytes"):
        read(part("A: b\r\n" * LONGEST_HEAD + "A: b", b"x") + b"--b--\r\n", "boundary=b", 10)
