"""What may be done to a job, and submissions that are repeated: the real app, on a real store."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from models.data.schema import Images
from service.artifacts import Artifacts
from service.store.store import Store
from service.store.tables import jobs
from tests.answers import problem
from tests.records import SPEC, claim, data, ended, in_state, learn, submit


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: what the store does on both databases is tested below the API."""
    return sqlite_url


REFUSED, GONE = 409, None
ANSWERS = {
    # What becomes of a job in each state, by what is asked of it; a new job is told by its origin.
    "cancel": dict.fromkeys(("queued", "paused"), "cancelled") | {"running": "running", "cancelled": "cancelled"},
    "pause": {"queued": "paused", "running": "running", "paused": "paused"},
    "resume": {"queued": "queued", "running": "running", "paused": "queued"},
    "finish": {"running": "running", "succeeded": "succeeded"},
    "retry": dict.fromkeys(("succeeded", "failed", "cancelled"), "queued"),
    "verify": {"succeeded": "queued"},
}


@pytest.mark.parametrize("state", ["queued", "running", "paused", "succeeded", "failed", "cancelled"])
@pytest.mark.parametrize("action", ANSWERS)
def test_every_action_on_a_job_in_every_state(
    api: TestClient, store: Store, artifacts: Artifacts, action: str, state: str
) -> None:
    job_id = in_state(state, store, artifacts)
    before = store.jobs.get(job_id)
    answer = api.post(f"/jobs/{job_id}/{action}")
    if state not in ANSWERS[action]:
        assert answer.status_code == REFUSED
        assert job_id in answer.json()["detail"]
        assert store.jobs.get(job_id) == before
        return
    assert answer.status_code == 202
    job = answer.json()
    assert job["state"] == ANSWERS[action][state]
    assert job["cancel_requested"] is (action == "cancel" and state == "running")
    assert job["pause_requested"] is (action == "pause" and state == "running")
    assert job["finish_requested"] is (action == "finish" and state == "running")
    if action in {"retry", "verify"}:
        assert job["id"] != job_id
        promoted = {"promote": "never"} if action == "verify" else {}
        assert job["spec"] == api.get(f"/jobs/{job_id}").json()["spec"] | promoted | {"stratify": False}
        assert (job["origin"]["kind"], job["origin"]["job_id"]) == (action, job_id)
        assert answer.headers["Location"] == f"/jobs/{job['id']}"
    # Once more is no error, unless it would make another job.
    elif action != "cancel" or state != "cancelled":
        assert api.post(f"/jobs/{job_id}/{action}").json()["state"] == job["state"]


@pytest.mark.parametrize("action", [*ANSWERS, "continue"])
def test_nothing_can_be_done_to_a_job_that_is_not_there(api: TestClient, action: str) -> None:
    answer = api.post(f"/jobs/nobody/{action}", json={"epochs": 1} if action == "continue" else None)
    assert (answer.status_code, answer.json()["detail"]) == (404, "there is no job nobody")


def test_a_job_that_is_cancelled_while_it_waits_has_a_receipt(api: TestClient) -> None:
    job_id = api.post("/jobs", json=SPEC).json()["id"]
    job = api.post(f"/jobs/{job_id}/cancel").json()
    assert job["cancellation"] == {"how": "waiting", "stopped_at_iteration": 0, "latency_ms": 0}


