"""Who is let in: under which names, from which pages, and what browsers are told."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.api import app as app_module
from service.api.cross_origin import ASKED
from service.api.gate import HEALTH, own_pages_only
from service.api.policy import UNKNOWN, Policy
from service.artifacts import Artifacts
from service.settings import Settings
from service.store.store import Store
from tests.answers import problem
from tests.pixels import images
from tests.records import succeeded
from tests.service.api.behind import PROXY, proxied

LAB = "https://lab.example.com"
POLICY = "default-src 'none'; frame-ancestors 'none'"


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: who is let in does not depend on the database."""
    return sqlite_url


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    with proxied(settings, trusted_proxies=(PROXY,), allowed_origins=(LAB,)) as client:
        yield client


# Names


def test_health_is_told_under_any_name_and_nothing_else(client: TestClient) -> None:
    for path in HEALTH:
        for host in ("10.1.2.3:8000", "evil.example", "[fd00::1]"):
            assert client.get(path, headers={"Host": host}).status_code in {200, 503}
            assert client.head(path, headers={"Host": host}).status_code in {200, 503}
        assert client.post(path, headers={"Host": "evil.example"}).status_code == 400
    paths = [path for path in client.get("/openapi.json").json()["paths"] if path not in HEALTH]
    for path in (*paths, "/", "/docs", "/openapi.json", "/static/swagger-ui/swagger-ui.css", "/nothing"):
        answer = client.get(path, headers={"Host": "evil.example"})
        assert answer.status_code == 400, path
        assert "TENFOLD_ALLOWED_HOSTS" in answer.json()["detail"]


@pytest.mark.parametrize(
    "path",
    [
        *("//livez", "/livez/", "/livez/..", "/livez/../jobs", "/x?/livez", "/x%3F/livez", "/jobs%3F/livez", "/Livez"),
        *("/jobs/%2e%2e/livez", "/livez%00", "/livez%2f", "/%2flivez", "/livez;x", "/jobs#/livez", "/v2/health/live/"),
        *("/v2/health/../models", "/ping/x", "/jobs?path=/livez"),
    ],
)
def test_what_only_looks_like_health_is_not_told_under_another_name(client: TestClient, path: str) -> None:
    assert client.get(path, headers={"Host": "evil.example"}).status_code == 400


def test_health_is_the_same_path_however_it_is_written(client: TestClient) -> None:
    assert client.get("/%6civez", headers={"Host": "evil.example"}).json() == {"status": "ok"}


@pytest.mark.parametrize(
    "host", ["localhost:evil", "localhost.", "localhost@evil", "evil.example", "localhost:8000:1", "LOCALHOST.x", ""]
)
def test_a_name_that_is_not_ours_is_refused(client: TestClient, host: str) -> None:
    for method, path in (("GET", "/jobs"), ("POST", "/predict"), ("POST", "/v2/models/x/infer")):
        assert client.request(method, path, headers={"Host": host}).status_code == 400


def test_a_page_whose_name_points_here_cannot_say_that_it_has_another(client: TestClient) -> None:
    rebound = {"Host": "evil.example", "X-Forwarded-Host": "localhost", "Sec-Fetch-Site": "same-origin"}
    problem(client.get("/jobs", headers=rebound), 400)
    problem(client.get("/jobs", headers={"X-Forwarded-Host": "evil.example"}), 400)
    problem(client.post("/predict", headers={"X-Forwarded-Host": "evil.example"}), 400)


def test_names_may_end_alike(settings: Settings) -> None:
    with proxied(settings, allowed_hosts=("*.example.com",), host="a.example.com") as client:
        assert client.get("/jobs").status_code == client.get("/jobs", headers={"Host": "B.Example.com:1"}).status_code
        for host in ("example.com", "evil-example.com", "a.example.com.evil", "a.example.com:x"):
            problem(client.get("/jobs", headers={"Host": host}), 400)
    with proxied(settings, allowed_hosts=("*",), host="whatever") as client:
        assert client.get("/jobs").status_code == 200


