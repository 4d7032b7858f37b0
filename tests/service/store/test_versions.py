"""How networks become versions: numbered without gaps, promoted by the rule, on both databases."""

import json
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, delete, make_url, text

from models.evaluated.counts import Counts
from models.measures import guessing
from models.spec import TrainingSpec
from service.artifacts import Artifacts
from service.settings import Settings
from service.store import owners
from service.store.engine import Database
from service.store.errors import ChampionChanged
from service.store.promotion import Comparison, Promotion, Verdict, WorstClass, obstacle_to
from service.store.shared_columns import DEFAULT
from service.store.store import Store
from service.store.tables import versions
from service.store.versions import Findings
from tests.records import claim, epoch, file, finished, submit, succeeded


def champion(store: Store, model: str = "mnist") -> int | None:
    row = store.aliases.get(model, "champion")
    return None if row is None else int(next(iter(row.targets["versions"])))


def why_not(store: Store, version: int) -> str | None:
    row = store.models.version("mnist", version)
    assert row is not None
    reason: str | None = row.facts["not_promoted_because"]
    return reason


def test_jobs_that_succeed_at_once_are_numbered_without_gaps(store: Store, artifacts: Artifacts) -> None:
    with ThreadPoolExecutor(4) as threads:
        ids = list(threads.map(lambda seed: succeeded(store, artifacts, seed=seed, promote="always"), range(8)))
    rows = store.models.versions("mnist", limit=100)
    assert [row.version for row in rows] == list(range(8, 0, -1))
    assert {row.job_id for row in rows} == set(ids)
    assert champion(store) == 8
    assert len(store.aliases.history("mnist", limit=100)) == 8


def test_if_better_promotes_only_what_is_better_on_the_same_data() -> None:
    found = Comparison(
        dataset="letters/2",
        part="test",
        examples=1200,
        left_out=3,
        metric="accuracy",
        value=0.9,
        guessing=0.3,
        champion=4,
        champion_value=0.88,
        worst_class=WorstClass("B", 0.70, 0.85),
    )
    rule = Promotion("if_better")
    assert obstacle_to(rule, found) is None
    its = "its accuracy on 1,200 examples (test of letters/2), 0.9000,"
    assert obstacle_to(replace(rule, margin=0.05), found) == (
        f"{its} does not exceed that of the champion, version 4, 0.8800 by more than promote_margin, 0.05"
    )
    assert obstacle_to(replace(rule, min_value=0.91, margin=0.05), found) == f"{its} is below promote_min_value, 0.91"
    assert obstacle_to(replace(rule, min_value=0.9), found) is None
    assert obstacle_to(replace(rule, worst_class_drop=0.1), found) == (
        "of the class 'B' it finds 0.7000, and the champion, version 4, 0.8500, on 1,200 examples (test of letters/2): "
        "0.1500 less, which is more than promote_worst_class_drop, 0.1"
    )
    assert obstacle_to(replace(rule, worst_class_drop=0.2), found) is None
    assert obstacle_to(rule, replace(found, guessing=0.9)) == (
        f"it is no better than guessing: {its} does not exceed the share of the most frequent class, 0.9000"
    )
    alone = replace(found, champion=None, champion_value=None, worst_class=None)
    assert obstacle_to(replace(rule, worst_class_drop=0.0, margin=0.5), alone) is None


def test_figures_are_equal_whatever_the_rounding_of_what_they_were_computed_from() -> None:
    # Who always says the most frequent class is not better than that for the last bit.
    shares = [np.array([most, *rest]) for most in range(20, 60) for rest in ([19], [7, 5], [11, 3, 2])]
    for belong in shares:
        always = Counts.of(np.column_stack([belong, np.zeros((len(belong), len(belong) - 1), np.int64)]))
        for metric, guess in guessing(belong).items():
            if metric != "log_loss":
                found = Comparison("mine/1", "all", int(belong.sum()), 0, metric, getattr(always, metric), guess)
                assert "no better than guessing" in str(obstacle_to(Promotion("if_better"), found))
    found = Comparison("mine/1", "all", 100, 0, "accuracy", 0.91, 0.3, 1, 0.9, worst_class=WorstClass("B", 0.85, 0.9))
    assert "by more than promote_margin" in str(obstacle_to(Promotion("if_better", margin=0.01), found))
    assert obstacle_to(Promotion("if_better", worst_class_drop=0.05), found) is None


