"""Aliases: moved as their clients saw them, rolled back, and sharing out requests."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.artifacts import Artifacts
from service.store.store import Store
from tests.answers import problem
from tests.records import succeeded

BLANK = [[0, 255] * 14] * 28


def answered(api: TestClient, reference: str | None = None) -> tuple[str, int]:
    answer = api.post("/predict", json={"image": BLANK} | ({"model": reference} if reference else {}))
    assert answer.status_code == 200, answer.text
    return answer.json()["model"]["name"], answer.json()["model"]["version"]


def test_rolling_back_goes_back_one_by_one(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    for seed in range(4):
        succeeded(store, artifacts, seed=seed, val_accuracy=0.8 + seed / 100)
    url = "/models/mnist/aliases/champion"
    assert api.post(f"{url}/rollback").json()["versions"] == {"3": 1.0}
    assert api.post(f"{url}/rollback").json()["versions"] == {"2": 1.0}
    assert api.put(url, json={"version": 4}).json()["versions"] == {"4": 1.0}
    assert api.post(f"{url}/rollback").json()["versions"] == {"2": 1.0}
    assert api.post(f"{url}/rollback").json()["versions"] == {"1": 1.0}
    refused = api.post(f"{url}/rollback")
    assert (refused.status_code, "nothing to go back to" in refused.json()["detail"]) == (409, True)
    whys = [move["why"] for move in api.get("/models/mnist/history").json()["data"]]
    assert whys == ["rolled_back", "rolled_back", "set", "rolled_back", "rolled_back", *["if_better"] * 4]


def test_rolling_back_passes_over_versions_that_were_deleted(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    for seed in range(3):
        succeeded(store, artifacts, seed=seed, val_accuracy=0.8 + seed / 100)
    url = "/models/mnist/aliases/champion"
    assert api.delete("/models/mnist/versions/2").status_code == 204
    assert api.post(f"{url}/rollback").json()["versions"] == {"1": 1.0}
    assert api.post(f"{url}/rollback").status_code == 409
    assert api.put(url, json={"version": 3}).status_code == 200
    assert api.post(f"{url}/rollback").json()["versions"] == {"1": 1.0}


def test_an_alias_is_moved_only_if_it_is_as_the_client_saw_it(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    for seed in range(2):
        succeeded(store, artifacts, seed=seed, promote="never")
    url = "/models/mnist/aliases/candidate"
    assert api.get(url).status_code == 404
    assert api.put(url, json={"version": 1}, headers={"If-Match": "*"}).status_code == 412
    made = api.put(url, json={"version": 1}, headers={"If-None-Match": "*"})
    assert (made.status_code, made.headers["etag"]) == (201, '"1"')
    assert api.put(url, json={"version": 2}, headers={"If-None-Match": "*"}).status_code == 412
    both = {"If-Match": "*", "If-None-Match": "*"}
    assert api.put(url, json={"version": 2}, headers=both).status_code == 412, "it is there"
    assert api.put(f"{url}-2", json={"version": 2}, headers=both).status_code == 412, "it is not there"
    same = api.put(url, json={"version": 1})
    assert (same.status_code, same.headers["etag"]) == (200, '"1"'), "that was no move"
    moved = api.put(url, json={"version": 2}, headers={"If-Match": '"1"'})
    assert (moved.status_code, moved.headers["etag"]) == (200, '"2"')
    stale = api.put(url, json={"version": 1}, headers={"If-Match": '"1"'})
    assert (stale.status_code, 'ETag is now "2"' in stale.json()["detail"]) == (412, True)
    assert api.post(f"{url}/rollback", headers={"If-Match": '"1"'}).status_code == 412
    assert api.delete(url, headers={"If-Match": '"1"'}).status_code == 412
    assert api.delete(url, headers={"If-Match": '"2"'}).status_code == 204
    assert api.delete(url).status_code == 404
    assert api.put(url, json={"version": 1}).headers["etag"] == '"4"', "a revision never means two things"
    assert api.post(f"{url}/rollback").status_code == 409, "what was before it was deleted is past"


IF_MATCH = {
    '"1"': 200,
    '"7", "1"': 200,
    '  "1"  ,W/"9"': 200,
    ', "7",, "1" ,': 200,
    " * ": 200,
    'W/"1"': 412,
    '"01"': 412,
    '"one", "1.0", ""': 412,
    '"' + "9" * 5000 + '"': 412,
    'x"1"y': 400,
    "1": 400,
    '"1': 400,
    '"1" "2"': 400,
    '*, "1"': 400,
    "": 400,
}
LINES: list[tuple[list[tuple[str, str]], int]] = [
    ([("If-Match", '"7"'), ("If-Match", '"1"')], 200),
    ([("If-Match", '"7"'), ("If-Match", 'W/"1"')], 412),
    ([("If-Match", "*"), ("If-Match", '"1"')], 400),
    ([("If-Match", '"1"'), ("If-None-Match", '"2"')], 200),
    ([("If-None-Match", '"7", W/"8"')], 200),
    ([("If-None-Match", 'W/"1"')], 412),
    ([("If-None-Match", '"7"'), ("If-None-Match", '"1"')], 412),
    ([("If-None-Match", "*")], 412),
    ([("If-None-Match", "1")], 400),
]


def test_a_condition_is_entity_tags_in_any_of_its_lines(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    for seed in range(2):
        succeeded(store, artifacts, seed=seed, promote="never")
    for number, (headers, status) in enumerate(
        [*(([("If-Match", tag)], told) for tag, told in IF_MATCH.items()), *LINES]
    ):
        url = f"/models/mnist/aliases/candidate-{number}"
        assert api.put(url, json={"version": 1}).headers["etag"] == '"1"'
        assert api.put(url, json={"version": 2}, headers=headers).status_code == status, headers
        assert api.get(url).json()["versions"] == {"2" if status == 200 else "1": 1.0}, headers


def test_requests_are_divided_among_versions(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    for seed in range(3):
        succeeded(store, artifacts, seed=seed)
    shares = api.put("/models/mnist/aliases/test", json={"versions": {"2": 1, "3": 3}}).json()["versions"]
    assert shares == {"2": 0.25, "3": 0.75}
    seen = [answered(api, "mnist@test")[1] for _ in range(200)]
    assert set(seen) == {2, 3}
    assert seen.count(3) > seen.count(2)
    assert api.delete("/models/mnist/versions/2").status_code == 409


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, ""),
        ({"version": 1, "versions": {"1": 1}}, ""),
        ({"version": 0}, "/version"),
        ({"version": 7}, "/version"),
        ({"versions": {"1": 0.5, "7": 0.5}}, "/versions/7"),
        ({"versions": {}}, "/versions"),
        ({"version": 1, "mirror": 1}, "/mirror"),
        ({"versions": {"1": 1e308, "2": 1e308}}, "/versions/1"),
        ({"shadow": 1}, ""),
    ],
)
def test_an_alias_cannot_point_to_what_is_not_there(
    api: TestClient, store: Store, artifacts: Artifacts, body: dict[str, Any], pointer: str
) -> None:
    succeeded(store, artifacts)
    answer = api.put("/models/mnist/aliases/champion", json=body)
    assert answer.status_code == 422
    assert pointer in {error["pointer"] for error in answer.json()["errors"]}


def test_who_knows_the_revision_is_not_told_it_again(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    succeeded(store, artifacts, model="m")
    path = "/models/m/aliases/champion"
    tag = api.get(path).headers["etag"]
    for known in (tag, f"W/{tag}", "*", f'"other", {tag}'):
        answer = api.get(path, headers={"If-None-Match": known})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
        assert api.head(path, headers={"If-None-Match": known}).status_code == 304
    assert api.get(path, headers={"If-None-Match": '"99"'}).json()["revision"] == int(tag.strip('"'))
    problem(api.get(path, headers={"If-Match": '"99"'}), 412)
    assert api.get(path, headers={"If-Match": tag}).status_code == 200
