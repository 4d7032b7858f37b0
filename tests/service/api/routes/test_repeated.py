"""What is asked for twice under one key, beside jobs and sweeps: done once, and answered as the first time."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.artifacts import Artifacts
from service.settings import Settings
from service.store.promotion import Promotion
from service.store.store import Store
from service.store.versions import Findings
from tests.answers import pointers, problem
from tests.records import SPEC, ended, submit, succeeded

KEY = {"Idempotency-Key": "a-key"}
CHAMPION = "/models/mnist/aliases/champion"


def twice(api: TestClient, method: str, path: str, **options: Any) -> Any:
    """Give the answer to what is asked for again and again under one key: the same each time."""

    def ask(_: int) -> tuple[int, bytes, str | None, str | None]:
        answer = api.request(method, path, headers=KEY | options.get("headers", {}), **rest)
        return answer.status_code, answer.content, answer.headers.get("location"), answer.headers.get("etag")

    rest = {name: value for name, value in options.items() if name != "headers"}
    with ThreadPoolExecutor(4) as pool:
        answers = {*pool.map(ask, range(4)), ask(0)}
    assert len(answers) == 1, answers
    return api.request(method, path, headers=KEY | options.get("headers", {}), **rest)


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("retry", None),
        ("verify", None),
        ("continue", {"epochs": 2}),
        ("continue", {"epochs": 2, "changes": {"learning_rate": 0.1}}),
    ],
)
def test_a_job_is_made_of_another_once(
    api: TestClient, store: Store, artifacts: Artifacts, verb: str, body: dict[str, Any] | None
) -> None:
    job_id = ended(store, artifacts)
    answer = twice(api, "POST", f"/jobs/{job_id}/{verb}", json=body)
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/jobs/{answer.json()['id']}"
    assert answer.json()["origin"]["job_id"] == job_id
    assert len(store.jobs.find(limit=10)) == 2
    for path, other in ((f"/jobs/{job_id}/cancel", None), (f"/jobs/{job_id}/continue", {"epochs": 3}), ("/jobs", SPEC)):
        assert pointers(api.post(path, json=other, headers=KEY)) == {"#header/Idempotency-Key"}


def test_a_job_that_is_used_again_takes_the_key(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    job_id = ended(store, artifacts)
    reuse = {"Prefer": "reuse"}
    answer = twice(api, "POST", "/jobs", json=SPEC, headers=reuse)
    assert (answer.status_code, answer.json()["id"], answer.headers["location"]) == (200, job_id, f"/jobs/{job_id}")
    assert answer.headers["preference-applied"] == "reuse"
    assert pointers(api.post("/jobs", json=SPEC | {"seed": 1}, headers=KEY)) == {"#header/Idempotency-Key"}
    assert api.delete(f"/jobs/{job_id}").status_code == 204
    assert twice(api, "POST", "/jobs", json=SPEC, headers=reuse).content == answer.content
    assert api.post("/jobs", json=SPEC, headers=KEY).content == answer.content
    assert store.jobs.find(limit=1) == []


def test_pausing_is_not_repeated_after_the_job_was_resumed(api: TestClient, store: Store) -> None:
    job_id = submit(store)
    assert twice(api, "POST", f"/jobs/{job_id}/pause").json()["state"] == "paused"
    assert api.post(f"/jobs/{job_id}/resume", headers={"Idempotency-Key": "another"}).json()["state"] == "queued"
    assert twice(api, "POST", f"/jobs/{job_id}/pause").json()["state"] == "paused"
    assert api.get(f"/jobs/{job_id}").json()["state"] == "queued"
    assert api.post(f"/jobs/{job_id}/cancel", headers={"Idempotency-Key": "third"}).status_code == 202


def test_an_alias_is_moved_once(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    for seed in range(4):
        succeeded(store, artifacts, seed=seed, val_accuracy=0.8 + seed / 100)
    rolled = twice(api, "POST", f"{CHAMPION}/rollback", headers={"If-Match": '"4"'})
    assert (rolled.status_code, rolled.json()["versions"], rolled.headers["etag"]) == (200, {"3": 1.0}, '"5"')
    assert pointers(api.put(CHAMPION, json={"version": 1}, headers=KEY)) == {"#header/Idempotency-Key"}
    other = {"Idempotency-Key": "another"}
    first = api.put(CHAMPION, json={"version": 1}, headers=other)
    assert api.put(CHAMPION, json={"version": 2}).status_code == 200
    assert api.put(CHAMPION, json={"version": 1}, headers=other).content == first.content
    assert api.get(CHAMPION).json()["versions"] == {"2": 1.0}


def test_what_was_refused_takes_no_key(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    succeeded(store, artifacts)
    assert api.post(f"{CHAMPION}/rollback", headers=KEY).status_code == 409
    assert api.post("/jobs/none/retry", headers=KEY).status_code == 404
    assert api.put(CHAMPION, json={"version": 9}, headers=KEY).status_code == 422
    assert api.post("/jobs", json=SPEC, headers=KEY).status_code == 202


def test_an_upload_is_known_by_its_bytes(api: TestClient, store: Store, settings: Settings) -> None:
    table = "\n".join(",".join([str(row % 10), *["7"] * 784]) for row in range(30))
    csv = {"Content-Type": "text/csv"}
    answer = twice(api, "POST", "/datasets?name=mine", content=table, headers=csv)
    assert (answer.status_code, answer.headers["location"]) == (202, "/datasets/mine/versions/1")
    assert len(list(settings.artifacts.rglob("file-*"))) == 1
    for name, content in (("mine", table + "\n" + table), ("other", table)):
        again = api.post(f"/datasets?name={name}", content=content, headers=csv | KEY)
        assert pointers(again) == {"#header/Idempotency-Key"}
    same = api.post("/datasets?name=mine", content=table, headers=csv | {"Idempotency-Key": "another"})
    assert (same.status_code, same.json()["version"]) == (200, 1)
    assert len(list(settings.artifacts.rglob("file-*"))) == 1
    assert store.datasets.get("other") is None


def test_an_ensemble_is_answered_as_it_was(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    for seed in range(2):
        succeeded(store, artifacts, seed=seed)
    found = Findings("d" * 64, {"temperature": 1.0})
    members = [("mnist", 1), ("mnist", 2)]
    assert store.ensembles.make("together", members, found, val_accuracy=0.9, promotion=Promotion("never"))
    body = {"name": "together", "members": ["mnist/1", "mnist/2"]}
    assert twice(api, "POST", "/models", json=body).headers["location"] == "/models/together/versions/1"
    assert pointers(api.post("/models", json=body | {"promote": "never"}, headers=KEY)) == {"#header/Idempotency-Key"}
    assert api.delete("/models/together/versions/1").status_code in {204, 409}
    assert twice(api, "POST", "/models", json=body).json()["version"] == 1


def test_two_keys_are_none(api: TestClient, store: Store) -> None:
    answer = api.post("/jobs", json=SPEC, headers=[("Idempotency-Key", "a"), ("Idempotency-Key", "b")])
    assert "several keys" in problem(answer, 422)["detail"]
    assert store.jobs.find(limit=1) == []


def test_every_request_that_makes_or_moves_something_says_that_it_takes_a_key(api: TestClient) -> None:
    paths = api.get("/openapi.json").json()["paths"]
    takes = {
        path
        for path, routes in paths.items()
        for parameter in routes.get("post", {}).get("parameters", ())
        if parameter["name"].lower() == "idempotency-key"
    }
    # What only answers needs none; nor does what is cancelled for ever, or an upload, which expires where it is left.
    needs_none = {"/predict", "/invocations", "/datasets/preview", "/uploads", "/sweeps/{sweep_id}/cancel"}
    # What is the same done twice; a ticket, which is kept nowhere; a key, whose text must not be; and what a webhook is
    # sent, each under an id of its own.
    needs_none |= {"/jobs/cancel", "/jobs/delete", "/tickets", "/keys", "/webhooks/{name}/test"}
    needs_none |= {"/webhooks/{name}/replay", "/webhooks/{name}/deliveries/{delivery_id}/replay"}
    makes = {path for path, routes in paths.items() if "post" in routes and not path.startswith(("/v1", "/v2"))}
    assert makes - takes == needs_none


def test_a_retry_is_made_under_an_id_of_the_clients(api: TestClient, store: Store) -> None:
    assert api.put("/jobs/order-1", json=SPEC).status_code == 202
    problem(api.post("/jobs/order-1/retry?id=order-2"), 409)  # it has not ended
    store.jobs.cancel("order-1")
    cancelled = api.put("/jobs/order-1", json=SPEC)
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    retry = cancelled.json()["links"]["retry"]
    made, again = api.post(f"{retry}?id=order-2"), api.post(f"{retry}?id=order-2", headers=KEY)
    assert (made.status_code, again.status_code) == (202, 200)
    assert made.headers["location"] == again.headers["location"] == "/jobs/order-2"
    assert again.json()["origin"] == made.json()["origin"]
    assert len(store.jobs.find(limit=10)) == 2
    with ThreadPoolExecutor(4) as pool:
        codes = [answer.status_code for answer in pool.map(lambda _: api.post(f"{retry}?id=order-3"), range(4))]
    assert sorted(codes) == [200, 200, 200, 202]
    problem(api.post(f"{retry}?id=order-1"), 409)
    api.put("/jobs/taken", json=SPEC)
    problem(api.post(f"{retry}?id=taken"), 409)
    for bad in (".x", "x" * 37, "a%20b", ""):
        assert pointers(api.post(f"{retry}?id={bad}")) == {"#query/id"}