# Pages


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 202),
        ({"Sec-Fetch-Site": "same-origin"}, 202),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://anything.example"}, 202),
        ({"Sec-Fetch-Site": "none"}, 202),
        ({"Origin": "http://tenfold"}, 202),
        ({"Origin": LAB}, 202),
        ({"Origin": LAB, "Sec-Fetch-Site": "cross-site"}, 202),
        ({"Origin": "https://ml.example.com", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "ml.example.com"}, 202),
        ({"Origin": "https://tenfold", "X-Forwarded-Proto": "https", "Host": "tenfold:443"}, 202),
        ({"Origin": "http://ml.example.com", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "ml.example.com"}, 403),
        ({"Origin": "https://tenfold"}, 403),
        ({"Origin": "http://tenfold:81"}, 403),
        ({"Origin": "https://lab.example.com.evil.example"}, 403),
        ({"Origin": "http://lab.example.com"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "Same-Origin"}, 403),
        ({"Sec-Fetch-Site": "same-origin, cross-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "null"}, 403),
    ],
)
def test_only_our_pages_and_allowed_ones_change_anything(
    client: TestClient, headers: dict[str, str], status: int
) -> None:
    answer = client.post("/jobs", json={"dataset": "digits"}, headers=headers)
    assert answer.status_code == status
    if status == 403:
        assert "TENFOLD_ALLOWED_ORIGINS" in problem(answer, 403)["detail"]


