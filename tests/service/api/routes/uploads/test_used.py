"""An upload that is whole becomes a version of a data set: by a pointer, once, and as often as it is asked for."""

import hashlib
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from service.settings import Settings
from service.store.data_tables import uploads
from service.store.store import Store
from tests.answers import pointers, problem
from tests.service.api.routes.uploads import FILE, TUS, begun, sent, whole

DIGEST = hashlib.sha256(FILE).hexdigest()


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: what is used does not depend on the database; the store's tests run on both."""
    return sqlite_url


def use(api: TestClient, upload_id: str, name: str = "letters", **said: Any) -> Any:
    headers = {"Idempotency-Key": said.pop("key")} if "key" in said else {}
    return api.post("/datasets", params={"name": name, "upload": upload_id, **said}, headers=headers)


def files(settings: Settings) -> list[str]:
    found = (path for path in settings.artifacts.rglob("*") if path.is_file())
    return sorted(str(path.relative_to(settings.artifacts)) for path in found)


def test_an_upload_is_the_file_of_a_version_without_a_copy(api: TestClient, settings: Settings, store: Store) -> None:
    upload_id = whole(api)
    answer = use(api, upload_id)
    assert (answer.status_code, answer.headers["location"]) == (202, "/datasets/letters/versions/1")
    assert answer.json()["file"] == {"name": "letters.csv", "size": len(FILE), "sha256": DIGEST}
    assert files(settings) == [f"uploads/{upload_id}"]
    assert api.get("/datasets/letters/versions/1/file").content == FILE
    again = use(api, upload_id)
    assert (again.status_code, again.json()) == (200, answer.json())
    assert use(api, upload_id, header="true").json()["version"] == 2, "other options"
    assert use(api, upload_id, name="others").json()["version"] == 1, "another name"
    assert files(settings) == [f"uploads/{upload_id}"], "all of them have the one file"
    assert store.uploads.weight() == (0, 0), "it takes no room of its own any more"


def test_a_version_outlives_its_upload_and_an_upload_its_version(api: TestClient, settings: Settings) -> None:
    first, second = whole(api), whole(api, FILE + b"\n1,1,1")
    use(api, first)
    use(api, second, name="others")
    assert api.delete(f"/uploads/{first}", headers=TUS).status_code == 204
    assert api.get("/datasets/letters/versions/1/file").content == FILE
    assert api.delete("/datasets/letters").status_code == 204
    assert api.delete("/datasets/others").status_code == 204
    assert files(settings) == [f"uploads/{second}"]
    assert use(api, second, name="others").json()["version"] == 1 + 1
    problem(use(api, first), 404)


def test_equal_bytes_lie_there_once_however_they_came(api: TestClient, settings: Settings, store: Store) -> None:
    sent_whole = api.post("/datasets?name=letters", content=FILE, headers={"Content-Type": "text/csv"})
    upload_id = whole(api)
    answer = use(api, upload_id)
    assert (answer.status_code, answer.json()) == (200, sent_whole.json())
    (kept,) = files(settings)
    assert kept.startswith("datasets/letters/file-")
    assert use(api, upload_id).status_code == 200
    assert use(api, upload_id, name="others").status_code == 202, "its bytes are there, though its file is not"
    assert api.delete("/datasets/letters").status_code == 204
    assert api.get("/datasets/others/versions/1/file").content == FILE
    assert store.uploads.weight() == (0, 0)


def test_an_upload_of_which_bytes_are_missing_is_not_used(api: TestClient) -> None:
    place = begun(api, 10)
    sent(api, place, b"abcd")
    upload_id = place.rpartition("/")[2]
    assert "has 4 of its 10 bytes" in problem(use(api, upload_id), 409)["detail"]
    endless = api.post("/uploads", headers={**TUS, "Upload-Defer-Length": "1"}).headers["location"]
    assert "a length that has not been said" in problem(use(api, endless.rpartition("/")[2]), 409)["detail"]
    problem(use(api, "nowhere"), 404)
    empty = begun(api, 0).rpartition("/")[2]
    assert pointers(use(api, empty)) == {"#query/upload"}
    problem(api.get("/datasets/letters"), 404)


