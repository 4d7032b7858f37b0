"""Models over HTTP and on record: versions, aliases, promotion, rollback, deletion; on both databases."""

import pytest
from fastapi.testclient import TestClient

from service.artifacts import Artifacts
from service.cli.doctor import examine
from service.store import owners
from service.store.errors import NothingThere
from service.store.store import Store
from tests.records import succeeded
from tests.waiting import wait_until

BLANK = [[0, 255] * 14] * 28


def answered(api: TestClient, reference: str | None = None) -> tuple[str, int]:
    answer = api.post("/predict", json={"image": BLANK} | ({"model": reference} if reference else {}))
    assert answer.status_code == 200, answer.text
    return answer.json()["model"]["name"], answer.json()["model"]["version"]


def test_a_version_to_which_an_alias_points_is_not_deleted(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    for seed in range(2):
        succeeded(store, artifacts, seed=seed, val_accuracy=0.8 + seed / 100)
    refused = api.delete("/models/mnist/versions/2")
    assert (refused.status_code, "champion" in refused.json()["detail"]) == (409, True)
    assert api.delete("/models/mnist/versions/1").status_code == 204
    assert api.get("/models/mnist/versions/1").status_code == 404
    assert store.files.of(owners.of_version("mnist", 1)) == []
    assert list(examine(store, artifacts, young_seconds=-1)) == []


def test_a_version_answers_though_its_job_was_deleted(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    job_id = succeeded(store, artifacts)
    assert api.delete(f"/jobs/{job_id}").status_code == 204
    assert list(examine(store, artifacts, young_seconds=-1)) == []
    assert answered(api) == answered(api, "mnist/1") == ("mnist", 1)
    lineage = api.get("/models/mnist/versions/1/lineage").json()
    assert (lineage["job_id"], lineage["job_is_there"]) == (job_id, False)
    assert lineage["spec"]["hidden_sizes"] == [20]
    assert lineage["data_sha256"] == "d" * 64
    gone = api.post("/predict", json={"image": BLANK, "model": job_id})
    assert (gone.status_code, gone.json()["detail"]) == (404, f"there is no model and no job called {job_id}")
    assert api.delete("/models/mnist/aliases/champion").status_code == 204
    assert api.delete("/models/mnist/versions/1").status_code == 204
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

    assert wait_until(refusal, timeout=30, what="the second model to be noticed") == (
        "there are several models, and none is called default: say in model which one, of a, b; or set "
        "TENFOLD_DEFAULT_MODEL"
    )
    succeeded(store, artifacts, model="default")
    assert answered(api) == ("default", 1)


def test_of_many_models_ten_are_named(store: Store, artifacts: Artifacts) -> None:
    for number in range(11):
        succeeded(store, artifacts, model=f"m{number:02}")
    with pytest.raises(NothingThere, match=r"of m00, m01, .*, m09 and others; or set TENFOLD_DEFAULT_MODEL"):
        store.references.look_up(None)


def test_a_model_without_versions_stands_in_nobody_s_way(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    for model in ("default", "a"):
        succeeded(store, artifacts, model=model, promote="never")
    assert api.delete("/models/default/versions/1").status_code == 204
    assert answered(api) == ("a", 1)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v2/models/a%00b/infer"),
        ("POST", "/v2/models/mnist/versions/%00/infer"),
        ("POST", "/v1/models/mnist@%00:predict"),
        ("GET", "/v2/models/%00"),
    ],
)
def test_what_cannot_be_a_name_is_not_there(
    api: TestClient, store: Store, artifacts: Artifacts, method: str, path: str
) -> None:
    """PostgreSQL takes no NUL, which is not to look as if it were away."""
    succeeded(store, artifacts)
    assert api.request(method, path).status_code == 404


def test_models_and_versions_are_listed(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    assert api.get("/models").json() == {"data": []}
    for seed in range(3):
        succeeded(store, artifacts, seed=seed, val_accuracy=0.8 + seed / 100)
    succeeded(store, artifacts, model="other")
    assert [model["name"] for model in api.get("/models").json()["data"]] == ["mnist", "other"]
    model = api.get("/models/mnist").json()
    assert (model["newest_version"], model["aliases"][0]["versions"]) == (3, {"3": 1.0})
    first = api.get("/models/mnist/versions?limit=2").json()
    assert [version["version"] for version in first["data"]] == [3, 2]
    assert [version["version"] for version in api.get(first["next"]).json()["data"]] == [1]
    assert [one["version"] for one in api.get("/models/mnist/lineage").json()["data"]] == [3, 2, 1]
    for path in ("", "/versions", "/versions/1", "/lineage", "/history", "/aliases/champion", "/versions/1/card"):
        assert api.get(f"/models/none{path}").status_code == 404
    assert "has no card" in api.get("/models/mnist/versions/1/card").json()["detail"]