def test_whoever_is_not_trusted_cannot_say_what_our_address_is(settings: Settings) -> None:
    said = {"Origin": "https://evil.example", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"}
    with proxied(settings, peer="192.0.2.7", trusted_proxies=(PROXY,)) as client:
        problem(client.post("/jobs", json={"dataset": "digits"}, headers=said), 403)


def places(client: TestClient, job: str, sweep: str) -> Iterator[tuple[str, Any]]:
    """Yield every route that is asked by GET, and an address that it answers."""
    known = {"job_id": job, "sweep_id": sweep, "version": "1", "alias": "champion", "model": "mnist"}
    known |= {
        "number": "1",
        "row": "0",
        "upload_id": "none",
        "evaluation_id": "none",
        "key_id": "none",
        "delivery_id": "none",
    }
    for path, methods in client.get("/openapi.json").json()["paths"].items():
        if "get" not in methods or path.endswith("/events") or path in HEALTH:
            continue
        name = "digits" if path.startswith("/datasets") else "best" if "checkpoints" in path else "mnist"
        plot = "comparison" if path.startswith("/sweeps") else "loss"
        yield path.format(**known, name=name, plot=plot, form="onnx"), methods["get"]


def test_no_page_of_another_site_makes_a_worker_work(client: TestClient, store: Store, artifacts: Artifacts) -> None:
    job = succeeded(store, artifacts)
    sweep = client.post("/sweeps", json={"base": {"dataset": "digits"}, "grid": {"seed": [1, 2]}}).json()["id"]
    ringing = set()
    guarded = {
        route.unique_id
        for router in (*app_module._OURS, *app_module._DATA)
        for route in router.router.routes
        if own_pages_only in {dependency.dependency for dependency in route.dependencies}
    }
    for path, route in places(client, job, sweep):
        plain = client.get(path)
        if "no worker can be asked" in plain.text:
            ringing.add(path)
        is_guarded = route["operationId"] in guarded
        assert is_guarded or path not in ringing, f"{path} makes a worker work, and is not refused"
        answer = client.get(path, headers={"Sec-Fetch-Site": "cross-site"})
        assert (answer.status_code == 403) == is_guarded, path
        if is_guarded:
            assert "TENFOLD_ALLOWED_ORIGINS" in problem(answer, 403)["detail"]
            assert client.head(path, headers={"Sec-Fetch-Site": "same-site"}).status_code == 403
            for headers in ({"Sec-Fetch-Site": "none"}, {"Sec-Fetch-Site": "cross-site", "Origin": LAB}):
                assert client.get(path, headers=headers).status_code == plain.status_code, path
    assert len(ringing) >= 4


# What browsers are told


def test_every_answer_tells_browsers_to_be_careful(client: TestClient, settings: Settings) -> None:
    answers = [
        *(client.get(path) for path in ("/", "/jobs", "/livez", "/nothing", "/openapi.json", "/jobs/", "/datasets/x")),
        *(client.post(path) for path in ("/livez", "/predict", "/v2/models/x/infer", "/jobs")),
        client.get("/jobs", headers={"Host": "evil.example"}),
        client.get("/jobs", headers={"X-Forwarded-Prefix": "x"}),
        client.post("/jobs", headers={"Origin": "null"}),
        client.get("/static/swagger-ui/swagger-ui.css"),
    ]
    state = client.app.state  # type: ignore[attr-defined]
    dependencies, state.dependencies = state.dependencies, None
    answers.append(client.get("/jobs"))
    state.dependencies = dependencies
    assert {answer.status_code for answer in answers} >= {200, 307, 400, 403, 404, 405, 415, 500}
    for answer in answers:
        assert answer.headers["content-security-policy"] == POLICY, answer.url
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert len(answer.headers.get_list("content-security-policy")) == 1


def test_the_page_can_be_framed_by_nobody_and_runs_only_what_it_brings(client: TestClient) -> None:
    page = client.get("/docs")
    policy = page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "script-src 'self' 'sha256-" in policy
    assert page.headers["x-frame-options"] == "DENY"
    assert page.text.count("<script>") == 1


def test_allowed_pages_may_read_answers_and_no_others(client: TestClient, settings: Settings) -> None:
    for answer in (client.get("/jobs", headers={"Origin": LAB}), client.post("/jobs", headers={"Origin": LAB})):
        assert answer.headers["access-control-allow-origin"] == LAB
        told = answer.headers["access-control-expose-headers"]
        assert {"ETag", "Location", "Retry-After", "X-Request-Id"} <= set(told.split(", "))
        assert "access-control-allow-credentials" not in answer.headers
        assert answer.headers["vary"] == "Origin"
    for origin in ("https://evil.example", "null", f"{LAB}:444", LAB.upper()):
        assert "access-control-allow-origin" not in client.get("/jobs", headers={"Origin": origin}).headers
    assert client.get("/jobs").headers["vary"] == "Origin"
    with proxied(settings) as bare:
        answer = bare.get("/jobs", headers={"Origin": LAB})
        assert answer.status_code == 200
        assert not {"vary", "access-control-allow-origin"} & set(answer.headers)


def test_allowed_pages_are_told_what_they_may_ask(client: TestClient) -> None:
    asked = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type,if-match"}
    answer = client.options("/models/x/aliases/y", headers={"Origin": LAB, **asked})
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == LAB
    assert "PUT" in answer.headers["access-control-allow-methods"].split(", ")
    assert {"Content-Type", "If-Match"} <= set(answer.headers["access-control-allow-headers"].split(", "))
    assert "Origin" in answer.headers["vary"]
    foreign = client.options("/models/x/aliases/y", headers={"Origin": "https://evil.example", **asked})
    problem(foreign, 405)
    assert not [name for name in foreign.headers if name.startswith("access-control")]


def test_every_header_that_a_route_reads_may_be_sent_by_an_allowed_page(client: TestClient) -> None:
    read = {
        parameter["name"].lower()
        for methods in client.get("/openapi.json").json()["paths"].values()
        for route in methods.values()
        for parameter in route.get("parameters", ())
        if parameter["in"] == "header"
    }
    assert read <= {name.lower() for name in ASKED}


# The bypass


def test_predictions_pass_the_gate_where_it_would_do_nothing(
    settings: Settings, store: Store, artifacts: Artifacts
) -> None:
    succeeded(store, artifacts)
    said = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "ml.example.com", "X-Forwarded-For": "192.0.2.7"}

    def passes(client: TestClient, **headers: str) -> bool:
        given = [(name.lower().replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        about = {"type": "http", "method": "POST", "path": "/predict", "scheme": "http", "client": (PROXY, 1)}
        scope = {**about, "headers": given}
        return client.app.bypass(scope, dict(given)) is not None  # type: ignore[attr-defined]

    for trusted in ((), (PROXY,)):
        with proxied(settings, trusted_proxies=trusted, allowed_origins=(LAB,)) as client:
            assert client.post("/predict", json={"image": images(1)[0].tolist()}, headers=said).status_code == 200
            assert passes(client, Host="tenfold:8000", **said, X_Forwarded_Prefix="/ml")
            assert not passes(client, Host="tenfold", Origin=LAB)
            assert not passes(client, Host="tenfold", Sec_Fetch_Site="none")
            assert not passes(client, Host="evil.example", X_Forwarded_Host="tenfold")
            assert passes(client, Host="tenfold", X_Forwarded_Host="evil.example") is (not trusted)
            assert passes(client, Host="tenfold", X_Forwarded_Prefix="/jobs") is (not trusted)


def test_what_is_no_path_takes_what_no_route_does() -> None:
    for path in ("*", "", "/" + "a" * 60_000):
        assert Policy(()).of("OPTIONS", path) is UNKNOWN
