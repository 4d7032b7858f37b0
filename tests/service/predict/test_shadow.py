"""Shadow traffic: a version is asked along, and nobody's answer depends on it."""

import asyncio
import weakref
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from models.inference import read
from service.artifacts import Artifacts
from service.predict.batcher import Batcher, Pace
from service.predict.predictor import Predictor
from service.predict.served import scorer
from service.predict.shadow import Shadow
from service.store.store import Store
from tests.answers import pointers
from tests.records import damage, succeeded, weights
from tests.service.conftest import MadeOnce
from tests.waiting import wait_until

CHAMPION = "/models/mnist/aliases/champion"
PIXELS = np.random.default_rng(5).integers(0, 256, (700, 28, 28), np.uint8)


@pytest.fixture
def database_url(url_of_model: str) -> str:
    return url_of_model


@pytest.fixture
def model(made_once: MadeOnce) -> str:
    """A model of two networks that have learned nothing, and so differ in most of what they read."""
    return made_once("mnist", lambda store, artifacts: [succeeded(store, artifacts, seed=seed) for seed in (0, 1)][1])


def point(api: TestClient, **body: Any) -> Any:
    return api.put(CHAMPION, json=body)


def ask(api: TestClient) -> Any:
    return api.post("/predict", content=PIXELS.tobytes(), headers={"Content-Type": "application/octet-stream"}).json()


def shadow(api: TestClient) -> dict[str, int]:
    view: dict[str, int] = api.get(CHAMPION).json()["shadow"]
    return view


@pytest.mark.usefixtures("model")
def test_a_shadow_is_asked_along_and_how_often_it_agrees_is_counted(api: TestClient) -> None:
    assert point(api, version=1, shadow=2).json()["shadow"] == {
        "version": 2,
        "compared": 0,
        "agreed": 0,
        "left_out": 0,
    }
    answer = ask(api)
    assert answer["model"]["version"] == 1
    one, other = (read(weights(seed=seed)).logits(PIXELS).argmax(axis=1) for seed in range(2))
    assert [its["digit"] for its in answer["predictions"]] == one.tolist()
    expected = {"version": 2, "compared": 700, "agreed": int((one == other).sum()), "left_out": 0}
    wait_until(lambda: shadow(api) == expected, timeout=10, what=f"{expected}")
    infer = {"inputs": [{"name": "pixels", "shape": [1, 784], "datatype": "UINT8", "data": PIXELS[0].ravel().tolist()}]}
    assert api.post("/v2/models/default/infer", json=infer).status_code == 200
    wait_until(lambda: shadow(api)["compared"] == 701, timeout=10, what="the shadow to be asked along")


@pytest.mark.usefixtures("model")
def test_a_shadow_is_part_of_the_history_and_kept_while_it_is_one(api: TestClient) -> None:
    point(api, version=1, shadow=2)
    assert api.delete("/models/mnist/versions/2").status_code == 409
    assert point(api, version=1).json()["shadow"] is None
    moves = api.get("/models/mnist/history").json()["data"]
    assert [move["shadow"] for move in moves[:2]] == [None, 2]
    assert api.post(f"{CHAMPION}/rollback").json()["shadow"]["version"] == 2
    point(api, version=1)
    assert api.delete("/models/mnist/versions/2").status_code == 204


def test_rolling_back_leaves_out_a_shadow_that_was_deleted(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    for seed in range(4):
        succeeded(store, artifacts, seed=seed, promote="never")
    for body in ({"version": 1}, {"version": 2, "shadow": 3}, {"version": 2, "shadow": 1}, {"version": 4}):
        point(api, **body)
    assert api.delete("/models/mnist/versions/3").status_code == 204
    seen = [api.post(f"{CHAMPION}/rollback").json() for _ in range(3)]
    assert [(its["versions"], its["shadow"] and its["shadow"]["version"]) for its in seen] == [
        ({"2": 1.0}, 1),
        ({"2": 1.0}, None),
        ({"1": 1.0}, None),
    ]
    assert api.post(f"{CHAMPION}/rollback").status_code == 409


@pytest.mark.usefixtures("model")
def test_a_shadow_of_equal_weights_is_another(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    succeeded(store, artifacts, seed=1)
    for version in (2, 3):
        point(api, version=1, shadow=version)

        def is_asked_along() -> bool:
            ask(api)
            return shadow(api)["compared"] > 0

        wait_until(is_asked_along, timeout=10, what=f"version {version} to be asked along")


@pytest.mark.usefixtures("model")
def test_a_shadow_that_cannot_be_loaded_keeps_nobody_from_their_answer(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    damage(store, artifacts, "mnist", 2)
    point(api, version=1, shadow=2)
    assert ask(api)["model"]["version"] == 1
    assert shadow(api) == {"version": 2, "compared": 0, "agreed": 0, "left_out": 700}


@pytest.mark.usefixtures("model")
def test_what_agreed_with_another_champion_is_not_counted(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    succeeded(store, artifacts, seed=1)  # the weights of version 2
    for champion, agreed in ((1, False), (3, True)):
        fresh = {"version": 2, "compared": 0, "agreed": 0, "left_out": 0}
        assert point(api, version=champion, shadow=2).json()["shadow"] == fresh

        def is_asked_along(champion: int = champion) -> bool:
            return bool(ask(api)["model"]["version"] == champion and shadow(api)["compared"] > 0)

        wait_until(is_asked_along, timeout=10, what=f"the shadow to be asked along with version {champion}")
        seen = shadow(api)
        assert (seen["agreed"] == seen["compared"]) is agreed


@pytest.mark.usefixtures("model")
def test_those_who_ask_a_version_find_room_though_it_is_a_shadow(store: Store, artifacts: Artifacts) -> None:
    predictor = Predictor(store, artifacts)

    async def test() -> Shadow:
        answering = await predictor.find("mnist/1")
        asked = await predictor.find("mnist/2")
        # At this pace nothing is computed before all have asked, however slow the machine is.
        object.__setattr__(asked, "batcher", Batcher(scorer(asked.network, 1.0), Pace(0.0, 0.0)))
        shadow = Shadow(2, frozenset([1]), weakref.ref(asked))
        logits = answering.network.logits(PIXELS[:512])
        for _ in range(20):
            shadow.ask(PIXELS[:512], logits, answering)
        assert len(await asked.batcher.put(PIXELS[:512])) == 512
        return shadow

    shadow = asyncio.run(test())
    assert (shadow.compared, shadow.left_out) == (2 * 512, 18 * 512)


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"version": 1, "shadow": 1}, ""),
        ({"versions": {"1": 1, "2": 1}, "shadow": 2}, ""),
        ({"version": 1, "shadow": 9}, "/shadow"),
        ({"version": 1, "shadow": 0}, "/shadow"),
        ({"shadow": 1}, ""),
    ],
)
def test_what_cannot_be_a_shadow_is_refused(api: TestClient, body: dict[str, Any], pointer: str) -> None:
    assert pointers(point(api, **body)) == {pointer}
