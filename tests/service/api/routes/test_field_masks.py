"""Lists are shown with the fields that are asked for, and not again to who has them already."""

import pytest
from fastapi.testclient import TestClient

from service.artifacts import Artifacts
from service.store.store import Store
from tests.answers import problem
from tests.records import data, submit, succeeded, sweep
from tests.service.conftest import MadeOnce

LISTS = {
    "/jobs": "id",
    "/sweeps": "id",
    "/models": "name",
    "/models/mnist/versions": "version",
    "/datasets": "name",
    "/datasets/letters/versions": "version",
    "/datasets/letters/versions/1/models": "version",
    "/evaluations": "id",
    "/events": "id",
}


def fill(store: Store, artifacts: Artifacts) -> str:
    data(store, artifacts, "letters")
    sweep(store)
    return succeeded(store, artifacts)


@pytest.fixture
def database_url(sqlite_url: str, made_once: MadeOnce) -> str:
    """SQLite alone: how lists are shown does not depend on the database. Something is on every list but one."""
    made_once("filled", fill)
    return sqlite_url


def test_every_list_has_a_tag_and_is_not_sent_again_to_who_has_it(api: TestClient) -> None:
    for path in LISTS:
        first = api.get(path)
        tag = first.headers["etag"]
        again = api.get(path, headers={"If-None-Match": tag})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag), path
        assert api.get(path, headers={"If-None-Match": '"other"'}).content == first.content


def test_a_list_that_has_changed_has_another_tag(api: TestClient, store: Store) -> None:
    before = api.get("/jobs").headers["etag"]
    submit(store)
    after = api.get("/jobs", headers={"If-None-Match": before})
    assert (after.status_code, after.headers["etag"] == before) == (200, False)


def test_every_list_is_shown_with_the_fields_that_are_asked_for(api: TestClient) -> None:
    for path, field in LISTS.items():
        whole, some = api.get(path).json(), api.get(f"{path}?fields={field}").json()
        assert some["data"] == [{field: each[field]} for each in whole["data"]], path
        assert {name: some[name] for name in some if name != "data"} == {
            name: whole[name] for name in whole if name != "data"
        }


def test_the_next_page_shows_the_same_fields(api: TestClient) -> None:
    page = api.get("/jobs?limit=2&fields=id,state").json()
    assert page["has_more"]
    assert [list(job) for job in api.get(page["next"]).json()["data"]] == [["id", "state"]] * 2


@pytest.mark.parametrize(
    ("fields", "told"), [("id,nothing", "'nothing' is no field"), ("", "fields"), ("id,", "fields")]
)
def test_fields_that_a_list_does_not_have_are_refused(api: TestClient, fields: str, told: str) -> None:
    answer = problem(api.get(f"/jobs?fields={fields}"), 422)
    assert told in answer["detail"]
    assert [error["pointer"] for error in answer["errors"]] == ["#query/fields"]
