"""Below a path that a proxy puts before ours, all that leads somewhere leads there."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.artifacts import Artifacts
from service.settings import Settings
from service.store.store import Store
from tests.answers import problem
from tests.records import succeeded
from tests.service.api.behind import PROXY, proxied
from tests.service.conftest import submit

SAID = {"X-Forwarded-Prefix": "/ml", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "ml.example.com"}
DIGITS = {"dataset": "digits"}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: links do not depend on the database."""
    return sqlite_url


@pytest.fixture(params=["cut", "kept", "said"])
def way(request: pytest.FixtureRequest) -> str:
    """Whether the proxy cuts the path off, and whether it is a setting or said by the proxy."""
    return str(request.param)


@pytest.fixture
def client(settings: Settings, way: str) -> Iterator[TestClient]:
    trusted: dict[str, Any] = {"trusted_proxies": (PROXY,)} if way == "said" else {"root_path": "/ml"}
    with proxied(settings, **trusted) as client:
        client.base_url = f"http://tenfold{'/ml' * (way == 'kept')}"
        client.headers.update(SAID if way == "said" else {})
        yield client


def links_in(told: Any, name: str = "") -> Iterator[str]:
    """Yield what is said under `links`, `next`, `url` and `instance`, wherever it stands."""
    if isinstance(told, Mapping):
        for key, value in told.items():
            yield from links_in(value, name if name == "links" else key)
    elif isinstance(told, list):
        for value in told:
            yield from links_in(value, name)
    elif name in {"links", "next", "url", "instance"} and told is not None:
        yield told


def test_every_link_of_every_answer_leads_below_the_path(
    client: TestClient, way: str, store: Store, artifacts: Artifacts
) -> None:
    job = succeeded(store, artifacts)
    submit(store)
    sweep = client.post("/sweeps", json={"base": DIGITS, "grid": {"seed": [1, 2]}})
    answers = [client.post("/jobs", json=DIGITS), sweep, client.post(f"/jobs/{job}/retry")]
    for answer in answers:
        assert answer.headers["location"].startswith("/ml/"), answer.text
    sweep_path = sweep.headers["location"].removeprefix("/ml")
    paths = (
        *("/", "/jobs?limit=1", f"/jobs/{job}", f"/jobs/{job}/checkpoints", "/sweeps", sweep_path, "/models"),
        *("/models/mnist", "/models/mnist/versions", "/models/mnist/versions/1", "/datasets"),
        *("/nothing", "/jobs/none", "/jobs?lable=x", "/v2/models/none", "/jobs/none/events"),
    )
    answers += map(client.get, paths)
    answers += [
        client.post("/predict", content=b"x"),
        client.post("/v2/models/none/infer", json={}),
        client.put("/jobs"),
    ]
    found = [link for answer in answers for link in links_in(answer.json())]
    assert len(found) > 80
    assert [link for link in found if not re.match(r"/ml/(?!ml)", link)] == []
    jobs = client.get("/jobs?limit=1").json()
    assert client.get(jobs["next"].removeprefix("/ml")).json()["data"][0]["id"] != jobs["data"][0]["id"]


def test_redirects_lead_below_the_path_and_name_no_host(client: TestClient) -> None:
    answer = client.get("/jobs/?limit=1&label=a:b")
    assert (answer.status_code, answer.headers["location"]) == (307, "/ml/jobs?limit=1&label=a:b")
    assert client.get("/%2Fevil.example/jobs/").status_code == 404


def test_the_page_and_the_document_name_the_path(client: TestClient) -> None:
    page = client.get("/docs")
    for address in re.findall(r'(?:src|href)="([^"]+)"|url: \'([^\']+)\'', page.text):
        (path,) = filter(None, address)
        assert path.startswith("/ml/")
        assert client.get(path.removeprefix("/ml")).status_code == 200
    assert client.get("/openapi.json").json()["servers"] == [{"url": "/ml"}]


def test_a_repeated_submission_is_answered_with_links_for_who_repeats_it(settings: Settings) -> None:
    key = {"Idempotency-Key": "once"}
    with proxied(settings, trusted_proxies=(PROXY,)) as client:
        first = client.post("/jobs", json=DIGITS, headers=key | SAID)
        second = client.post("/jobs", json=DIGITS, headers=key)
    assert first.json()["links"]["self"] == first.headers["location"] == f"/ml/jobs/{first.json()['id']}"
    assert second.json()["links"] == {name: link[3:] for name, link in first.json()["links"].items()}
    assert second.headers["location"] == first.headers["location"][3:]


def test_without_a_path_nothing_stands_before_ours(settings: Settings) -> None:
    with proxied(settings) as client:
        assert client.get("/", headers=SAID).json()["links"]["jobs"] == "/jobs"
        assert "servers" not in client.get("/openapi.json").json()
        assert client.get("/ml/jobs").status_code == 404


def test_a_path_is_cut_off_once(settings: Settings) -> None:
    with proxied(settings, root_path="/ml") as client:
        assert client.get("/ml").json()["links"]["jobs"] == "/ml/jobs"
        assert client.get("/ml/").status_code == client.get("/ml/livez").status_code == 200
        assert problem(client.get("/ml/ml/jobs"), 404)["instance"] == "/ml/ml/jobs"
        assert client.get("/mlx/jobs").status_code == 404


@pytest.mark.parametrize("name", ["Prefix", "Host", "Proto", "For"])
def test_what_a_trusted_proxy_says_and_makes_no_sense_is_refused_and_not_repeated(
    settings: Settings, name: str
) -> None:
    with proxied(settings, trusted_proxies=(PROXY,)) as client:
        for path in ("/jobs", "/livez", "/docs"):
            answer = client.get(path, headers={f"X-Forwarded-{name}": "/<script>//evil.example"})
            assert f"X-Forwarded-{name}" in problem(answer, 400)["detail"]
            assert "evil" not in json.dumps(answer.json()) + str(answer.headers)
        answer = client.post("/predict", headers={f"X-Forwarded-{name}": "/<script>//evil.example"})
        assert f"X-Forwarded-{name}" in problem(answer, 400)["detail"]