def test_a_job_that_is_stopped_tells_where_and_after_how_long(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    job_id = submit(store, **SPEC)
    held = claim(store, job_id)
    learn(store, artifacts, held, 1)
    api.post(f"/jobs/{job_id}/cancel")
    assert store.runs.finish(held)[0] == "cancelled"
    receipt = api.get(f"/jobs/{job_id}").json()["cancellation"]
    assert receipt["how"] == "stopped"
    assert receipt["stopped_at_iteration"] == 12
    assert 0 <= receipt["latency_ms"] < 60_000


def test_a_pause_is_taken_back(api: TestClient, store: Store) -> None:
    job_id = submit(store, **SPEC)
    held = claim(store, job_id)
    assert api.post(f"/jobs/{job_id}/pause").json()["pause_requested"]
    assert store.runs.look([held]) == {job_id: "pause"}
    assert not api.post(f"/jobs/{job_id}/resume").json()["pause_requested"]
    assert store.runs.look([held]) == {job_id: None}


def test_cancelling_weighs_more_than_pausing(api: TestClient, store: Store) -> None:
    job_id = submit(store, **SPEC)
    held = claim(store, job_id)
    api.post(f"/jobs/{job_id}/pause")
    api.post(f"/jobs/{job_id}/cancel")
    assert api.post(f"/jobs/{job_id}/pause").status_code == 409
    assert store.runs.look([held]) == {job_id: "cancel"}
    assert store.runs.release(held) == "cancelled"


def test_a_job_that_ended_elsewhere_is_verified_by_its_weights(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    job_id = ended(store, artifacts)
    verifying = [api.post(f"/jobs/{job_id}/verify").json()["id"] for _ in range(2)]
    assert api.get(f"/jobs/{verifying[0]}").json()["verified"] is None
    for each, epochs in zip(verifying, (3, 2), strict=True):
        held = claim(store, each)
        for number in range(1, epochs + 1):
            learn(store, artifacts, held, number)
        store.runs.finish(held)
    assert [api.get(f"/jobs/{each}").json()["verified"] for each in verifying] == [True, False]


MADE_WITH = {
    "data_sha256": "d" * 64,
    "versions": {"tenfold": "0.1.0", "torch": "2.14.1", "numpy": "2.4.0", "python": "3.11.7"},
    "fingerprint": {"device": "cpu", "torch": "2.14.1", "cpu_capability": "AVX2", "threads": 1},
    "processor": "AMD EPYC",
}


def verifying(api: TestClient, store: Store, artifacts: Artifacts, now: dict[str, Any] | None) -> dict[str, Any]:
    """Let a job be verified by one that ends with other weights, trained with what `now` says."""
    answer: dict[str, Any] = {}
    for made_with, epochs in ((MADE_WITH, 3), (now, 2)):
        job_id = api.post(f"/jobs/{answer['id']}/verify").json()["id"] if answer else submit(store, **SPEC)
        held = claim(store, job_id)
        for number in range(1, epochs + 1):
            learn(store, artifacts, held, number)
        store.runs.finish(held, made_with=made_with)
        answer = api.get(f"/jobs/{job_id}").json()
    assert answer["verified"] is False
    return answer


FOUND: dict[str, tuple[dict[str, Any] | None, list[str]]] = {
    "data": (
        MADE_WITH | {"data_sha256": "e" * 64},
        [f"the data set 'digits' has changed: its digest was {'d' * 64} and is {'e' * 64}"],
    ),
    "torch and threads": (
        MADE_WITH | {"fingerprint": {"device": "cpu", "torch": "2.15.0", "cpu_capability": "AVX2", "threads": 2}},
        ["torch was 2.14.1 and is 2.15.0", "threads was 1 and is 2"],
    ),
    "versions": (MADE_WITH | {"versions": {"tenfold": "0.2.0"}}, ["tenfold was 0.1.0 and is 0.2.0"]),
    "processor": (MADE_WITH | {"processor": "Intel Xeon"}, ["processor was AMD EPYC and is Intel Xeon"]),
    "nothing": (MADE_WITH, ["although data, versions, processor and threads are the same"]),
    "unknown": (None, ["is not on record"]),
}


@pytest.mark.parametrize("differs", FOUND)
def test_a_job_that_is_not_verified_says_what_was_not_the_same(
    api: TestClient, store: Store, artifacts: Artifacts, differs: str
) -> None:
    now, told = FOUND[differs]
    because = verifying(api, store, artifacts, now)["unverified_because"]
    assert all(sentence in because for sentence in told)
    assert ("has changed" in because) is (differs == "data")


def test_a_job_whose_data_set_was_replaced_is_not_trained_again_in_vain(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    data(store, artifacts)
    held = claim(store, submit(store, **SPEC | {"dataset": "mine/1"}))
    learn(store, artifacts, held, 1)
    store.runs.finish(held, made_with=MADE_WITH)
    assert api.delete("/datasets/mine").status_code == 204
    verify = f"/jobs/{held.job_id}/verify"
    assert "has been deleted since it was trained" in problem(api.post(verify), 409)["detail"]
    data(store, artifacts, content=b"others", sha256="e" * 64)
    detail = problem(api.post(verify), 409)["detail"]
    assert "version 1 of the data set 'mine' has been deleted since it was trained" in detail
    assert f"its digest was {'d' * 64}, and version 2 has the digest {'e' * 64}" in detail
    # The examples of then, under another number, are what was trained on.
    data(store, artifacts)
    assert api.post(verify).json()["spec"]["dataset"] == "mine/3"


def test_a_job_from_before_there_were_versions_means_the_first(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    for sent in (b"then", b"now"):
        data(store, artifacts, content=sent, sha256=sent.hex().ljust(64, "0"))
    job_id = ended(store, artifacts, dataset="mine", model="default")
    again = api.post(f"/jobs/{job_id}/retry").json()
    assert (again["spec"]["dataset"], again["spec"]["model"]) == ("mine/1", "default")


def test_a_job_is_gone_on_from_with_its_history(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    job_id = ended(store, artifacts)
    answer = api.post(f"/jobs/{job_id}/continue", json={"epochs": 2})
    job = answer.json()
    assert (answer.status_code, job["state"]) == (202, "queued")
    assert job["origin"] == {"kind": "continue", "job_id": job_id, "epoch": 3, "weights_sha256": None}
    assert (job["progress"]["epoch"], job["progress"]["epochs"]) == (3, 5)
    assert api.get(f"/jobs/{job['id']}/metrics").json() == api.get(f"/jobs/{job_id}/metrics").json()
    # Its files outlive the job that wrote them.
    assert api.delete(f"/jobs/{job_id}").status_code == 204
    assert api.get(f"/jobs/{job['id']}/checkpoints/best.safetensors").content == b"www"
    assert api.post(f"/jobs/{job['id']}/cancel").json()["result"]["epochs"] == 3
    assert api.delete(f"/jobs/{job['id']}").status_code == 204


def test_a_job_is_tuned_with_changes(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    job_id = ended(store, artifacts)
    changes = {"learning_rate": 0.5, "optimizer": "sgd", "name": "tuned"}
    job = api.post(f"/jobs/{job_id}/continue", json={"epochs": 2, "changes": changes, "checkpoint": "best"}).json()
    assert job["origin"]["kind"] == "fine_tune"
    assert (job["progress"]["epoch"], job["progress"]["epochs"]) == (0, 2)
    assert {field: job["spec"][field] for field in changes} == changes


BAD_CONTINUATIONS = [
    ({}, 422, "epochs"),
    ({"epochs": 0}, 422, "epochs"),
    ({"epochs": 1, "spec": {}}, 422, "spec"),
    ({"epochs": 1, "checkpoint": "first"}, 422, "checkpoint"),
    ({"epochs": 1, "changes": {"hidden_sizes": [9]}}, 422, "hidden_sizes"),
    ({"epochs": 1, "changes": {"epochs": 9}}, 422, "epochs"),
    ({"epochs": 1, "changes": {"learning_rate": -1.0}}, 422, "learning_rate"),
    ({"epochs": 1, "changes": {"no_such_field": 1}}, 422, "no_such_field"),
    ({"epochs": 1, "changes": {"dataset": "nothing"}}, 422, "nothing"),
    ({"epochs": 1000}, 422, "epochs"),
]


@pytest.mark.parametrize(("body", "status", "named"), BAD_CONTINUATIONS)
def test_a_continuation_that_makes_no_sense_is_refused(
    api: TestClient, store: Store, artifacts: Artifacts, body: dict[str, Any], status: int, named: str
) -> None:
    answer = api.post(f"/jobs/{ended(store, artifacts)}/continue", json=body)
    assert answer.status_code == status
    assert named in answer.json()["detail"]
    assert len(store.jobs.find(limit=10)) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"learning_rate": 0},
        {"no_such_field": 1},
        {"a/b~c": 1},
        {"labels": {"a:b": "c"}},
        {"optimizer": "lbfgs", "batch_size": 0, "dropout": 2},
    ],
    ids=str,
)
def test_a_change_that_is_wrong_is_told_in_the_sentence_that_a_new_job_gets_for_it(
    api: TestClient, store: Store, artifacts: Artifacts, changes: dict[str, Any]
) -> None:
    continued = api.post(f"/jobs/{ended(store, artifacts)}/continue", json={"epochs": 1, "changes": changes})
    submitted = api.post("/jobs", json=changes)
    faults = [(fault["pointer"], fault["detail"]) for fault in problem(submitted, 422)["errors"]]
    told = [(fault["pointer"], fault["detail"]) for fault in problem(continued, 422)["errors"]]
    assert told == [(f"/changes{pointer}", detail) for pointer, detail in faults]
    assert "Value error" not in continued.text
    assert "Extra inputs" not in continued.text


def test_what_does_not_fit_to_the_job_before_is_told_where_the_remedy_is_to_be_written(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    job_id = ended(store, artifacts, optimizer="sgd", momentum=0.5)

    def faults(**body: Any) -> list[tuple[str, str]]:
        errors = problem(api.post(f"/jobs/{job_id}/continue", json={"epochs": 1, **body}), 422)["errors"]
        return [(fault["pointer"], fault["detail"]) for fault in errors]

    ((pointer, detail),) = faults(changes={"optimizer": "adam"})
    assert pointer == "/changes/momentum"
    assert detail.endswith(f"job {job_id} has momentum 0.5: change it as well")
    assert faults(changes={"dataset": "nothing"})[0][0] == "/changes/dataset"
    job_id = ended(store, artifacts, order_seed=9)
    ((pointer, detail),) = faults(changes={"shuffle": False})
    assert pointer == "/changes/order_seed"
    assert detail.endswith(f"job {job_id} has order_seed 9: change it as well")
    job_id = ended(store, artifacts, optimizer="sgd", momentum=0.5)
    assert faults(epochs=998) == [
        ("/epochs", f"job {job_id} has done 3 epochs, and a job has at most 1,000; ask for fewer more")
    ]


@pytest.mark.parametrize("state", ["queued", "running", "failed"])
def test_only_a_job_at_rest_with_a_checkpoint_is_gone_on_from(
    api: TestClient, store: Store, artifacts: Artifacts, state: str
) -> None:
    answer = api.post(f"/jobs/{in_state(state, store, artifacts)}/continue", json={"epochs": 1})
    assert answer.status_code == 409


def test_what_began_with_another_is_neither_repeated_nor_verified(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    job_id = ended(store, artifacts)
    for body in ({"epochs": 1}, {"epochs": 1, "changes": {"seed": 5}}):
        new = api.post(f"/jobs/{job_id}/continue", json=body).json()["id"]
        held = claim(store, new)
        for number in range(held.last_epoch + 1, held.last_epoch + 2):
            learn(store, artifacts, held, number)
        store.runs.finish(held)
        for action in ("retry", "verify"):
            answer = api.post(f"/jobs/{new}/{action}")
            assert (answer.status_code, job_id in answer.json()["detail"]) == (409, True)


def test_a_job_whose_patience_is_spent_says_so_before_it_goes_on(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    job_id = submit(store, **SPEC | {"early_stopping_patience": 1})
    held = claim(store, job_id)
    learn(store, artifacts, held, 1)
    learn(store, artifacts, held, 2)
    store.runs.finish(held, stopped_early="patience")
    with store.database.writer.begin() as connection:
        result = api.get(f"/jobs/{job_id}").json()["result"] | {"best_epoch": 1}
        connection.execute(update(jobs).values(result=result))
    answer = api.post(f"/jobs/{job_id}/continue", json={"epochs": 5})
    assert answer.status_code == 409
    assert "early_stopping_patience" in answer.json()["detail"]
    changes = {"early_stopping_patience": None, "name": "patient", "max_seconds": 60.0}
    job = api.post(f"/jobs/{job_id}/continue", json={"epochs": 5, "changes": changes}).json()
    assert (job["origin"]["kind"], job["progress"]["epoch"], job["progress"]["epochs"]) == ("continue", 2, 7)


def test_the_last_who_points_to_a_file_takes_it_along(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    job_id = ended(store, artifacts)
    tuned = api.post(f"/jobs/{job_id}/continue", json={"epochs": 1, "checkpoint": "best"}).json()["id"]
    assert api.delete(f"/jobs/{job_id}").status_code == 204
    assert [path.name for path in artifacts.folder.rglob("*.safetensors")]
    assert api.post(f"/jobs/{tuned}/cancel").status_code == 202
    assert api.delete(f"/jobs/{tuned}").status_code == 204
    assert len([path for path in artifacts.folder.rglob("*") if path.is_file()]) == 1, "the weights of the version"
    assert api.delete("/models/digits/aliases/champion").status_code == 204
    assert api.delete("/models/digits/versions/1").status_code == 204
    assert [path for path in artifacts.folder.rglob("*") if path.is_file()] == []


def test_a_job_that_has_ended_cannot_be_cancelled(api: TestClient, store: Store) -> None:
    job_id = submit(store)
    (claim,) = store.runs.claim(job_id, "worker")
    store.runs.fail(claim, {"type": "ValueError", "message": "no"})
    assert "failed" in problem(api.post(f"/jobs/{job_id}/cancel"), 409)["detail"]
    assert api.get(f"/jobs/{job_id}").json()["error"] == {"type": "ValueError", "message": "no"}


OWN_SPLIT = {"taken_for": {"split": {"column": "part", "train": 100, "validation": 20, "test": 10}}, "warnings": []}


def test_what_was_chosen_for_a_job_is_not_held_against_it_when_it_is_repeated(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    data(store, artifacts, reading=OWN_SPLIT)
    job_id = ended(store, artifacts, dataset="mine/1", model="mine", stratify=True)
    for action in ("retry", "verify"):
        assert api.post(f"/jobs/{job_id}/{action}").status_code == 202, action
    assert api.post(f"/jobs/{job_id}/continue", json={"epochs": 1}).status_code == 202
    said = api.post(f"/jobs/{job_id}/continue", json={"epochs": 1, "changes": {"stratify": True}})
    assert problem(said, 422)["errors"][0]["pointer"] == "/changes/stratify"


def test_parts_that_were_drawn_before_classes_were_heeded_are_drawn_so_again(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    data(store, artifacts)
    job_id = ended(store, artifacts, dataset="mine/1", model="mine")
    with store.database.writer.begin() as connection:
        spec = store.jobs.get(job_id).spec  # type: ignore[union-attr]
        old = {name: value for name, value in spec.items() if name != "stratify"} | {"dataset": "mine"}
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(spec=old))
    for action in ("retry", "verify"):
        spec = api.post(f"/jobs/{job_id}/{action}").json()["spec"]
        assert (spec["dataset"], spec["stratify"]) == ("mine/1", False)
    tuned = api.post(f"/jobs/{job_id}/continue", json={"epochs": 1, "changes": {"dataset": "mine"}}).json()["spec"]
    assert tuned["stratify"] is True, "as for any job on what was uploaded since"


def test_a_change_may_be_called_anything_and_is_refused_by_its_name(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    job_id = ended(store, artifacts)
    for name in ("job", "changes", "self"):
        refused = api.post(f"/jobs/{job_id}/continue", json={"epochs": 1, "changes": {name: 1}})
        assert problem(refused, 422)["errors"][0]["pointer"] == f"/changes/{name}"


def test_a_network_goes_on_only_with_data_of_its_form(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    letters = Images(height=8, width=8, classes=tuple("abc")).model_dump(mode="json")
    data(store, artifacts, "letters", schema=letters)
    job_id = ended(store, artifacts)
    refused = problem(api.post(f"/jobs/{job_id}/continue", json={"epochs": 1, "changes": {"dataset": "letters"}}), 422)
    assert refused["errors"][0]["pointer"] == "/changes/dataset"
    assert "pictures of 28 x 28 in 10 classes, and letters/1 has pictures of 8 x 8 in 3 classes" in refused["detail"]


def test_a_job_from_before_files_of_weights_told_of_classes_is_verified_by_the_weights(
    api: TestClient, store: Store, artifacts: Artifacts
) -> None:
    then = store.jobs.get(ended(store, artifacts))
    assert then is not None
    for digest, is_verified in ((then.weights_sha256, True), ("0" * 64, False)):
        held = claim(store, api.post(f"/jobs/{then.id}/verify").json()["id"])
        learn(store, artifacts, held, 1)  # other bytes in a file of today
        store.runs.finish(held, made_with={**MADE_WITH, "weights_sha256_before": digest})
        assert api.get(f"/jobs/{held.job_id}").json()["verified"] is is_verified
