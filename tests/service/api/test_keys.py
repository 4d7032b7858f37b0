"""Keys at the gate: who shows none, a wrong one, one for something else, and one that was revoked a moment ago."""

from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from zlib import crc32

import pytest
from fastapi.testclient import TestClient

from service.access import key_text, ticket
from service.access.account_limits import Limits
from service.access.scopes import SCOPES, Scope
from service.api import policy
from service.api.keyring import Keyring
from service.artifacts import Artifacts
from service.settings import Settings
from service.store.store import Store
from tests.answers import without_paths
from tests.records import submit, succeeded
from tests.service.conftest import fresh_app


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: which database it is makes no difference at the gate."""
    return sqlite_url


@contextmanager
def guarded(settings: Settings) -> Iterator[TestClient]:
    """Give a client of an API that asks for keys."""
    app = fresh_app(settings.model_copy(update={"auth": "on"}))
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        client.event_hooks = {"response": [without_paths]}
        yield client


@pytest.fixture
def locked(settings: Settings, store: Store) -> Iterator[TestClient]:
    """A client that shows no key."""
    with guarded(settings) as client:
        yield client


def key(store: Store, *scopes: Scope, account: str = "default") -> dict[str, str]:
    """Make a key, and give the headers that show it."""
    return {"Authorization": f"Bearer {store.api_keys.add(account, 'test', scopes or SCOPES)[1]}"}


def test_without_a_key_nothing_is_told_but_what_is_public(locked: TestClient) -> None:
    for path in (
        "/livez",
        "/ping",
        "/",
        "/docs",
        "/openapi.json",
        "/v2/health/live",
        "/static/swagger-ui/swagger-ui.css",
    ):
        assert locked.get(path).status_code in {200, 503}, path
    for path in ("/jobs", "/version", "/nothing", "/v2", "/v2/models", "/jobs/x", "/keys", "/jobs/", "/DOCS"):
        answer = locked.get(path, follow_redirects=False)
        assert answer.status_code == 401, path
        assert answer.headers["www-authenticate"].startswith("Bearer"), path
    assert locked.post("/predict", json={"image": []}).status_code == 401
    assert locked.post("/v2/models/x/infer", json={}).json()["error"].startswith("this takes a key")


@pytest.mark.parametrize(
    "shown", ["", "Bearer", "Bearer x", "Bearer tf_0_0_0", "Basic", "Basic !!", "Digest a", "Bearer \xfc", "tf_a_b_c"]
)
def test_what_is_no_key_is_refused(locked: TestClient, shown: str) -> None:
    assert locked.get("/jobs", headers={b"Authorization": shown.encode("latin-1")}).status_code == 401


def test_a_key_is_shown_as_clients_can(locked: TestClient, store: Store) -> None:
    _, text = store.api_keys.add("default", "test", ["read"])
    basic = b64encode(f"anybody:{text}".encode()).decode()
    for headers in ({"Authorization": f"bearer {text}"}, {"Authorization": f"Basic {basic}"}, {"X-Api-Key": text}):
        assert locked.get("/jobs", headers=headers).status_code == 200, headers


def test_a_key_that_is_cut_or_of_another_s_secret_is_refused(locked: TestClient, store: Store) -> None:
    _, one = store.api_keys.add("default", "one", ["read"])
    _, other = store.api_keys.add("default", "other", ["read"])
    its, strange = key_text.read(one), key_text.read(other)
    assert its is not None
    assert strange is not None
    mixed = f"tf_{its.id}_{strange.secret}"
    for text in (one[:-1], one + "0", one.replace("tf_", "tg_"), f"{mixed}_{crc32(mixed.encode()):08x}"):
        assert locked.get("/jobs", headers={"X-Api-Key": text}).status_code == 401, text
    assert locked.get("/jobs", headers={"X-Api-Key": one}).status_code == 200


def test_a_key_does_what_it_was_made_for_and_nothing_else(locked: TestClient, store: Store) -> None:
    read, train = key(store, "read"), key(store, "train")
    assert locked.get("/jobs", headers=read).status_code == 200
    refused = locked.post("/jobs", json={}, headers=read)
    assert refused.status_code == 403
    assert "takes a key with the scope train" in refused.json()["detail"]
    assert locked.post("/jobs", json={}, headers=train).status_code == 202
    assert locked.get("/jobs", headers=train).status_code == 403
    assert locked.post("/jobs", content=b"{", headers=read).status_code == 403, "before anything is read"
    assert locked.get("/nothing", headers=train).status_code == 404
    assert locked.head("/jobs", headers=train).status_code == 403


def test_what_is_meant_by_an_override_takes_what_that_takes(locked: TestClient, store: Store) -> None:
    read = {**key(store, "read"), "X-HTTP-Method-Override": "DELETE", "Tus-Resumable": "1.0.0"}
    assert locked.post("/uploads/x", headers=read).status_code == 403


def test_a_key_that_is_revoked_or_has_ended_opens_nothing(locked: TestClient, store: Store) -> None:
    row, text = store.api_keys.add("default", "test", ["read"])
    _, brief = store.api_keys.add("default", "test", ["read"], days=1e-9)
    shown = {"X-Api-Key": text}
    assert locked.get("/jobs", headers={"X-Api-Key": brief}).status_code == 401
    assert locked.get("/jobs", headers=shown).status_code == 200
    ring: Keyring = locked.app.gate.admission.keyring  # type: ignore[attr-defined]
    now = ring._clock()
    ring._clock = lambda: now
    assert locked.delete(f"/keys/{row.id}", headers=key(store, "admin")).status_code == 204
    assert locked.delete(f"/keys/{row.id}", headers=key(store, "admin")).status_code == 204, "for good"
    assert locked.get("/jobs", headers=shown).status_code == 200, "as long as it is known"
    ring._clock = lambda: now + 1.01
    assert locked.get("/jobs", headers=shown).status_code == 401


def test_keys_are_made_listed_and_used(locked: TestClient, store: Store) -> None:
    admin = key(store, "admin")
    asked = {"name": "ci", "scopes": ["train", "read", "read"], "days": 30}
    made = locked.post("/keys", json=asked, headers=admin)
    assert made.status_code == 201
    new = made.json()
    assert new["scopes"] == ["read", "train"]
    mine = {"X-Api-Key": new["key"]}
    assert locked.get("/jobs", headers=mine).status_code == 200
    assert locked.get("/keys", headers=mine).status_code == 403
    listed = locked.get("/keys", headers=admin).json()["data"]
    assert listed[0]["id"] == new["id"]
    assert listed[0]["used_at"] is not None
    assert new["key"].split("_")[2] not in str(listed)
    assert locked.get(made.headers["location"], headers=admin).json() == listed[0]
    assert locked.get("/keys?of=acme", headers=admin).json()["data"] == []
    assert locked.post("/keys", json={**asked, "account": "acme"}, headers=admin).status_code == 404
    assert locked.post("/keys", json={**asked, "scopes": ["root"]}, headers=admin).status_code == 422
    for missing in (locked.get, locked.delete):
        assert missing("/keys/9f86d081884c", headers=admin).status_code == 404
    (entry,) = locked.get("/audit?limit=1", headers=admin).json()["data"]
    assert (entry["action"], entry["subject"]) == ("key.add", new["id"])
    assert entry["actor"] == key_text.read(admin["Authorization"].split()[1]).id  # type: ignore[union-attr]
    assert locked.get(f"/audit?of=default&before={entry['number']}", headers=admin).json()["data"][0]["actor"] is None


def test_a_ticket_opens_one_path_for_who_looks(locked: TestClient, store: Store) -> None:
    job_id = submit(store)
    read = key(store, "read")
    made = locked.post("/tickets", json={"path": f"/jobs/{job_id}", "seconds": 60}, headers=read).json()
    there = f"/jobs/{job_id}?ticket={made['ticket']}"
    assert locked.get(there).status_code == locked.head(there).status_code == 200
    assert locked.get(f"/jobs?ticket={made['ticket']}").status_code == 401
    assert locked.delete(there).status_code == 401
    assert locked.get(f"/jobs/{job_id}?ticket=x").status_code == 401
    assert locked.get(f"{there}&ticket=x").status_code == 400
    train = key(store, "train")
    assert locked.post("/tickets", json={"path": "/jobs"}, headers=train).status_code == 403
    ring: Keyring = locked.app.gate.admission.keyring  # type: ignore[attr-defined]
    ring._now = lambda: 2e9
    assert "expired" in locked.get(there).json()["detail"]
    its = ticket.read(made["ticket"])
    assert its is not None
    store.api_keys.revoke(its.key_id)
    ring._known.clear()
    assert locked.get(there).status_code == 401


def test_another_account_s_things_are_not_there(locked: TestClient, store: Store, settings: Settings) -> None:
    store.accounts.add("acme")
    job_id = submit(store)
    mine, theirs = key(store), key(store, account="acme")
    assert locked.get(f"/jobs/{job_id}", headers=mine).status_code == 200
    for method in ("GET", "DELETE"):
        assert locked.request(method, f"/jobs/{job_id}", headers=theirs).status_code == 404
    assert locked.get("/jobs", headers=theirs).json()["data"] == []
    assert locked.get("/jobs?account=acme", headers=mine).json()["data"] == []
    assert len(locked.get("/jobs?account=default", headers=theirs).json()["data"]) == 1, "who rules looks everywhere"
    read = key(store, "read", account="acme")
    assert locked.get("/jobs?account=default", headers=read).status_code == 403
    assert locked.get("/jobs?account=acme", headers=read).status_code == 200
    assert locked.get("/jobs?account=nobody", headers=mine).status_code == 404


def test_names_of_models_mean_those_of_the_account(settings: Settings, store: Store) -> None:

    artifacts = Artifacts(settings.artifacts)
    store.accounts.add("acme")
    succeeded(store, artifacts, model="digits")
    with guarded(settings) as locked:
        image = {"image": [[0] * 27 + [200]] * 28, "model": "digits"}
        told = locked.post("/predict", json=image, headers=key(store, "predict"))
        assert told.status_code == 200, told.text
        theirs = key(store, "predict", account="acme")
        assert locked.post("/predict", json=image, headers=theirs).status_code == 404
        assert locked.get("/v2/models", headers=theirs).json() != locked.get("/v2/models", headers=key(store)).json()


def test_where_no_keys_are_asked_for_everything_is_as_ever(api: TestClient, store: Store) -> None:
    assert api.get("/jobs").status_code == 200
    assert api.post("/tickets", json={"path": "/jobs"}).status_code == 409
    store.accounts.add("acme")
    assert api.post("/jobs?account=acme", json={}).status_code == 202
    assert api.get("/jobs").json()["data"] == []
    assert len(api.get("/jobs?account=acme").json()["data"]) == 1


def test_a_route_without_a_line_in_the_table_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    from service.api import policy

    monkeypatch.setattr(policy, "_TABLE", {("read",): "GET /jobs"})
    with pytest.raises(LookupError, match="in no line"):
        fresh_app(Settings())


def test_every_line_of_the_table_is_a_route_s() -> None:
    from service.api import policy

    gate = fresh_app(Settings()).gate
    there = {f"{method} {entry.path}" for line in gate.admission.policy._below.values() for _, method, entry in line}
    assert set(policy.table()) == there


def test_what_is_public_is_what_is_meant_to_be() -> None:

    assert {name for name, scopes in policy.table().items() if not scopes} == {
        *("GET /", "GET /docs", "GET /openapi.json", "GET /static", "GET /livez", "GET /readyz", "GET /ping"),
        *("GET /v2/health/live", "GET /v2/health/ready"),
    }


def test_a_key_that_is_not_for_models_promotes_nothing_by_any_way(locked: TestClient, store: Store) -> None:
    train, both = key(store, "train"), key(store, "train", "models")
    silent = locked.post("/jobs", json={}, headers=train).json()
    assert silent["spec"]["promote"] == "never"
    assert locked.post("/jobs", json={}, headers=both).json()["spec"]["promote"] == "if_better"
    asked = locked.post("/jobs", json={"promote": "always"}, headers=both).json()
    store.jobs.cancel(asked["id"])
    store.jobs.cancel(silent["id"])
    for method, path, body in (
        ("POST", "/jobs", {"promote": "if_better"}),
        ("PUT", "/jobs/mine", {"promote": "always"}),
        ("POST", f"/jobs/{asked['id']}/retry", None),
        ("POST", "/sweeps", {"base": {"promote": "always"}, "grid": {"seed": [1, 2]}}),
        ("POST", "/sweeps", {"grid": {"promote": ["never", "always"]}}),
        ("POST", "/sweeps", {"trials": [{}, {"promote": "if_better"}]}),
        ("POST", "/sweeps", {"tpe": {"ranges": {"promote": {"choice": ["never", "always"]}}, "trials": 3}}),
        ("POST", "/models", {"name": "m", "members": ["a/1", "a/2"]}),
        ("PUT", "/models/mnist/aliases/champion", {"version": 1}),
    ):
        assert locked.request(method, path, json=body, headers=train).status_code == 403, (method, path, body)
    assert locked.post(f"/jobs/{silent['id']}/retry", headers=train).json()["spec"]["promote"] == "never"
    learns = {"tpe": {"ranges": {"learning_rate": {"uniform": [0.1, 0.2]}}, "trials": 3}}
    for sweep in ({"grid": {"seed": [1, 2]}}, {"preset": "report"}, learns):
        made = locked.post("/sweeps", json=sweep, headers=train)
        assert made.status_code == 202, made.text
        row = store.sweeps.get(made.json()["id"])
        assert row is not None
        assert row.spec["base"]["promote"] == "never"
        its = [store.jobs.get(job.id) for job in store.sweeps.jobs(row.id)]
        assert {job.spec["promote"] for job in its if job is not None} == {"never"}


def test_an_account_is_made_changed_and_looked_at(locked: TestClient, store: Store) -> None:
    admin = key(store, "admin")
    made = locked.put("/accounts/acme", json={"weight": 2}, headers=admin)
    assert (made.status_code, made.json()["weight"], made.json()["limits"]["rates"]) == (201, 2.0, {})
    limits = {"queued": 1, "rates": {"read": 0.5}}
    changed = locked.put("/accounts/acme", json={"limits": limits}, headers=admin)
    assert (changed.status_code, changed.json()["weight"]) == (200, 2.0)
    told = locked.get("/accounts/acme", headers=admin).json()
    assert (told["limits"]["queued"], told["usage"]["queued"]) == (1, 0)
    assert [row["name"] for row in locked.get("/accounts", headers=admin).json()["data"]] == ["acme", "default"]
    assert locked.get("/accounts/nobody", headers=admin).status_code == 404
    for wrong in ({"limits": {"queued": -1}}, {"limits": {"rates": {"root": 1}}}, {"weight": 0}, {"x": 1}):
        assert locked.put("/accounts/acme", json=wrong, headers=admin).status_code == 422, wrong
    assert locked.put("/accounts/A b", json={}, headers=admin).status_code == 422
    assert [row.action for row in store.audit.find("acme", limit=9)] == ["account.change"] * 2 + ["account.add"]


def test_an_account_takes_no_more_than_its_quotas(locked: TestClient, store: Store) -> None:
    store.accounts.add("acme")
    store.accounts.change("acme", limits=Limits(queued=2, stored_bytes=300, bytes_a_day=200))
    theirs = key(store, account="acme")
    first = locked.post("/jobs", json={}, headers=theirs)
    assert first.status_code == 202
    full = locked.post("/sweeps", json={"grid": {"seed": [1, 2]}}, headers=theirs)
    assert full.status_code == 429
    assert "queued is 2; it has 1, and this takes 2 more" in full.json()["detail"]
    assert full.json()["type"].endswith("#quota-exceeded")
    assert full.json()["violated-policies"] == ["queued"]
    assert "retry-after" not in full.headers, "nobody knows when jobs will have begun"
    assert locked.post("/jobs", json={}, headers=theirs).status_code == 202
    assert locked.put("/jobs/mine", json={}, headers=theirs).status_code == 429
    assert locked.post("/jobs", json={}, headers=key(store)).status_code == 202, "nobody else's business"
    rows = b"a,b,label\n" + b"1,2,x\n3,4,y\n" * 10
    assert locked.post("/datasets?name=letters", content=rows, headers=_csv(theirs)).status_code == 202
    again = locked.post("/datasets?name=more", content=rows + b"5,6,x\n", headers=_csv(theirs))
    assert (again.status_code, again.json()["violated-policies"]) == (429, ["bytes_a_day"])
    assert 23 * 3600 <= int(again.headers["retry-after"]) <= 24 * 3600, "when what was sent in this hour counts no more"
    store.accounts.change("acme", limits=Limits(bytes_a_day=200))
    locked.app.gate.admission.keyring._known.clear()  # type: ignore[attr-defined]
    never = locked.post("/datasets?name=more", content=rows * 20, headers=_csv(theirs))
    assert (never.status_code, "it never fits" in never.json()["detail"]) == (429, True)
    assert "retry-after" not in never.headers
    store.accounts.change("acme", limits=Limits(stored_bytes=200))
    locked.app.gate.admission.keyring._known.clear()  # type: ignore[attr-defined]
    stored = locked.post("/datasets?name=more", content=rows + b"5,6,x\n", headers=_csv(theirs))
    assert (stored.status_code, stored.json()["violated-policies"]) == (507, ["stored_bytes"])
    upload = {**theirs, "Tus-Resumable": "1.0.0", "Upload-Length": "200"}
    assert locked.post("/uploads", headers=upload).status_code == 507
    assert store.accounts.usage("acme") == {
        "queued": 2,
        "running": 0,
        "stored_bytes": len(rows),
        "bytes_a_day": len(rows),
    }


def _csv(headers: dict[str, str]) -> dict[str, str]:
    return {**headers, "Content-Type": "text/csv"}


def test_a_rate_is_told_kept_and_comes_back(locked: TestClient, store: Store) -> None:
    store.accounts.add("acme")
    store.accounts.change("acme", limits=Limits(rates=(("read", 2.0), ("predict", 0.25))))
    theirs = key(store, account="acme")
    now = 1000.0
    locked.app.gate.admission.rates._clock = lambda: now  # type: ignore[attr-defined]
    for left in ("1", "0"):
        answer = locked.get("/jobs", headers=theirs)
        assert answer.headers["ratelimit"] == f'"read";r={left};t=0'
        assert answer.headers["ratelimit-policy"] == '"read";q=2;w=1'
    spent = locked.get("/jobs", headers=theirs)
    assert (spent.status_code, spent.headers["retry-after"]) == (429, "1")
    assert spent.headers["ratelimit"] == '"read";r=0;t=1'
    assert locked.post("/jobs", json={}, headers=theirs).status_code == 202, "of another scope"
    assert "ratelimit" not in locked.get("/jobs", headers=key(store)).headers
    now += 0.5
    assert locked.get("/jobs", headers=theirs).status_code == 200
    asked = {"json": {"image": [[0]]}, "headers": theirs}
    assert locked.post("/predict", **asked).status_code == 404  # type: ignore[arg-type]
    slow = locked.post("/predict", **asked)  # type: ignore[arg-type]
    assert (slow.status_code, slow.headers["retry-after"]) == (429, "4")
    assert (slow.json()["title"], slow.json()["violated-policies"]) == ("Quota exceeded", ["predict"])
    assert slow.headers["ratelimit-policy"] == '"predict";q=1;w=4'


def test_who_submitted_cancelled_and_deleted_stays_known(locked: TestClient, store: Store) -> None:
    first, second, admin = key(store, "train", "read"), key(store, "train", "read"), key(store, "admin")
    one, other = (key_text.read(shown["Authorization"].split()[1]).id for shown in (first, second))  # type: ignore[union-attr]
    job_id = locked.post("/jobs", json={}, headers=first).json()["id"]
    sweep_id = locked.post("/sweeps", json={"grid": {"seed": [1, 2]}}, headers=first).json()["id"]
    for path in (f"/jobs/{job_id}", f"/sweeps/{sweep_id}"):
        for _ in range(2):  # the second time nothing is done
            assert locked.post(f"{path}/cancel", headers=second).status_code == 202
    told = locked.get(f"/jobs/{job_id}/events", headers=first).json()["data"]
    assert [(event["data"]["state"], event["actor"]) for event in told] == [("queued", one), ("cancelled", other)]
    assert {event["actor"] for event in locked.get("/events", headers=first).json()["data"]} == {one, other}
    for path in (f"/jobs/{job_id}", f"/sweeps/{sweep_id}"):
        assert locked.delete(path, headers=second).status_code == 204
    listed = [
        (entry["action"], entry["subject"], entry["actor"], entry["data"])
        for entry in locked.get("/audit?limit=4", headers=admin).json()["data"]
    ]
    assert listed == [
        ("sweep.delete", sweep_id, other, {"submitted_by": one}),
        ("job.delete", job_id, other, {"submitted_by": one}),
        ("sweep.cancel", sweep_id, other, {}),
        ("job.cancel", job_id, other, {}),
    ]
