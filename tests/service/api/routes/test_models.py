"""Models over HTTP and on record: versions, aliases, promotion, rollback, deletion; on both databases."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from fastapi.testclient import TestClient
from sqlalchemy import Connection, create_engine, make_url, text

from models.spec import TrainingSpec
from service.artifacts import Artifacts
from service.cli.doctor import examine
from service.settings import Settings
from service.store import owners
from service.store.engine import Database
from service.store.store import Store
from tests.records import succeeded
from tests.waiting import wait_until

BLANK = [[0] * 28] * 28


def champion(store: Store, model: str = "default") -> int | None:
    row = store.aliases.get(model, "champion")
    return None if row is None else int(next(iter(row.targets["versions"])))


def why_not(store: Store, version: int) -> str | None:
    row = store.models.version("default", version)
    assert row is not None
    reason: str | None = row.facts["not_promoted_because"]
    return reason


def answered(api: TestClient, reference: str | None = None) -> tuple[str, int]:
    answer = api.post("/predict", json={"image": BLANK} | ({"model": reference} if reference else {}))
    assert answer.status_code == 200, answer.text
    return answer.json()["model"]["name"], answer.json()["model"]["version"]


def test_jobs_that_succeed_at_once_are_numbered_without_gaps(store: Store, artifacts: Artifacts) -> None:
    with ThreadPoolExecutor(4) as threads:
        ids = list(threads.map(lambda seed: succeeded(store, artifacts, seed=seed), range(8)))
    rows = store.models.versions("default", limit=100)
    assert [row.version for row in rows] == list(range(8, 0, -1))
    assert {row.job_id for row in rows} == set(ids)
    assert champion(store) == 8
    assert len(store.aliases.history("default", limit=100)) == 8


def test_if_better_promotes_only_what_is_better_on_the_same_data(store: Store, artifacts: Artifacts) -> None:
    def learn(accuracy: float, **fields: Any) -> None:
        succeeded(store, artifacts, val_accuracy=accuracy, **{"promote": "if_better", **fields})

    learn(0.8)
    assert champion(store) == 1, "there was none"
    learn(0.8)
    learn(0.85, promote_margin=0.1)
    learn(0.99, data_sha256="e" * 64)
    learn(0.99, split_seed=7)
    learn(0.99, promote="never")
    assert champion(store) == 1
    assert "does not exceed" in str(why_not(store, 2))
    assert "by more than 0.1" in str(why_not(store, 3))
    assert "another validation part" in str(why_not(store, 4))
    assert "another validation part" in str(why_not(store, 5))
    assert why_not(store, 6) == "promote is never"
    learn(0.81)
    assert (champion(store), why_not(store, 7)) == (7, None)
    learn(0.1, promote="always")
    assert champion(store) == 8
    assert [row.why for row in store.aliases.history("default", limit=9)] == ["always", "if_better", "if_better"]


def test_a_deleted_version_s_number_is_not_given_again(store: Store, artifacts: Artifacts) -> None:
    succeeded(store, artifacts)
    succeeded(store, artifacts, promote="never")
    assert store.models.delete("default", 2) is not None
    assert store.models.delete("default", 2) is None
    succeeded(store, artifacts)
    assert [row.version for row in store.models.versions("default", limit=9)] == [3, 1]


def test_rolling_back_goes_back_one_by_one(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    for seed in range(4):
        succeeded(store, artifacts, seed=seed)
    url = "/models/default/aliases/champion"
    assert api.post(f"{url}/rollback").json()["versions"] == {"3": 1.0}
    assert api.post(f"{url}/rollback").json()["versions"] == {"2": 1.0}
    assert api.put(url, json={"version": 4}).json()["versions"] == {"4": 1.0}
    assert api.post(f"{url}/rollback").json()["versions"] == {"2": 1.0}
    assert api.post(f"{url}/rollback").json()["versions"] == {"1": 1.0}
    refused = api.post(f"{url}/rollback")
    assert (refused.status_code, "nothing to go back to" in refused.json()["detail"]) == (409, True)
    whys = [move["why"] for move in api.get("/models/default/history").json()["data"]]
    assert whys == ["rolled_back", "rolled_back", "set", "rolled_back", "rolled_back", *["always"] * 4]


def test_rolling_back_passes_over_versions_that_were_deleted(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    for seed in range(3):
        succeeded(store, artifacts, seed=seed)
    url = "/models/default/aliases/champion"
    assert api.delete("/models/default/versions/2").status_code == 204
    assert api.post(f"{url}/rollback").json()["versions"] == {"1": 1.0}
    assert api.post(f"{url}/rollback").status_code == 409
    assert api.put(url, json={"version": 3}).status_code == 200
    assert api.post(f"{url}/rollback").json()["versions"] == {"1": 1.0}


def test_an_alias_is_moved_only_if_it_is_as_the_client_saw_it(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    for seed in range(2):
        succeeded(store, artifacts, seed=seed, promote="never")
    url = "/models/default/aliases/candidate"
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


def test_a_version_to_which_an_alias_points_is_not_deleted(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    for seed in range(2):
        succeeded(store, artifacts, seed=seed)
    refused = api.delete("/models/default/versions/2")
    assert (refused.status_code, "champion" in refused.json()["detail"]) == (409, True)
    assert api.delete("/models/default/versions/1").status_code == 204
    assert api.get("/models/default/versions/1").status_code == 404
    assert store.files.of(owners.of_version("default", 1)) == []
    assert list(examine(store, artifacts, young_seconds=-1)) == []


def test_a_version_answers_though_its_job_was_deleted(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    job_id = succeeded(store, artifacts)
    assert api.delete(f"/jobs/{job_id}").status_code == 204
    assert list(examine(store, artifacts, young_seconds=-1)) == []
    assert answered(api) == answered(api, "default/1") == ("default", 1)
    lineage = api.get("/models/default/versions/1/lineage").json()
    assert (lineage["job_id"], lineage["job_is_there"]) == (job_id, False)
    assert lineage["spec"]["hidden_sizes"] == [20]
    assert lineage["data_sha256"] == "d" * 64
    gone = api.post("/predict", json={"image": BLANK, "model": job_id})
    assert (gone.status_code, gone.json()["detail"]) == (404, f"there is no model and no job called {job_id}")
    assert api.delete("/models/default/aliases/champion").status_code == 204
    assert api.delete("/models/default/versions/1").status_code == 204
    assert [path for path in artifacts.folder.rglob("*") if path.is_file()] == []


def test_every_way_to_name_a_version_means_it(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    jobs = [succeeded(store, artifacts, seed=seed, model="digits", promote="never") for seed in range(3)]
    assert answered(api) == answered(api, "digits") == ("digits", 3), "the newest, where there is no champion"
    assert api.put("/models/digits/aliases/champion", json={"version": 1}).status_code == 201
    assert api.put("/models/digits/aliases/next", json={"version": 2}).status_code == 201
    assert answered(api, "digits@champion") == ("digits", 1)
    assert answered(api, "digits@next") == answered(api, "digits/2") == answered(api, jobs[1]) == ("digits", 2)
    for nothing in ("digits@none", "digits/9", "digits/x", "digits/", "none", "none@champion", "none/1"):
        assert api.post("/predict", json={"image": BLANK, "model": nothing}).status_code == 404, nothing


def test_where_nobody_names_one_default_is_asked_or_the_only_model(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    assert "no model yet" in api.post("/predict", json={"image": BLANK}).json()["detail"]
    succeeded(store, artifacts, model="b")
    assert answered(api) == ("b", 1)
    succeeded(store, artifacts, model="a")

    def refusal() -> str | None:
        answer = api.post("/predict", json={"image": BLANK})
        return answer.json()["detail"] if answer.status_code == 404 else None

    assert "say which one" in str(wait_until(refusal, timeout=30, what="the second model to be noticed"))
    succeeded(store, artifacts, model="default")
    assert answered(api) == ("default", 1)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v2/models/a%00b/infer"),
        ("POST", "/v2/models/default/versions/%00/infer"),
        ("POST", "/v1/models/default@%00:predict"),
        ("GET", "/v2/models/%00"),
    ],
)
def test_what_can_not_be_a_name_is_not_there(
    api: TestClient, store: Store, artifacts: Artifacts, method: str, path: str
) -> None:
    """PostgreSQL takes no NUL, which is not to look as if it were away."""
    succeeded(store, artifacts)
    assert api.request(method, path).status_code == 404


def test_requests_are_divided_among_versions(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    for seed in range(3):
        succeeded(store, artifacts, seed=seed)
    shares = api.put("/models/default/aliases/test", json={"versions": {"2": 1, "3": 3}}).json()["versions"]
    assert shares == {"2": 0.25, "3": 0.75}
    seen = [answered(api, "default@test")[1] for _ in range(200)]
    assert set(seen) == {2, 3}
    assert seen.count(3) > seen.count(2)
    assert api.delete("/models/default/versions/2").status_code == 409


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
def test_an_alias_can_not_point_to_what_is_not_there(
    api: TestClient, store: Store, artifacts: Artifacts, body: dict[str, Any], pointer: str
) -> None:
    succeeded(store, artifacts)
    answer = api.put("/models/default/aliases/champion", json=body)
    assert answer.status_code == 422
    assert pointer in {error["pointer"] for error in answer.json()["errors"]}


def test_models_and_versions_are_listed(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    assert api.get("/models").json() == {"data": []}
    for seed in range(3):
        succeeded(store, artifacts, seed=seed)
    succeeded(store, artifacts, model="other")
    assert [model["name"] for model in api.get("/models").json()["data"]] == ["default", "other"]
    model = api.get("/models/default").json()
    assert (model["newest_version"], model["aliases"][0]["versions"]) == (3, {"3": 1.0})
    first = api.get("/models/default/versions?limit=2").json()
    assert [version["version"] for version in first["data"]] == [3, 2]
    assert [version["version"] for version in api.get(first["next"]).json()["data"]] == [1]
    assert [one["version"] for one in api.get("/models/default/lineage").json()["data"]] == [3, 2, 1]
    for path in ("", "/versions", "/versions/1", "/lineage", "/history", "/aliases/champion", "/versions/1/card"):
        assert api.get(f"/models/none{path}").status_code == 404
    assert "has no card" in api.get("/models/default/versions/1/card").json()["detail"]


def test_what_succeeded_before_there_were_versions_becomes_versions(bare_url: str, settings: Settings) -> None:
    url = make_url(bare_url)
    engine = create_engine(url.set(drivername="postgresql+psycopg") if "postgresql" in url.drivername else url)
    config = Config()
    config.set_main_option("script_location", "service/store/migrations")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        for job_id in ("one", "two"):
            _old_job(connection, job_id)
    engine.dispose()
    store = Store.open(settings)
    rows = store.models.versions("default", limit=9)
    assert [(row.version, row.job_id, row.val_accuracy) for row in rows] == [(2, "two", 0.7), (1, "one", 0.7)]
    assert champion(store) == 2
    assert [row.why for row in store.aliases.history("default", limit=9)] == ["migration"]
    (file,) = store.files.of(owners.of_version("default", 1))
    assert (file.name, file.key) == ("weights.safetensors", "key-one")
    assert store.jobs.delete("one") == []
    store.database.close()
    Database.open(bare_url).close()


def _old_job(connection: Connection, job_id: str) -> None:
    spec = TrainingSpec().model_dump_json(exclude={"model", "promote", "promote_margin"})
    connection.execute(
        text(
            "INSERT INTO jobs (id, state, spec, labels, dataset, shape, created_at, rung_at, attempt, "
            "fruitless_attempts, cancel_requested, last_epoch, result) VALUES (:id, 'succeeded', :spec, '{}', 'mnist', "
            "'s', 1, 1, 1, 0, false, 1, :result)"
        ),
        {"id": job_id, "spec": spec, "result": '{"best_val_accuracy": 0.7}'},
    )
    connection.execute(
        text("INSERT INTO models (job_id, epoch, weights_sha256, created_at) VALUES (:id, 1, 'w', 5)"), {"id": job_id}
    )
    connection.execute(
        text(
            "INSERT INTO artifacts (owner, name, key, sha256, size, epoch, created_at) "
            "VALUES (:owner, 'best.safetensors', :key, 'w', 1, 1, 5)"
        ),
        {"owner": f"jobs/{job_id}", "key": f"key-{job_id}"},
    )
