"""POST /models: what may be an ensemble, and what is told of one; worker/errands/test_combine.py has its assessment."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from models.inference import read
from models.spec import TrainingSpec
from service.api.schemas.ensembles import MOST_MEMBERS
from service.artifacts import Artifacts
from service.store import owners
from service.store.ensembles import Member
from service.store.promotion import Promotion, Verdict
from service.store.store import Store
from service.store.versions import NO_FINDINGS, WEIGHTS, Findings
from tests.answers import pointers, problem
from tests.records import damage, succeeded, weights

FOUND = Findings("d" * 64, {"temperature": 1.0})
PIXELS = np.random.default_rng(3).integers(0, 256, (4, 28, 28), np.uint8)


@pytest.fixture
def members(store: Store, artifacts: Artifacts) -> list[str]:
    """Three jobs whose networks are versions 1 to 3 of the model `default`."""
    return [succeeded(store, artifacts, seed=seed, val_accuracy=0.8 + seed / 100) for seed in range(3)]


def put_on_record(store: Store, *members: Member, model: str = "together", findings: Findings = FOUND) -> None:
    champion = store.models.champion(model)
    compared = replace(findings, verdict=Verdict(None if champion is None else champion.version))
    assert store.ensembles.make(model, members, compared, val_accuracy=0.9, promotion=Promotion("if_better"))


def combine(api: TestClient, **body: Any) -> Any:
    return api.post("/models", json={"name": "together", **body})


def test_an_ensemble_answers_by_the_mean_of_its_members_probabilities(
    api: TestClient, store: Store, members: list[str]
) -> None:
    put_on_record(store, ("mnist", 1), ("mnist", 3))
    answer = api.post(
        "/predict?model=together", content=PIXELS.tobytes(), headers={"Content-Type": "application/octet-stream"}
    ).json()
    assert answer["model"] | {"weights_sha256": None} == {
        "name": "together",
        "version": 1,
        "job_id": None,
        "epoch": None,
        "members": 2,
        "temperature": 1.0,
        "weights_sha256": None,
    }
    expected = np.mean([read(weights(seed=seed)).probabilities(PIXELS) for seed in (0, 2)], axis=0)
    np.testing.assert_allclose([its["probabilities"] for its in answer["predictions"]], expected, rtol=0, atol=1e-6)
    explained = api.post("/predict?model=together&explain=gradient", json={"image": PIXELS[0].tolist()})
    assert np.shape(explained.json()["gradient"]) == (28, 28)
    assert len(members) == 3


def test_asked_for_again_the_same_members_are_the_same_version(
    api: TestClient, store: Store, members: list[str]
) -> None:
    put_on_record(store, ("mnist", 2), ("mnist", 1))
    for named in (["mnist/1", "mnist/2"], ["mnist/2", "mnist/1"], [members[0], members[1]]):
        answer = combine(api, members=named)
        assert answer.status_code == 200, answer.text
        assert answer.headers["location"] == "/models/together/versions/1"
        assert answer.json()["members"] == [{"model": "mnist", "version": number} for number in (1, 2)]
        assert "job" not in answer.json()["links"]
    lineage = api.get("/models/together/versions/1/lineage").json()
    assert (lineage["job_id"], lineage["spec"], lineage["dataset"]) == (None, None, "mnist")
    assert [its["version"] for its in lineage["members"]] == [1, 2]
    assert len(api.get("/models/together/lineage").json()["data"]) == 1


def test_a_member_whose_weights_are_damaged_is_told_before_anybody_is_asked(
    api: TestClient, store: Store, artifacts: Artifacts, members: list[str]
) -> None:
    damage(store, artifacts, "mnist", 2)
    answer = combine(api, members=members[:2])
    assert "the weights of version 2 of model mnist cannot be used" in problem(answer, 500)["detail"]


def test_a_member_whose_file_holds_no_network_is_told_before_anybody_is_asked(
    api: TestClient, store: Store, artifacts: Artifacts, members: list[str]
) -> None:
    owner = owners.of_version("mnist", 2)
    store.files.publish(owner, [artifacts.write(owner, WEIGHTS, b"whole, and no weights", epoch=1)])
    answer = combine(api, members=members[:2])
    assert "the weights of version 2 of model mnist cannot be used" in problem(answer, 500)["detail"]


@pytest.mark.usefixtures("members")
def test_while_nobody_can_assess_it_there_is_none(api: TestClient, store: Store) -> None:
    answer = combine(api, members=["mnist/1", "mnist/2"])
    assert "broker" in problem(answer, 503)["detail"]
    assert int(answer.headers["retry-after"]) >= 1
    assert store.models.get("together") is None


@pytest.mark.usefixtures("members")
def test_an_ensemble_is_promoted_rolled_back_and_deleted_as_every_version(api: TestClient, store: Store) -> None:
    put_on_record(store, ("mnist", 1), ("mnist", 2), model="mnist")
    moved = api.get("/models/mnist/aliases/champion").json()
    assert moved["versions"] == {"4": 1.0}, "it is better than what was champion, on the same images"
    back = api.post("/models/mnist/aliases/champion/rollback").json()
    assert back["versions"] == {"3": 1.0}
    assert api.delete("/models/mnist/versions/4").status_code == 204
    assert api.get("/models/mnist/versions/4").status_code == 404
    assert api.post("/predict?model=mnist/1", json={"image": PIXELS[0].tolist()}).status_code == 200


def test_the_trials_of_a_sweep_may_answer_together(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    base = {"hidden_sizes": [20], "epochs": 1, "model": "swept"}
    sweep = api.post("/sweeps", json={"base": base, "trials": [{}], "seeds": 4}).json()
    jobs = store.jobs.find(sweep_id=sweep["id"], limit=9)[::-1]
    succeeded(store, artifacts, job_id=jobs[0].id, seed=0, val_accuracy=0.9)
    assert "needs two" in problem(combine(api, sweep=sweep["id"]), 409)["detail"]
    for seed, accuracy in ((1, 0.7), (2, 0.8), (3, 0.6)):
        succeeded(store, artifacts, job_id=jobs[seed].id, seed=seed, val_accuracy=accuracy)
    put_on_record(store, *[("swept", number) for number in (1, 2, 3, 4)])
    put_on_record(store, ("swept", 1), ("swept", 3))
    assert combine(api, sweep=sweep["id"]).json()["version"] == 1
    assert combine(api, sweep=sweep["id"], best=2).json()["version"] == 2


def test_more_than_the_memory_is_meant_for_is_no_ensemble(
    api: TestClient, members: list[str], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The bound stands for 256 MB: networks of as many numbers would take seconds to write.
    version = store.models.version("mnist", 1)
    assert version is not None
    parameters = TrainingSpec.model_validate(version.spec).parameters_for(784, 10)
    monkeypatch.setattr("service.api.routes.ensembles.MOST_PARAMETERS", 3 * parameters - 1)
    answer = combine(api, members=members)
    assert pointers(answer) == {"/members/2"}
    assert f"{3 * parameters:,} parameters" in answer.text


@pytest.mark.usefixtures("members")
@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"members": ["mnist/1", "mnist/9"]}, "/members/1"),
        ({"members": ["mnist/1", "nobody"]}, "/members/1"),
        ({"members": ["mnist/1", "mnist@halves"]}, "/members/1"),
        ({"members": ["mnist/1", "mnist/1"]}, "/members/1"),
        ({"members": ["mnist/1", "mnist/4"]}, "/members/1"),
        ({"members": ["mnist/1", "mnist/5"]}, "/members/1"),
        ({"members": ["mnist/1"]}, "/members"),
        ({"members": ["mnist/1"] * (MOST_MEMBERS + 1)}, "/members"),
        ({"members": ["mnist/1", "mnist/2"], "sweep": "s"}, ""),
        ({"members": ["mnist/1", "mnist/2"], "best": 2}, ""),
        ({"members": ["mnist/1", "mnist/2"], "promote": "perhaps"}, "/promote"),
        ({"members": ["mnist/1", "mnist/2"], "name": "a/b"}, "/name"),
        ({}, ""),
        ({"sweep": "nobody"}, "/sweep"),
    ],
)
def test_what_cannot_be_an_ensemble_is_refused(
    api: TestClient, store: Store, artifacts: Artifacts, body: dict[str, Any], pointer: str
) -> None:
    put_on_record(store, ("mnist", 1), ("mnist", 2), model="mnist", findings=NO_FINDINGS)
    succeeded(store, artifacts, split_seed=5)
    halves = {"versions": {"1": 1, "2": 1}}
    assert api.put("/models/mnist/aliases/halves", json=halves).status_code == 201
    assert pointers(combine(api, **body)) == {pointer}
