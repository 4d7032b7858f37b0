"""Models are measured on data sets: what a client asks for, and what a worker makes of it."""

import subprocess
import sys

import numpy as np
import pytest
from fastapi.testclient import TestClient

from models.data.schema import Images, Table
from models.evaluated.judged import judge
from models.inference import read
from service.artifacts import Artifacts
from service.settings import Settings
from service.store.promotion import Promotion
from service.store.store import Store
from tests.answers import pointers, problem
from tests.forms import LETTERS, TITANIC, TITANIC_PLAN, WINE, WINE_PLAN, stored, weights_of
from tests.records import damage
from tests.worker.evaluations import LABELS, PICTURES, ask, learn, made, upload
from tests.worker.training import trained
from worker.errands.combine import combine
from worker.errands.evaluate import evaluate


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: which database it is makes no difference to what is measured."""
    return sqlite_url


@pytest.mark.usefixtures("letters")
def test_a_model_is_measured_on_the_examples_that_it_has_not_learned_from(
    client: TestClient, store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    found = made(client, store, artifacts, settings, model="letters/1")
    assert (found["state"], found["error"], found["dataset"], found["metric"]) == (
        "succeeded",
        None,
        "letters/1",
        "accuracy",
    )
    result, its = found["result"], found["result"]["model"]
    rows = np.arange(30, 60)
    expected = judge(read(weights_of(LETTERS)), PICTURES, LABELS, LETTERS, 1.5, rows=rows)
    assert (result["examples"], result["left_out"], result["learned_from"]) == (30, 30, {"model": 30, "against": None})
    assert its["accuracy"] == expected.value("accuracy")
    assert its["log_loss"] == pytest.approx(expected.log_loss)
    assert its["confusion"] == expected.counts.as_dict()["confusion"]
    assert [scores["name"] for scores in its["classes"]] == list(LETTERS.classes)
    assert any(scores["recall"] is None for scores in its["classes"])
    assert its["temperature"] == 1.5
    assert sum(one["count"] for one in its["calibration"]["bins"]) == 30
    assert set(its["guessing"]) == {"accuracy", "balanced_accuracy", "macro_f1", "log_loss"}
    assert result["data_sha256"] == "e" * 64
    assert (result["against"], result["comparison"]) == (None, None)
    whole = made(client, store, artifacts, settings, include_learned=True)["result"]
    assert (whole["examples"], whole["left_out"], whole["learned_from"]["model"]) == (60, 0, 30)


@pytest.mark.usefixtures("letters")
def test_two_models_are_compared_on_what_neither_has_learned_from(
    client: TestClient, store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    found = made(client, store, artifacts, settings, against="letters", metric="log_loss")
    result, compared = found["result"], found["result"]["comparison"]
    assert found["against"] == {"reference": "letters", "model": "letters", "version": 2} | {
        "job_id": found["against"]["job_id"]
    }
    assert (result["examples"], result["left_out"]) == (20, 40)
    assert result["learned_from"] == {"model": 30, "against": 40}
    assert sum(compared[name] for name in ("both_right", "only_model", "only_against", "both_wrong")) == 20
    by = compared["metric"]
    assert by["metric"] == "log_loss"
    assert by["difference"] == pytest.approx(result["model"]["log_loss"] - result["against"]["log_loss"])
    assert by["interval"][0] < by["difference"] < by["interval"][1]
    assert 0 < compared["p"] <= 1
    assert found["headline"]["difference"] == by["difference"]


def test_a_network_as_it_was_trained_is_measured_as_it_was_validated(
    client: TestClient, store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    for seed in (1, 2):
        trained(store, artifacts, settings, model="letters", seed=seed)
    body = {"dataset": "digits", "part": "validation", "include_learned": True}
    found = made(client, store, artifacts, settings, **body)["result"]
    row = store.models.version("letters", 1)
    assert row is not None
    assert found["model"]["accuracy"] == row.val_accuracy
    alone = made(client, store, artifacts, settings, dataset="digits", part="train", include_learned=True)
    assert found["examples"] + alone["result"]["examples"] == 1797
    failed = made(client, store, artifacts, settings, dataset="digits", part="train")
    assert failed["state"] == "failed"
    assert "say include_learned=true" in failed["error"]["message"]
    combine("together", [("letters", 1), ("letters", 2)], Promotion("never"), store, artifacts, settings)
    both = made(client, store, artifacts, settings, model="together", against="letters/1", dataset="digits")
    assert both["result"]["learned_from"]["model"] == both["result"]["learned_from"]["against"] > 1000


def test_of_whom_it_is_unknown_what_they_learned_from_nothing_is_left_out_and_that_is_told(
    client: TestClient, store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    upload(store, artifacts, LETTERS, PICTURES, LABELS)
    upload(store, artifacts, LETTERS, PICTURES, LABELS, name="others")
    learn(store, artifacts)
    before = made(client, store, artifacts, settings, dataset="others")["result"]
    assert (before["left_out"], before["learned_from"]["model"]) == (48, 48)  # as the data set and the seed say
    assert store.datasets.delete("letters", 1) is not None
    found = made(client, store, artifacts, settings, dataset="others")["result"]
    assert (found["examples"], found["left_out"], found["learned_from"]["model"]) == (60, None, None)
    assert "unknown which examples letters/1 learned from" in found["left_out_unknown_because"]


@pytest.mark.parametrize(
    ("part", "examples"), [("train", 20), ("validation", 10), ("test", 30)], ids=["train", "validation", "test"]
)
def test_parts_are_those_of_the_data_set_whoever_is_measured(
    client: TestClient, store: Store, artifacts: Artifacts, settings: Settings, part: str, examples: int
) -> None:
    parts = np.repeat(np.arange(3, dtype=np.uint8), (20, 10, 30))
    upload(store, artifacts, LETTERS, PICTURES, LABELS, parts=parts)
    learn(store, artifacts, rows=np.arange(0))
    assert made(client, store, artifacts, settings, part=part)["result"]["examples"] == examples


def test_rows_of_a_table_are_measured_by_the_names_of_their_columns(
    client: TestClient, store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    values, labels = stored(TITANIC, 90), np.arange(90) % 2
    turned = TITANIC.model_copy(update={"columns": TITANIC.columns[::-1], "classes": ("1", "0")})
    upload(store, artifacts, TITANIC, values, labels)
    upload(store, artifacts, turned, values[:, ::-1], 1 - labels, name="turned")
    learn(store, artifacts, schema=TITANIC, plan=TITANIC_PLAN, rows=np.arange(50), values=values)
    here, there = (made(client, store, artifacts, settings, dataset=name)["result"] for name in ("letters", "turned"))
    assert here["left_out"] == there["left_out"] >= 50  # some of the others are equal to what was learned from
    assert here["examples"] == there["examples"] == 90 - here["left_out"]
    assert here["model"]["accuracy"] == there["model"]["accuracy"]
    assert here["model"]["curve"]["positive"] == "1"
    whole = made(client, store, artifacts, settings, include_learned=True)["result"]
    assert whole["model"]["notes"] == [{"column": "Age", "kind": "missing", "examples": 30}]


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        (WINE, "has rows of a table, and the network takes in pictures"),
        (LETTERS.model_copy(update={"width": 9}), "the pictures are 8 x 9 grey, and the network takes in 8 x 8 grey"),
        (LETTERS.model_copy(update={"classes": ("alpha", "beta")}), "knows none of the classes"),
    ],
    ids=["table", "size", "classes"],
)
def test_data_of_another_form_fail_with_what_differs(
    client: TestClient, store: Store, artifacts: Artifacts, settings: Settings, schema: Images | Table, says: str
) -> None:
    upload(store, artifacts, LETTERS, PICTURES, LABELS)
    upload(store, artifacts, schema, stored(schema, 8), np.arange(8) % 2, name="others")
    learn(store, artifacts, rows=np.arange(3))
    found = made(client, store, artifacts, settings, dataset="others")
    assert (found["state"], found["result"]) == ("failed", None)
    assert says in found["error"]["message"]


@pytest.mark.usefixtures("letters")
def test_what_is_damaged_or_gone_meanwhile_fails_and_says_so(
    client: TestClient, store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    waiting = ask(client).json()["id"]
    damage(store, artifacts, "letters", 1)
    evaluate(waiting, store, artifacts, settings, owner="w/1")
    assert "was damaged after it was written" in client.get(f"/evaluations/{waiting}").json()["error"]["message"]
    waiting = ask(client, model="letters/2").json()["id"]
    assert store.datasets.delete("letters", 1) is not None
    evaluate(waiting, store, artifacts, settings, owner="w/1")
    assert "is not there any more" in client.get(f"/evaluations/{waiting}").json()["error"]["message"]


def test_no_torch_is_loaded_to_measure() -> None:
    code = "import sys, worker.errands.evaluate; print(sorted({'torch', 'sklearn', 'pandas'} & sys.modules.keys()))"
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ran.stdout.strip() == "[]"


@pytest.mark.usefixtures("letters")
def test_the_card_of_a_version_shows_its_latest_evaluations(
    client: TestClient, store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    trained(store, artifacts, settings, model="digits")
    found = made(client, store, artifacts, settings, model="digits", dataset="digits", include_learned=True)
    card = client.get("/models/digits/versions/1/card").json()
    assert [(its["id"], its["dataset"]) for its in card["evaluations"]] == [(found["id"], "digits")]
    page = client.get("/models/digits/versions/1/card", headers={"Accept": "text/markdown"}).text
    assert "## Evaluations" in page
    assert f"| {100 * found['headline']['accuracy']:.2f} %".replace(".", "\\.").replace("%", "\\%") in page


REFUSED = {
    "a model that is not there": ({"model": "nobody"}, "/model"),
    "a version that is not there": ({"model": "letters/7"}, "/model"),
    "a job without a checkpoint": ({"against": "queued"}, "/against"),
    "the same network twice": ({"against": "letters/1"}, "/against"),
    "a data set that is not there": ({"dataset": "nothing"}, "/dataset"),
    "a version of it that is not there": ({"dataset": "letters/9"}, "/dataset"),
    "a part that nobody has": ({"part": "test"}, "/part"),
    "a part of data that it did not learn from": ({"dataset": "others", "part": "validation"}, "/part"),
    "an unknown part": ({"part": "tset"}, "/part"),
    "an unknown metric": ({"metric": "auc"}, "/metric"),
    "an unknown field": ({"modle": "letters"}, "/modle"),
    "no truth": ({"include_learned": "yes"}, "/include_learned"),
}


@pytest.mark.usefixtures("letters")
@pytest.mark.parametrize("wrong", REFUSED)
def test_what_cannot_be_measured_is_refused_in_its_field(
    client: TestClient, store: Store, artifacts: Artifacts, wrong: str
) -> None:
    body, pointer = REFUSED[wrong]
    upload(store, artifacts, LETTERS, PICTURES, LABELS, name="others")
    if body.get("against") == "queued":
        queued = client.post("/jobs", json={"dataset": "digits"}).json()["id"]
        body = {"against": queued}
    assert pointers(ask(client, **body)) == {pointer}
    assert client.get("/evaluations").json()["data"] == []


@pytest.mark.usefixtures("letters")
def test_an_alias_with_several_versions_is_refused_and_names_them(client: TestClient) -> None:
    moved = client.put("/models/letters/aliases/both", json={"versions": {"1": 0.5, "2": 0.5}})
    assert moved.status_code in {200, 201}, moved.text
    assert "letters/1, letters/2" in problem(ask(client, model="letters@both"), 422)["detail"]


@pytest.mark.usefixtures("letters")
def test_a_client_may_wait_for_the_end(
    client: TestClient, store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    found = made(client, store, artifacts, settings)
    assert client.get(f"/evaluations/{found['id']}?wait=5").json() == found
    waiting = ask(client).json()["id"]
    assert client.get(f"/evaluations/{waiting}?wait=0.1").json()["state"] == "queued"
    assert pointers(client.get(f"/evaluations/{waiting}?wait=-1")) == {"#query/wait"}


def test_a_table_of_another_scale_or_column_is_told(
    client: TestClient, store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    upload(store, artifacts, WINE, stored(WINE, 40), np.arange(40) % 3)
    less = WINE.model_copy(update={"columns": WINE.columns[:-2]})
    upload(store, artifacts, less, stored(less, 9), np.arange(9) % 3, name="less")
    learn(store, artifacts, schema=WINE, plan=WINE_PLAN, rows=np.arange(9), values=stored(WINE, 40))
    found = made(client, store, artifacts, settings, dataset="less")
    assert "lacks columns that the network takes in: od280, proline" in found["error"]["message"]
