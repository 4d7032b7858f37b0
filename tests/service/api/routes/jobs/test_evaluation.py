"""What was measured of a job, over HTTP: as numbers, as examples to try a network with, and as what cannot be drawn."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from models.data.schema import USUAL, Images, Table
from service.artifacts import Artifacts
from service.store import owners
from service.store.store import Store
from tests.answers import problem
from tests.records import claim, learn, submit, succeeded
from tests.worker.plots.examples import LETTERS, PASSENGERS, PHOTOGRAPHS, evaluated, of_form


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: how errors are worded does not depend on the database; the store's tests run on both."""
    return sqlite_url


def measured(store: Store, artifacts: Artifacts, document: Mapping[str, Any]) -> str:
    """Put a job on record that has learned for an epoch, and what was measured then; gives its path."""
    held = claim(store, submit(store, epochs=3))
    learn(store, artifacts, held, 1)
    owner = owners.of_job(held.job_id)
    store.files.publish(owner, [artifacts.write(owner, "evaluation.json", json.dumps(document).encode(), epoch=1)])
    return f"/jobs/{held.job_id}"


def test_two_classes_are_told_by_name_with_roc_and_precision_by_recall(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    job = measured(store, artifacts, evaluated(of_form(PASSENGERS)))
    answer = api.get(f"{job}/evaluation").json()
    assert [its["name"] for its in answer["classes"]] == ["died", "survived"]
    assert (answer["epoch"], answer["examples"], answer["log_loss"]) == (3, 181, 0.25)
    assert answer["confusion"] == [[90, 0], [0, 91]]
    assert (answer["accuracy"], answer["balanced_accuracy"], answer["macro_f1"]) == (1.0, 1.0, 1.0)
    curve = answer["curve"]
    assert (curve["positive"], curve["negative"]) == ("survived", "died")
    assert curve["positives"] + curve["negatives"] == 80
    assert 0.4 < curve["roc_auc"] < 0.6, "the scores only rise"
    assert curve["points"][0]["threshold"] == 1.0
    assert curve["points"][-1]["true_positive_rate"] == curve["points"][-1]["false_positive_rate"] == 1.0
    assert api.get(job).json()["links"]["evaluation"] == f"{job}/evaluation"


def test_classes_without_examples_have_no_recall_and_of_many_the_confused_pairs_are_given(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    many = Images(height=2, width=2, classes=tuple(f"class {label:03}" for label in range(150)))
    document = dict(evaluated(of_form(many, 150)))
    document["counts"]["belong"][7] = document["counts"]["right"][7] = 0
    answer = api.get(f"{measured(store, artifacts, document)}/evaluation").json()
    assert answer["confusion"] is None
    assert answer["curve"] is None
    assert len(answer["confused"]) == 100
    assert answer["confused_left_out"] == 47
    assert answer["confused"][0] == {"true": "class 000", "read": "class 003", "examples": 1}
    assert (answer["classes"][7]["name"], answer["classes"][7]["recall"]) == ("class 007", None)


def test_who_has_it_is_not_sent_it_again(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    path = f"{measured(store, artifacts, evaluated(of_form(USUAL)))}/evaluation"
    tag = api.get(path).headers["ETag"]
    assert api.get(path, headers={"If-None-Match": tag}).status_code == 304
    assert api.get(path, headers={"If-Match": tag}).status_code == 200
    problem(api.get(path, headers={"If-Match": '"another"'}), 412)
    problem(api.get(f"{path}?clases=2"), 422)


def test_a_file_of_before_there_were_names_is_shown_too(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    new = evaluated(of_form(USUAL))
    old = {name: new[name] for name in ("epoch", "confusion")} | {
        "mistakes": {name: new["mistakes"][name] for name in ("labels", "predictions", "probabilities", "images")},
        "examples": {name: new["examples"][name] for name in ("labels", "images")},
    }
    job = measured(store, artifacts, old)
    answer = api.get(f"{job}/evaluation").json()
    assert answer["log_loss"] is None
    assert [its["name"] for its in answer["classes"]] == list("0123456789")
    assert api.get(f"{job}/examples").json()["images"] == of_form(USUAL).values[:10].tolist()


def test_before_an_epoch_there_is_nothing_and_a_damaged_file_is_told(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    answer = problem(api.get(f"/jobs/{submit(store)}/evaluation"), 409)
    assert answer["detail"].endswith("has not finished an epoch yet; nothing was measured")
    problem(api.get("/jobs/nobody/evaluation"), 404)
    job = measured(store, artifacts, {"epoch": 1})
    assert "cannot be used" in problem(api.get(f"{job}/evaluation"), 500)["detail"]


@pytest.mark.parametrize("schema", [USUAL, LETTERS, PHOTOGRAPHS, PASSENGERS], ids=lambda schema: schema.classes[0])
def test_examples_are_given_as_predict_takes_them(
    api: TestClient, store: Store, artifacts: Artifacts, schema: Images | Table
) -> None:
    examples = of_form(schema)
    answer = api.get(f"{measured(store, artifacts, evaluated(examples))}/examples?limit=3").json()
    assert answer["labels"] == examples.labels[:3].tolist()
    assert answer["names"] == [schema.classes[label] for label in examples.labels[:3]]
    assert answer["kept"] == (36 if schema == PHOTOGRAPHS else 80)
    if isinstance(schema, Images):
        assert (np.array(answer["images"]) == schema.origin + schema.unit * examples.values[:3]).all()
        assert answer["rows"] is None
    else:
        assert answer["images"] == []
        assert list(answer["rows"][0]) == ["age", "port", "alone"]
        assert answer["rows"][0]["age"] is None


def test_what_cannot_be_drawn_of_a_job_is_refused_with_the_reason(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    job = measured(store, artifacts, evaluated(of_form(USUAL)))
    for plot in ("roc", "precision_recall"):
        answer = problem(api.get(f"{job}/plots/{plot}.png"), 409)
        assert answer["detail"].startswith(
            f"{plot} is for two classes, and job {job.removeprefix('/jobs/')} learned 10"
        )
    running = problem(api.get(f"{job}/plots/calibration.png"), 409)["detail"]
    assert running.endswith("is running; its calibration is measured on its best weights once it has succeeded")
    job_id = succeeded(store, artifacts, model="letters")
    assert "has no card: it is from before" in problem(api.get(f"/jobs/{job_id}/plots/calibration.png"), 409)["detail"]
    store.aliases.delete("letters", "champion")
    store.models.delete("letters", 1)
    assert "was deleted" in problem(api.get(f"/jobs/{job_id}/plots/calibration.png"), 409)["detail"]
    assert "broker" in problem(api.get(f"{job}/plots/classes.png"), 503)["detail"], "it is drawn by a worker"