def test_with_an_upload_the_body_is_empty(api: TestClient) -> None:
    refused = api.post(f"/datasets?name=letters&upload={whole(api)}", content=b"1,2,3")
    assert "send one of them" in problem(refused, 422)["detail"]


def test_what_is_asked_for_under_a_key_is_done_once_even_when_the_upload_is_gone(api: TestClient) -> None:
    upload_id = whole(api)
    first = use(api, upload_id, key="k")
    assert first.status_code == 202
    api.delete(f"/uploads/{upload_id}", headers=TUS)
    assert use(api, upload_id, key="k").json() == first.json()
    problem(use(api, whole(api), key="k"), 422)


def test_bytes_that_are_gone_or_others_are_told_and_not_used(api: TestClient, settings: Settings) -> None:
    gone, shorter, begun_only = whole(api), whole(api), begun(api, 10)
    sent(api, begun_only, b"abcd")
    folder = settings.artifacts / "uploads"
    (folder / gone).unlink()
    (folder / shorter).write_bytes(FILE[:-1])
    for upload_id in (gone, shorter):
        assert f"DELETE /uploads/{upload_id}" in problem(use(api, upload_id), 500)["detail"]
    # Nor does anybody write behind a hole.
    (settings.artifacts / begun_only[1:]).write_bytes(b"abc")
    assert f"DELETE {begun_only}" in problem(sent(api, begun_only, b"efghij", 4), 500)["detail"]
    (settings.artifacts / begun_only[1:]).unlink()
    assert f"DELETE {begun_only}" in problem(sent(api, begun_only, b"efghij", 4), 500)["detail"]


def test_an_upload_that_expired_is_gone_with_its_file(api: TestClient, settings: Settings, store: Store) -> None:
    used, kept, old = whole(api), begun(api, 4), begun(api, 4)
    use(api, used)
    sent(api, old, b"ab")
    with store.database.writer.begin() as connection:
        too_old = uploads.c.id.in_([used, old.rpartition("/")[2]])
        connection.execute(update(uploads).where(too_old).values(expires_at=1))
    for answer in (api.get(old), sent(api, old, b"cd", 2), use(api, used), api.delete(old, headers=TUS)):
        assert "TENFOLD_UPLOAD_HOURS" in problem(answer, 404)["detail"]
    assert [one["id"] for one in api.get("/uploads").json()["data"]] == [kept.rpartition("/")[2]]
    begun(api)  # which makes room
    assert files(settings) == [f"uploads/{used}"], "the version has it"
    assert api.get("/datasets/letters/versions/1/file").content == FILE


def test_at_most_so_many_are_open_and_those_that_are_used_do_not_count(
    api: TestClient, settings: Settings, store: Store
) -> None:
    object.__setattr__(api.app.state.dependencies.store.uploads, "most", 2)  # type: ignore[attr-defined]
    first, second = whole(api), begun(api, 4)
    sent(api, second, b"ab")
    refused = api.post("/uploads", headers={**TUS, "Upload-Length": "1"})
    detail = problem(refused, 429)["detail"]
    assert refused.headers["retry-after"] == "60"
    assert all(word in detail for word in ("TENFOLD_OPEN_UPLOADS", "POST /datasets", "DELETE /uploads/{id}"))
    listed = api.get("/uploads?limit=1").json()
    assert (listed["open"], listed["bytes"], listed["has_more"]) == (2, len(FILE) + 2, True)
    assert [one["id"] for one in api.get(listed["next"]).json()["data"]] == [first]
    use(api, first)
    third = begun(api, 1)
    problem(api.post("/uploads", headers={**TUS, "Upload-Length": "1"}), 429)
    api.delete(third, headers=TUS)
    begun(api, 1)
