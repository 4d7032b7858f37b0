"""What a route does not have is not passed over: parameters are named, with the nearest that there is, and a body."""

import pytest
from fastapi.testclient import TestClient

from service.artifacts import Artifacts
from service.store.store import Store
from tests.answers import pointers, problem
from tests.pixels import JSON, RAW
from tests.records import in_state, submit, succeeded


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: what is asked for does not depend on the database."""
    return sqlite_url


MISTAKES = [
    ("GET", "/jobs?lable=team:x", "lable", "did you mean label?"),
    ("GET", "/jobs?status=failed", "status", "did you mean state?"),
    ("GET", "/jobs?State=failed", "State", "did you mean state?"),
    ("GET", "/jobs?modle=x", "modle", "there are state, name, sweep, label, after, limit"),
    ("GET", "/jobs?state=queued&state=running", "state", "given 2 times"),
    ("GET", "/jobs/x/metrics?max_point=4", "max_point", "did you mean max_points?"),
    ("GET", "/jobs/x?verbose=1", "verbose", "this route has none"),
    ("POST", "/jobs?dry_walk=true", "dry_walk", "did you mean dry_run?"),
    ("POST", "/jobs/x/retry?force=1", "force", "there is only id"),
    ("DELETE", "/jobs/x?force=1", "force", "this route has none"),
    ("GET", "/sweeps?limt=3", "limt", "did you mean limit?"),
    ("GET", "/models?page=2", "page", "there is only fields"),
    ("GET", "/models/x/versions?offset=3", "offset", "there are after, limit"),
    ("GET", "/datasets?limit=3", "limit", "there is only fields"),
    ("POST", "/datasets?nam=x", "nam", "did you mean name?"),
    ("POST", "/predict?modle=x", "modle", "did you mean model?"),
    ("POST", "/predict?topk=3", "topk", "did you mean top_k?"),
    ("POST", "/predict?top_k=3&top_k=4", "top_k", "given 2 times"),
]


@pytest.mark.parametrize(("method", "url", "name", "said"), MISTAKES)
def test_a_parameter_that_a_route_does_not_have_is_named_with_the_nearest(
    api: TestClient, store: Store, method: str, url: str, name: str, said: str
) -> None:
    answer = api.request(method, url, headers=RAW, content=b"" if method == "POST" else None)
    if method == "POST" and url.startswith("/jobs?"):
        answer = api.post(url, json={"dataset": "digits"})
    assert f"#query/{name}" in pointers(answer)
    assert said in answer.json()["detail"]
    assert store.jobs.find(limit=1) == []


def test_what_may_be_given_several_times_may(api: TestClient, store: Store) -> None:
    submit(store, labels={"a": "b", "c": "d"})
    submit(store, labels={"a": "b"})
    assert len(api.get("/jobs?label=a:b&label=c:d").json()["data"]) == 1


@pytest.mark.parametrize("path", ["/livez", "/ping", "/v2/health/live", "/v2", "/docs", "/openapi.json"])
def test_probes_and_clients_of_others_may_add_what_they_like(api: TestClient, path: str) -> None:
    assert api.get(f"{path}?t=123").status_code == 200


def test_thousands_of_names_cost_one_error_of_ten(api: TestClient) -> None:
    query = "&".join(f"limit{number}=1" for number in range(5000))
    assert len(problem(api.get(f"/jobs?{query}"), 422)["errors"]) == 10


@pytest.mark.parametrize("path", ["/jobs", "/sweeps", "/predict", "/v1/models/x:predict", "/invocations"])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-32-be"])
def test_json_in_another_encoding_is_refused_alike(api: TestClient, path: str, encoding: str) -> None:
    answer = api.post(
        path, content='{"dataset": "digits"}'.encode(encoding), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code in {400, 404}, answer.text
    if answer.status_code == 400:
        assert "JSON" in answer.json()["detail"]


DEEDS = [
    ("POST", "/jobs/%queued/cancel"),
    ("POST", "/jobs/%queued/pause"),
    ("POST", "/jobs/%paused/resume"),
    ("POST", "/jobs/%succeeded/retry"),
    ("POST", "/jobs/%succeeded/verify"),
    ("POST", "/models/m/aliases/champion/rollback"),
    ("POST", "/sweeps/none/cancel"),
    ("DELETE", "/models/m/aliases/champion"),
    ("DELETE", "/models/m/versions/1"),
    ("DELETE", "/jobs/%succeeded"),
    ("DELETE", "/sweeps/none"),
    ("DELETE", "/datasets/none"),
    ("GET", "/jobs/%queued"),
    ("GET", "/datasets"),
]


def test_a_body_where_there_is_none_is_refused_before_anything_is_done(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    jobs = {state: in_state(state, store, artifacts) for state in ("queued", "paused", "succeeded")}
    for seed in (1, 2):
        succeeded(store, artifacts, seed=seed, model="m")
    before = [(job.id, job.state) for job in store.jobs.find(limit=100)], store.aliases.all()
    large = b"x" * (2**20 + 1)
    for method, path in DEEDS:
        for state, job_id in jobs.items():
            path = path.replace(f"%{state}", job_id)
        refused = api.request(method, path, content=b'{"id":"mine"}', headers=JSON)
        assert pointers(refused) == {""}, path
        assert "no body" in refused.json()["detail"]
        assert pointers(api.request(method, path, content=iter([b"", b'{"id"', b':"mine"}']))) == {""}, path
        for content in (large, iter([large])):  # more than documents may have, and less than uploads
            problem(api.request(method, path, content=content), 422 if "datasets" in path else 413)
    assert ([(job.id, job.state) for job in store.jobs.find(limit=100)], store.aliases.all()) == before
    assert "the query it has id" in api.post(f"/jobs/{jobs['succeeded']}/retry", json={"id": "mine"}).json()["detail"]


def test_a_body_that_says_nothing_may_be_sent(api: TestClient, store: Store) -> None:
    for body in (b"", b"{}", b"null\n"):
        assert api.post(f"/jobs/{submit(store)}/cancel", content=body, headers=JSON).status_code == 202
    assert api.post(f"/jobs/{submit(store)}/cancel", content=iter([b"{", b"}"])).status_code == 202
