"""The outbox: what webhooks asked for is in it as soon as it has happened, once, and nothing else is."""

import json
from typing import Any

import pytest
from sqlalchemy import event, select, update

from models.spec import TrainingSpec
from service.artifacts import Artifacts
from service.store.outbox import EVENT_TYPES
from service.store.shared_columns import EVERYONE
from service.store.states import enqueue
from service.store.store import Store
from service.store.tables import sweeps
from service.store.webhook_tables import deliveries
from tests.records import claim, data, end, epoch, finished, submit, succeeded, sweep

ALL = ["job.*", "sweep.*", "data.*", "version.made", "version.refused", "alias.moved"]


def hook(store: Store, name: str = "mine", **fields: Any) -> None:
    given = {"url": "https://example.com/x", "events": ALL, "labels": {}, "model": None} | fields
    store.webhooks.put(name, **given)


def told(store: Store, name: str = "mine") -> list[dict[str, Any]]:
    """Give what lies in the outbox of a webhook, the oldest first."""
    return [json.loads(row.body) for row in reversed(store.deliveries.of(name, limit=1000))]


def types(store: Store, name: str = "mine") -> list[str]:
    return [body["type"] for body in told(store, name)]


def test_every_state_of_a_job_is_told_and_no_epoch(store: Store) -> None:
    hook(store)
    job_id = submit(store, labels={"team": "vision"}, name="first", promote="never")
    store.jobs.pause(job_id)
    store.jobs.resume(job_id)
    held = claim(store, job_id)
    end(store, held)
    states = ["queued", "paused", "queued", "running", "succeeded"]
    its = [body for body in told(store) if body["type"].startswith("job.")]
    assert [body["type"] for body in its] == [f"job.{state}" for state in states]
    assert [body["data"]["state"] for body in its] == states
    last = its[-1]["data"]
    assert (last["id"], last["name"], last["labels"], last["attempt"]) == (job_id, "first", {"team": "vision"}, 1)
    assert last["version"]["version"] == 1
    assert last["result"]["best_val_accuracy"] == 0.8
    assert "losses" not in its[-1]["data"]["result"]
    assert last["links"] == {"self": f"/jobs/{job_id}"}


def test_who_failed_says_why_in_few_words(store: Store) -> None:
    hook(store, events=["job.failed"])
    store.runs.fail(claim(store, submit(store)), {"type": "ValueError", "message": "n" * 30_000})
    (body,) = told(store)
    assert body["data"]["error"]["type"] == "ValueError"
    assert len(json.dumps(body)) < 2_000


def test_what_happened_to_models_is_told_with_or_without_a_job(store: Store, artifacts: Artifacts) -> None:
    hook(store, events=["version.made", "version.refused", "alias.moved"])
    succeeded(store, artifacts, seed=1)
    succeeded(store, artifacts, seed=2, val_accuracy=0.1)
    store.aliases.point("mnist", "candidate", {"versions": {"2": 1.0}})
    assert types(store) == ["version.made", "alias.moved", "version.made", "version.refused", "alias.moved"]
    moved = told(store)[1]["data"]
    assert (moved["alias"], moved["before"], moved["after"]) == ("champion", None, {"versions": {"1": 1.0}})
    assert moved["why"] == "if_better"
    assert "does not exceed" in told(store)[3]["data"]["because"]


def test_what_becomes_of_data_is_told(store: Store, artifacts: Artifacts) -> None:
    hook(store, events=["data.*"])
    data(store, artifacts, "letters")
    data(store, artifacts, "digits2", state="failed")
    assert types(store) == ["data.reading", "data.ready", "data.reading", "data.failed"]
    assert told(store)[1]["data"]["examples"] == 30
    assert told(store)[3]["data"]["faults"][0]["detail"] == "it is bad"


def test_the_end_of_a_sweep_is_told_once_and_only_when_all_its_jobs_have_ended(store: Store) -> None:
    hook(store, events=["sweep.*"])
    sweep_id, (first, *others) = sweep(store, name="rates", labels={"a": "b"})
    end(store, claim(store, first))
    assert store.sweeps.tell_ends() == []
    for job_id in others:
        end(store, claim(store, job_id), "failed")
    assert store.sweeps.tell_ends() == [sweep_id]
    assert store.sweeps.tell_ends() == []
    assert types(store) == ["sweep.running", "sweep.succeeded"]
    assert told(store)[1]["data"]["name"] == "rates"


def test_a_sweep_that_is_deleted_at_once_has_told_its_end(store: Store) -> None:
    hook(store, events=["sweep.*"])
    sweep_id, _ = sweep(store)
    store.sweeps.cancel(sweep_id)
    store.sweeps.delete(sweep_id)
    assert types(store) == ["sweep.running", "sweep.cancelled"]
    assert store.sweeps.tell_ends() == []


def test_jobs_of_a_sweep_are_told_with_its_labels(store: Store) -> None:
    hook(store, events=["job.queued"], labels={"a": "b"})
    sweep(store, labels={"a": "b"})
    sweep(store, labels={"a": "c"})
    assert len(told(store)) == 4
    assert {body["data"]["labels"]["a"] for body in told(store)} == {"b"}


