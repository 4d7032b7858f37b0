"""/webhooks: made, changed, tried, rotated; what was sent to them is listed and sent again; on the real app."""

import base64
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import insert

from service.settings import Settings
from service.store.deliveries import Outcome
from service.store.store import Store
from service.store.webhook_tables import webhooks
from service.store.webhooks import MAX_WEBHOOKS
from tests.answers import pointers, problem
from tests.records import submit

URL = "https://example.com/tenfold?key=1"


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: what the store does on both databases is tested below the API."""
    return sqlite_url


def put(api: TestClient, name: str = "ci", **fields: Any) -> Any:
    return api.put(f"/webhooks/{name}", json={"url": URL} | fields)


def fail(store: Store, *, again_ms: int | None = None, is_gone: bool = False) -> None:
    """Let one attempt fail."""
    (taken,) = store.deliveries.take({}, usual=1, of_account=64)
    store.deliveries.end([Outcome(taken, arrived=False, status=500, again_ms=again_ms, is_gone=is_gone)])


def test_a_webhook_tells_its_secret_once(api: TestClient) -> None:
    made = put(api)
    assert (made.status_code, made.headers["Location"]) == (201, "/webhooks/ci")
    secret = made.json()["secret"]
    assert 24 <= len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) <= 64
    shown = api.get("/webhooks/ci").json()
    assert "secret" not in shown
    assert (shown["url"], shown["state"], shown["waiting"]) == (URL, "active", 0)
    assert shown["events"] == ["job.*", "sweep.*", "data.*", "version.*", "alias.*"]
    changed = put(api, events=["job.failed"], labels={"team": "vision"}, model="letters")
    assert (changed.status_code, changed.json()["secret"]) == (200, None)
    shown = api.get("/webhooks/ci").json()
    assert (shown["events"], shown["labels"], shown["model"]) == (["job.failed"], {"team": "vision"}, "letters")
    put(api, "another")
    listed = api.get("/webhooks")
    assert [row["name"] for row in listed.json()["data"]] == ["another", "ci"]
    assert secret not in listed.text
    assert api.delete("/webhooks/ci").status_code == 204
    for answer in (api.get("/webhooks/ci"), api.delete("/webhooks/ci"), api.post("/webhooks/ci/rotate")):
        assert "there is no webhook ci" in problem(answer, 404)["detail"]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://example.com/x", "https, on port 443"),
        ("https://169.254.169.254/latest/meta-data", "public internet"),
        ("https://user:secret@example.com/x", "cannot stand in it"),
        ("https://exämple.com/", "xn--"),
    ],
)
def test_a_url_that_cannot_be_delivered_to_is_refused_with_the_reason(api: TestClient, url: str, why: str) -> None:
    answer = put(api, url=url)
    assert pointers(answer) == {"/url"}
    assert why in answer.text
    assert api.get("/webhooks").json()["data"] == []


def test_what_the_settings_allow_may_be_asked_by_http_on_any_port(api: TestClient, settings: Settings) -> None:
    given = settings.model_copy(update={"webhook_allow": ("127.0.0.1/32",)})
    object.__setattr__(api.app.state.dependencies, "settings", given)  # type: ignore[attr-defined]
    assert put(api, url="http://127.0.0.1:8000/x").status_code == 201
    assert put(api, url="http://receiver.example:8000/x").status_code == 200, (
        "its address is looked at when it is asked"
    )
    assert put(api, url="http://127.0.0.2:8000/x").status_code == 422


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"events": ["job.done"]}, "/events/0"),
        ({"events": ["job.*"] * 33}, "/events"),
        ({"labels": {"k": "\n"}}, "/labels/k"),
        ({"model": "no name"}, "/model"),
        ({"secret": "whsec_"}, "/secret"),
    ],
)
def test_what_nobody_could_be_told_is_refused(api: TestClient, fields: dict[str, Any], where: str) -> None:
    assert pointers(put(api, **fields)) == {where}


def test_there_are_at_most_so_many(api: TestClient, store: Store) -> None:
    row = {"url": URL, "types": [], "labels": {}, "secret": "whsec_", "created_at": 1, "changed_at": 1}
    with store.database.writer.begin() as connection:
        connection.execute(insert(webhooks), [{**row, "name": f"w{n}"} for n in range(MAX_WEBHOOKS)])
    assert "delete one" in problem(put(api), 409)["detail"]
    assert put(api, "w0").status_code == 200


def test_a_job_may_name_a_webhook_that_is_there(api: TestClient) -> None:
    job = {"dataset": "digits", "webhook": "ci"}
    refused = api.post("/jobs", json=job)
    assert pointers(refused) == {"/webhook"}
    assert "PUT /webhooks/ci makes one" in refused.json()["detail"]
    assert pointers(api.post("/sweeps", json={"base": job, "grid": {"seed": [1]}})) == {"/base/webhook"}
    varied = {"base": {"dataset": "digits"}, "trials": [{"webhook": "ci"}]}
    assert pointers(api.post("/sweeps", json=varied)) == {"/trials"}
    put(api, events=[])
    answer = api.post("/jobs", json=job)
    assert (answer.status_code, answer.json()["spec"]["webhook"]) == (202, "ci")
    (told,) = api.get("/webhooks/ci/deliveries").json()["data"]
    assert (told["type"], told["payload"]["data"]["id"]) == ("job.queued", answer.json()["id"])
    assert api.post("/sweeps", json=varied).status_code == 202


def test_a_job_names_no_webhook_that_is_told_nothing(api: TestClient, store: Store) -> None:
    put(api)
    job = {"dataset": "digits", "webhook": "ci"}
    done = api.post("/jobs", json=job).json()["id"]
    store.jobs.cancel(done)
    fail(store, is_gone=True)
    sweep = {"base": {"dataset": "digits"}, "trials": [{}, {"webhook": "ci"}]}
    for path, body, where in (
        ("/jobs", job, {"/webhook"}),
        (f"/jobs/{done}/retry", None, {"/webhook"}),
        ("/sweeps", {"base": job, "grid": {"seed": [1]}}, {"/base/webhook"}),
        ("/sweeps", sweep, {"/trials"}),
    ):
        refused = api.post(path, json=body)
        assert (refused.status_code, pointers(refused)) == (422, where)
        assert "its receiver answered 410; PUT /webhooks/ci" in refused.json()["detail"]
    put(api)
    assert api.post("/jobs", json=job).status_code == 202


def test_a_job_names_a_webhook_of_its_account_alone(api: TestClient, store: Store) -> None:
    store.accounts.add("other")
    store.of("other").webhooks.put("ci", url=URL, events=[], labels={}, model=None)
    refused = api.post("/jobs", json={"dataset": "digits", "webhook": "ci"})
    assert pointers(refused) == {"/webhook"}
    assert "there is no webhook ci" in refused.json()["detail"]


def test_deliveries_are_listed_looked_at_and_sent_again(api: TestClient, store: Store) -> None:
    put(api)
    ids = [submit(store) for _ in range(5)]
    fail(store, again_ms=60_000)
    fail(store)
    page = api.get("/webhooks/ci/deliveries?limit=3").json()
    assert (len(page["data"]), page["has_more"]) == (3, True)
    rest = api.get(page["next"]).json()
    told = [*page["data"], *rest["data"]]
    assert [row["payload"]["data"]["id"] for row in told] == ids[::-1]
    assert rest["has_more"] is False
    assert [row["id"] for row in api.get("/webhooks/ci/deliveries?state=failed").json()["data"]] == [told[3]["id"]]
    assert (told[4]["state"], told[4]["status"]) == ("waiting", 500)
    assert told[4]["next_attempt_at"] > told[4]["created_at"]
    its = f"/webhooks/ci/deliveries/{told[3]['id']}"
    failed = api.get(its).json()
    assert (failed["state"], failed["next_attempt_at"], failed["attempts"]) == ("failed", None, 1)
    again = api.post(f"{its}/replay")
    assert (again.status_code, again.headers["Location"]) == (202, its)
    assert (again.json()["state"], again.json()["attempts"], again.json()["id"]) == ("waiting", 0, failed["id"])
    assert api.get("/webhooks/ci").json()["state"] == "failing"
    assert api.get("/webhooks/ci").json()["waiting"] == 5
    assert problem(api.get(f"/webhooks/ci/deliveries/msg_{'0' * 32}"), 404)["detail"].startswith("webhook ci has no")
    assert api.get("/webhooks/ci/deliveries/1").status_code == 422
    assert api.get("/webhooks/none/deliveries").status_code == 404
    put(api, "another")
    assert api.get(its.replace("ci", "another")).status_code == 404
    assert api.post(f"{its.replace('ci', 'another')}/replay").status_code == 404


def test_all_that_was_given_up_is_sent_again_at_once(api: TestClient, store: Store) -> None:
    put(api)
    for _ in range(2):
        submit(store)
        fail(store)
    assert api.post("/webhooks/ci/replay").json() == {"replayed": 2, "has_more": False}
    assert api.post("/webhooks/ci/replay").json() == {"replayed": 0, "has_more": False}
    assert api.post("/webhooks/none/replay").status_code == 404


def test_a_webhook_can_be_tried(api: TestClient) -> None:
    put(api, events=[])
    answer = api.post("/webhooks/ci/test")
    assert (answer.status_code, answer.json()["type"]) == (202, "webhook.test")
    assert api.get(answer.headers["Location"]).json() == answer.json()
    assert api.post("/webhooks/none/test").status_code == 404


def test_one_that_is_disabled_says_why_and_is_not_sent_anything(api: TestClient, store: Store) -> None:
    put(api)
    submit(store)
    fail(store, is_gone=True)
    shown = api.get("/webhooks/ci").json()
    assert (shown["state"], shown["disabled_because"]) == ("disabled", "its receiver answered 410")
    failed = api.get("/webhooks/ci/deliveries").json()["data"][0]["id"]
    for path in ("test", "replay", f"deliveries/{failed}/replay"):
        assert "PUT /webhooks/ci" in problem(api.post(f"/webhooks/ci/{path}"), 409)["detail"]
    put(api)
    assert api.get("/webhooks/ci").json()["state"] == "active"
    assert api.post("/webhooks/ci/replay").json()["replayed"] == 1


def test_a_secret_is_rotated_and_the_one_of_before_signs_for_a_while(api: TestClient, store: Store) -> None:
    first = put(api).json()["secret"]
    rotated = api.post("/webhooks/ci/rotate").json()
    assert rotated["secret"] not in {first, None}
    assert rotated["previous_secret_until"] > rotated["changed_at"]
    submit(store)
    (taken,) = store.deliveries.take({}, usual=1, of_account=64)
    assert taken.secrets == (rotated["secret"], first)
    key = {"Idempotency-Key": "of-march"}  # the answer is lost, and asked for again
    (once, again) = (api.post("/webhooks/ci/rotate", headers=key) for _ in range(2))
    assert once.json()["secret"] == again.json()["secret"] != rotated["secret"]
    assert api.post("/webhooks/ci/rotate?keep_hours=0").json()["previous_secret_until"] is None
    for wrong in ("-1", "169", "nan", "x"):
        assert pointers(api.post(f"/webhooks/ci/rotate?keep_hours={wrong}")) == {"#query/keep_hours"}


def test_what_waited_for_one_that_is_deleted_is_not_sent_to_one_of_its_name(api: TestClient, store: Store) -> None:
    put(api)
    submit(store)
    api.delete("/webhooks/ci")
    assert put(api).status_code == 201
    assert store.deliveries.take({}, usual=8, of_account=64) == []
    assert api.get("/webhooks/ci/deliveries").json()["data"] == []


def test_what_has_ended_is_shown_with_the_answer(api: TestClient, store: Store) -> None:
    put(api)
    submit(store)
    (taken,) = store.deliveries.take({}, usual=1, of_account=64)
    store.deliveries.end([Outcome(taken, arrived=True, status=200, response="thanks")])
    (row,) = api.get("/webhooks/ci/deliveries?state=delivered").json()["data"]
    assert (row["status"], row["response"], row["problem"]) == (200, "thanks", None)
    assert row["ended_at"] >= row["attempted_at"] >= row["created_at"]