def test_who_is_no_better_than_guessing_is_not_champion(store: Store, artifacts: Artifacts) -> None:
    succeeded(store, artifacts, val_accuracy=0.1135, majority_share=0.1135)
    assert champion(store) is None, "though there is no other"
    assert "no better than guessing" in str(why_not(store, 1))
    succeeded(store, artifacts, val_accuracy=0.1, majority_share=0.1135, promote="always")
    assert champion(store) == 2, "somebody said so"
    succeeded(store, artifacts, val_accuracy=0.11, majority_share=0.1135)
    assert "no better than guessing" in str(why_not(store, 3)), "though it is better than the champion"
    succeeded(store, artifacts, val_accuracy=0.1136, majority_share=0.1135)
    assert (champion(store), why_not(store, 4)) == (4, None)


def test_of_a_log_loss_less_is_better() -> None:
    found = Comparison("mine/1", "all", 50, 0, "log_loss", 0.4, 2.3, 1, 0.5)
    rule = Promotion("if_better")
    assert obstacle_to(rule, found) is None
    its = "its log loss on 50 examples (all of mine/1), 0.4000,"
    assert obstacle_to(replace(rule, margin=0.2), found) == (
        f"{its} is not below that of the champion, version 1, 0.5000 by more than promote_margin, 0.2"
    )
    assert obstacle_to(replace(rule, min_value=0.3), found) == f"{its} is above promote_min_value, 0.3"
    assert obstacle_to(rule, replace(found, guessing=0.4)) == (
        f"it is no better than guessing: {its} is not below that of guessing, 0.4000"
    )
    unsaid = replace(found, champion_value=math.inf)
    assert obstacle_to(rule, unsaid) is None, "the champion has no place for a class"
    assert unsaid.as_dict()["champion_value"] is None


def test_of_a_version_nobody_compared_with_the_champion_the_champion_stays(store: Store, artifacts: Artifacts) -> None:
    succeeded(store, artifacts, promote="always")
    for rule in ("never", "if_better"):
        finished(store, promote=rule)
    assert champion(store) == 1
    assert (why_not(store, 2), why_not(store, 3)) == ("promote is never", "it was not compared with the champion")
    finished(store, promote="always")
    assert champion(store) == 4
    assert [row.why for row in store.aliases.history("mnist", limit=9)] == ["always", "always"]


def test_a_champion_that_is_deleted_while_it_is_looked_up_is_none(store: Store, artifacts: Artifacts) -> None:
    succeeded(store, artifacts, promote="always")
    with store.database.writer.begin() as connection:  # as one who has read the alias before, and reads on now
        connection.execute(delete(versions))
    assert store.models.champion("mnist") is None


def test_what_was_compared_with_another_champion_is_not_put_on_record(store: Store, artifacts: Artifacts) -> None:
    succeeded(store, artifacts)
    held = claim(store, submit(store, epochs=1))
    store.runs.record_epoch(held, epoch(1), [file("last.safetensors", "w"), file("best.safetensors", "w")])
    compared = Verdict(store.models.champion("mnist").version)  # type: ignore[union-attr]
    succeeded(store, artifacts, promote="always")
    with pytest.raises(ChampionChanged):
        store.runs.finish(held, findings=Findings(verdict=compared))
    job = store.jobs.get(held.job_id)
    assert job is not None
    assert (job.state, job.version, champion(store)) == ("running", None, 2), "nothing of it is done"
    assert [row.version for row in store.models.versions("mnist", limit=9)] == [2, 1]
    store.runs.finish(held, findings=Findings(verdict=replace(compared, champion=2)))
    assert champion(store) == 3


def test_a_job_tells_its_version_from_the_moment_at_which_it_has_succeeded(store: Store, artifacts: Artifacts) -> None:
    job_id = succeeded(store, artifacts)
    job = store.jobs.get(job_id)
    assert job is not None
    assert job.version == {"model": "mnist", "version": 1, "promoted": True, "not_promoted_because": None}
    *_, moved, ended = store.jobs.events(job_id)
    assert (moved.type, moved.data) == (
        "alias.moved",
        {"model": "mnist", "version": 1, "alias": "champion", "before": None},
    )
    assert (ended.type, ended.data["version"]) == ("state", job.version)


