"""How networks become versions: numbered without gaps, promoted by the rule, on both databases."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, make_url, text

from models.spec import TrainingSpec
from service.artifacts import Artifacts
from service.settings import Settings
from service.store import owners
from service.store.engine import Database
from service.store.promotion import Promotion
from service.store.store import Store
from service.store.versions import Findings
from tests.records import succeeded


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


def test_if_better_promotes_only_what_is_better_on_the_same_data(store: Store, artifacts: Artifacts) -> None:
    def learn(accuracy: float, **fields: Any) -> None:
        succeeded(store, artifacts, val_accuracy=accuracy, **fields)

    learn(0.8)
    assert champion(store) == 1, "there was none"
    learn(0.8)
    learn(0.85, promote_margin=0.1)
    learn(0.99, data_sha256="e" * 64)
    learn(0.99, split_seed=7)
    learn(0.99, promote="never")
    learn(0.99, stratify=True)
    assert champion(store) == 1
    assert "does not exceed" in str(why_not(store, 2))
    assert "by more than 0.1" in str(why_not(store, 3))
    assert "another validation part" in str(why_not(store, 4))
    assert "another validation part" in str(why_not(store, 5))
    assert why_not(store, 6) == "promote is never"
    assert "another validation part" in str(why_not(store, 7))
    learn(0.81)
    assert (champion(store), why_not(store, 8)) == (8, None)
    learn(0.1, promote="always")
    assert champion(store) == 9
    assert [row.why for row in store.aliases.history("mnist", limit=9)] == ["always", "if_better", "if_better"]


def test_who_is_no_better_than_guessing_is_not_champion(store: Store, artifacts: Artifacts) -> None:
    succeeded(store, artifacts, val_accuracy=0.1135, majority_share=0.1135)
    assert champion(store) is None, "though there is no other"
    assert why_not(store, 1) == (
        "it is no better than guessing: its validation accuracy, 0.1135, does not exceed the share of the most "
        "frequent class of the validation part, 0.1135"
    )
    succeeded(store, artifacts, val_accuracy=0.1, majority_share=0.1135, promote="always")
    assert champion(store) == 2, "somebody said so"
    succeeded(store, artifacts, val_accuracy=0.11, majority_share=0.1135)
    assert "no better than guessing" in str(why_not(store, 3)), "though it is better than the champion"
    succeeded(store, artifacts, val_accuracy=0.1136, majority_share=0.1135)
    assert (champion(store), why_not(store, 4)) == (4, None)
    succeeded(store, artifacts, val_accuracy=0.1137)
    assert (champion(store), why_not(store, 5)) == (5, None), "what guessing comes to is unknown: as the rule has it"


def test_an_ensemble_that_is_no_better_than_guessing_is_not_champion(store: Store, artifacts: Artifacts) -> None:
    for seed in range(2):
        succeeded(store, artifacts, seed=seed)
    found = Findings("d" * 64, {"majority_share": 0.3})
    members = [("mnist", 1), ("mnist", 2)]
    assert store.ensembles.make("both", members, found, val_accuracy=0.3, promotion=Promotion("if_better"))
    made = store.models.version("both", 1)
    assert made is not None
    assert "no better than guessing" in made.facts["not_promoted_because"]
    assert champion(store, "both") is None


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
    store = Store.open(settings)
    rows = store.models.versions("default", limit=9)
    assert [(row.version, row.job_id, row.val_accuracy) for row in rows] == [(2, "two", 0.7), (1, "one", 0.7)]
    assert champion(store, "default") == 2
    assert [row.why for row in store.aliases.history("default", limit=9)] == ["migration"]
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
    store = Store.open(settings)
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


def test_what_the_spec_names_decides_who_is_better(store: Store, artifacts: Artifacts) -> None:
    def values(of: float) -> dict[str, dict[str, float]]:
        measured = {"balanced_accuracy": of, "log_loss": 1 - of}
        return {"values": measured, "guessing": {"balanced_accuracy": 0.5, "log_loss": 0.69}}

    def learned(accuracy: float, of: float | None, metric: str) -> str | None:
        more = {} if of is None else values(of)
        succeeded(store, artifacts, val_accuracy=accuracy, majority_share=0.9, metric=metric, more_facts=more)
        newest = store.models.versions("mnist", limit=1)[0]
        return str(newest.facts["not_promoted_because"] or "") or None

    assert learned(0.89, 0.8, "balanced_accuracy") is None, "guessing has 0.5 by this metric"
    assert learned(0.95, 0.5, "balanced_accuracy") == (
        "it is no better than guessing: its validation balanced accuracy, 0.5000, does not exceed that of guessing, "
        "0.5000"
    )
    assert learned(0.99, 0.79, "balanced_accuracy") == (
        "its validation balanced accuracy, 0.7900, does not exceed that of the champion, version 1, 0.8000, by more "
        "than 0"
    )
    assert learned(0.8, 0.81, "balanced_accuracy") is None
    assert learned(0.8, 0.8, "log_loss") == (
        "its validation log loss, 0.2000, is not below that of the champion, version 4, 0.1900, by more than 0"
    )
    assert learned(0.8, 0.85, "log_loss") is None
    assert learned(0.95, None, "accuracy") is None, "by accuracy it is better"
    assert learned(0.8, 0.99, "macro_f1") == "it could not be assessed"
    assert learned(0.8, 0.99, "log_loss") == "the champion, version 7, was not measured by log_loss"
