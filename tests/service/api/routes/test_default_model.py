"""Who answers where a request names no model, and the settings do; on both databases."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.artifacts import Artifacts
from service.settings import Settings
from service.store.aliases import alone
from service.store.store import Store
from tests.records import succeeded

INFER = {"inputs": [{"name": "pixels", "datatype": "UINT8", "shape": [1, 784], "data": [0, 255] * 392}]}
INSTANCES = {"instances": [[0, 255] * 392]}
UNNAMED: dict[str, Any] = {
    "/predict": {"image": [[0, 255] * 14] * 28},
    "/v2/models/default/infer": INFER,
    "/v1/models/default:predict": INSTANCES,
    "/invocations": INSTANCES,
}


@pytest.fixture(params=["mnist", "mnist@old", "mnist/1"])
def reference(request: pytest.FixtureRequest) -> str:
    named: str = request.param
    return named


@pytest.fixture
def settings(settings: Settings, reference: str) -> Settings:
    """Settings that name who answers."""
    return settings.model_copy(update={"default_model": reference})


def test_the_settings_name_who_answers(api: TestClient, store: Store, artifacts: Artifacts, reference: str) -> None:
    for seed in range(2):
        succeeded(store, artifacts, seed=seed, val_accuracy=0.8 + seed / 100)
    succeeded(store, artifacts, seed=2, model="default")
    store.aliases.point("mnist", "old", alone(1))
    version = 2 if reference == "mnist" else 1
    about = api.post("/predict", json=UNNAMED["/predict"]).json()["model"]
    assert (about["name"], about["version"]) == ("mnist", version)
    assert api.get("/v2/models/default").json()["versions"] == [str(version)]
    logits = [_logits(api.post(path, json=body).json()) for path, body in UNNAMED.items() if path != "/predict"]
    assert logits == [_logits(api.post(f"/v2/models/mnist/versions/{version}/infer", json=INFER).json())] * 3
    named = api.post("/predict", json={**UNNAMED["/predict"], "model": "default"}).json()["model"]
    assert named["name"] == "default", "who is named answers"


def test_where_who_is_named_is_not_there_it_is_said_by_what(
    api: TestClient, store: Store, artifacts: Artifacts, reference: str
) -> None:
    succeeded(store, artifacts, model="default")
    for path, body in UNNAMED.items():
        refused = api.post(path, json=body)
        assert refused.status_code == 404
        assert f"TENFOLD_DEFAULT_MODEL is {reference}: there is no model" in refused.text


def _logits(answer: Any) -> Any:
    if "outputs" in answer:
        return next(its["data"] for its in answer["outputs"] if its["name"] == "logits")
    return answer["predictions"][0]["logits"]