def test_a_deleted_version_s_number_is_not_given_again(store: Store, artifacts: Artifacts) -> None:
    succeeded(store, artifacts)
    succeeded(store, artifacts, promote="never")
    assert store.models.delete("mnist", 2) is not None
    assert store.models.delete("mnist", 2) is None
    succeeded(store, artifacts)
    assert [row.version for row in store.models.versions("mnist", limit=9)] == [3, 1]


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
    store = Store.open(settings).of(DEFAULT)
    rows = store.models.versions("default", limit=9)
    assert [(row.version, row.job_id, row.val_accuracy) for row in rows] == [(2, "two", 0.7), (1, "one", 0.7)]
    assert champion(store, "default") == 2
    assert [row.why for row in store.aliases.history("default", limit=9)] == ["migration"]
    told = [job.version for job in (store.jobs.get("one"), store.jobs.get("two")) if job is not None]
    assert [(its["model"], its["version"]) for its in told] == [("default", 1), ("default", 2)]
    (file,) = store.files.of(owners.of_version("default", 1))
    assert (file.name, file.key) == ("weights.safetensors", "key-one")
    assert store.jobs.delete("one") == []
    store.database.close()
    Database.open(bare_url).close()


def test_what_was_asked_for_before_becomes_versions_of_default(
    bare_url: str, settings: Settings, artifacts: Artifacts
) -> None:
    url = make_url(bare_url)
    engine = create_engine(url.set(drivername="postgresql+psycopg") if "postgresql" in url.drivername else url)
    config = Config()
    config.set_main_option("script_location", "service/store/migrations")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0007")
        its_spec = TrainingSpec(hidden_sizes=(20,), epochs=1, model="default", promote="always").model_dump(mode="json")
        silent = {name: value for name, value in its_spec.items() if name not in {"model", "promote"}}
        for job_id, spec in (("says", its_spec), ("silent", silent)):
            connection.execute(
                text(
                    "INSERT INTO jobs (id, state, spec, labels, dataset, shape, created_at, rung_at, attempt, "
                    "fruitless_attempts, cancel_requested, last_epoch) VALUES (:id, 'queued', :spec, '{}', 'mnist', "
                    "'s', 1, 1, 0, 0, false, 0)"
                ),
                {"id": job_id, "spec": json.dumps(spec)},
            )
        ranges = {"learning_rate": {"uniform": [0.001, 0.01]}}
        named, varied = {"base": {"model": "mine"}}, {"tpe": {"trials": 9, "ranges": {"model": {"choice": ["a", "b"]}}}}
        for name, more in (("silent", {}), ("named", named), ("varied", varied), ("grid", {"grid": {"epochs": [1]}})):
            spec = {"base": {"epochs": 1}, "tpe": None if name == "grid" else {"trials": 9, "ranges": ranges}, **more}
            connection.execute(
                text(
                    "INSERT INTO sweeps (id, spec, labels, trials, suggested, cancel_requested, created_at) "
                    "VALUES (:id, :spec, '{}', 9, 1, false, 1)"
                ),
                {"id": name, "spec": json.dumps(spec)},
            )
    engine.dispose()
    store = Store.open(settings).of(DEFAULT)
    for job_id in ("says", "silent"):
        succeeded(store, artifacts, job_id=job_id, val_accuracy=0.1, majority_share=0.2)
    rows = store.models.versions("default", limit=9)
    assert [row.job_id for row in rows] == ["silent", "says"]
    assert champion(store, "default") == 2, "each was to be champion"
    bases = {
        name: sweep.spec["base"] for name in ("silent", "named", "varied", "grid") if (sweep := store.sweeps.get(name))
    }
    assert bases == {
        "silent": {"epochs": 1, "model": "default"},
        "named": {"model": "mine"},
        "varied": {"epochs": 1},
        "grid": {"epochs": 1},
    }
    store.database.close()


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