@pytest.mark.parametrize(
    ("asked", "gets"),
    [
        ({"labels": {"team": "vision"}}, True),
        ({"labels": {"team": "vision", "more": "x"}}, False),
        ({"labels": {"team": "speech"}}, False),
        ({"model": "letters"}, True),
        ({"model": "mnist"}, False),
        ({"model": "letters", "labels": {"team": "vision"}}, True),
        ({"events": ["job.failed"]}, False),
        ({"events": ["sweep.*", "job.queued"]}, True),
        ({"events": []}, False),
    ],
)
def test_a_webhook_gets_what_it_asked_for(store: Store, asked: dict[str, Any], gets: bool) -> None:
    hook(store, **asked)
    submit(store, model="letters", labels={"team": "vision"})
    assert bool(told(store)) == gets


def test_a_filter_lets_nothing_pass_that_has_no_such_thing(store: Store, artifacts: Artifacts) -> None:
    hook(store, "of-model", model="letters")
    hook(store, "of-label", labels={"team": "vision"})
    data(store, artifacts, "letters")
    succeeded(store, artifacts, model="letters")
    assert not [kind for kind in types(store, "of-model") if kind.startswith("data.")]
    assert "alias.moved" in types(store, "of-model")
    assert types(store, "of-label") == []


def test_a_job_is_told_to_the_webhook_that_it_names_whatever_that_asked_for(store: Store) -> None:
    hook(store, "mine", events=[])
    hook(store, "other", events=[])
    submit(store, webhook="mine")
    sweep(store, base={"webhook": "mine"})
    assert types(store, "mine") == ["job.queued", *["job.queued"] * 4, "sweep.running"]
    assert types(store, "other") == []


def test_what_did_not_happen_is_not_told(store: Store) -> None:
    hook(store)
    with store.database.writer.begin() as connection:
        enqueue(connection, [TrainingSpec()])
        assert connection.scalar(select(deliveries.c.type)) == "job.queued"
        connection.rollback()
    assert told(store) == []


def test_each_account_is_told_what_happens_to_what_it_has(store: Store, artifacts: Artifacts) -> None:
    other = store.of("other")
    store.accounts.add("other")
    for each, secret in ((store, "mine"), (other, "theirs")):
        hook(each, "ci")
        submit(each, name=secret, webhook="ci")
        data(each, artifacts, "letters")
    for held in store.of(EVERYONE).runs.claim(None, "host:1:abc/7", most=9):  # of both, as workers do
        store.of(EVERYONE).runs.fail(held, {"type": "ValueError", "message": "no"})
    for held in store.of(EVERYONE).runs.claim(None, "host:1:abc/7", most=9):
        store.of(EVERYONE).runs.fail(held, {"type": "ValueError", "message": "no"})
    expected = ["job.queued", "data.reading", "data.ready", "job.running", "job.failed"]
    assert (types(store, "ci"), types(other, "ci")) == (expected, expected)
    assert {body["data"]["name"] for body in told(store, "ci") if body["type"].startswith("job.")} == {"mine"}
    assert {body["data"]["name"] for body in told(other, "ci") if body["type"].startswith("job.")} == {"theirs"}
    (mine, *_) = store.deliveries.of("ci", limit=1)
    assert other.deliveries.get("ci", mine.id) is None
    assert other.deliveries.replay("ci", mine.id) is None
    assert len(store.of(EVERYONE).deliveries.take({}, usual=8, of_account=64)) == 4, "the first of each subject of both"
    assert other.webhooks.delete("ci")
    assert [row.name for row in store.webhooks.all()] == ["ci"]
    audit = store.of(EVERYONE).audit.find("other", limit=9)
    assert [row.action for row in audit] == ["webhook.delete", "webhook.put", "account.add"]


def test_an_epoch_asks_nothing_of_webhooks(store: Store) -> None:
    hook(store)
    held = claim(store, submit(store))
    asked: list[str] = []

    @event.listens_for(store.database.writer, "before_cursor_execute")
    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    store.runs.record_epoch(held, epoch(1), [])
    assert asked
    assert [statement for statement in asked if "webhooks" in statement or "deliveries" in statement] == []


def test_every_type_that_can_be_asked_for_is_told_of_something(store: Store, artifacts: Artifacts) -> None:
    hook(store)
    job_id = submit(store)
    store.jobs.pause(job_id)
    store.jobs.cancel(job_id)
    finished(store, "failed")
    succeeded(store, artifacts, seed=1)
    succeeded(store, artifacts, seed=2, val_accuracy=0.1)
    for state in ("ready", "failed"):
        data(store, artifacts, state, state=state)
    data(store, artifacts, "cancelled", state="reading")
    store.datasets.cancel("cancelled", 1)
    for state in ("succeeded", "failed", "cancelled"):
        sweep_id, (only,) = sweep(store, trials=[{}])
        if state == "cancelled":
            store.sweeps.cancel(sweep_id)
        else:
            end(store, claim(store, only), state)
    store.sweeps.tell_ends()
    assert set(types(store)) == set(EVENT_TYPES)


def test_ends_of_sweeps_from_before_are_not_told(store: Store) -> None:
    sweep(store)
    with store.database.writer.begin() as connection:
        connection.execute(update(sweeps).values(end_told=True, cancel_requested=True))
    hook(store)
    assert store.sweeps.tell_ends() == []
    with store.database.reader.connect() as connection:
        assert connection.scalars(select(sweeps.c.end_told)).all() == [True]
