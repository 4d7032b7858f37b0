"""How networks become versions: numbered without gaps, promoted by the rule, on both databases."""

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
from service.store.store import Store
from tests.records import succeeded


def champion(store: Store, model: str = "default") -> int | None:
    row = store.aliases.get(model, "champion")
    return None if row is None else int(next(iter(row.targets["versions"])))


def why_not(store: Store, version: int) -> str | None:
    row = store.models.version("default", version)
    assert row is not None
    reason: str | None = row.facts["not_promoted_because"]
    return reason


def test_jobs_that_succeed_at_once_are_numbered_without_gaps(store: Store, artifacts: Artifacts) -> None:
    with ThreadPoolExecutor(4) as threads:
        ids = list(threads.map(lambda seed: succeeded(store, artifacts, seed=seed), range(8)))
    rows = store.models.versions("default", limit=100)
    assert [row.version for row in rows] == list(range(8, 0, -1))
    assert {row.job_id for row in rows} == set(ids)
    assert champion(store) == 8
    assert len(store.aliases.history("default", limit=100)) == 8


def test_if_better_promotes_only_what_is_better_on_the_same_data(store: Store, artifacts: Artifacts) -> None:
    def learn(accuracy: float, **fields: Any) -> None:
        succeeded(store, artifacts, val_accuracy=accuracy, **{"promote": "if_better", **fields})

    learn(0.8)
    assert champion(store) == 1, "there was none"
    learn(0.8)
    learn(0.85, promote_margin=0.1)
    learn(0.99, data_sha256="e" * 64)
    learn(0.99, split_seed=7)
    learn(0.99, promote="never")
    assert champion(store) == 1
    assert "does not exceed" in str(why_not(store, 2))
    assert "by more than 0.1" in str(why_not(store, 3))
    assert "another validation part" in str(why_not(store, 4))
    assert "another validation part" in str(why_not(store, 5))
    assert why_not(store, 6) == "promote is never"
    learn(0.81)
    assert (champion(store), why_not(store, 7)) == (7, None)
    learn(0.1, promote="always")
    assert champion(store) == 8
    assert [row.why for row in store.aliases.history("default", limit=9)] == ["always", "if_better", "if_better"]


def test_a_deleted_version_s_number_is_not_given_again(store: Store, artifacts: Artifacts) -> None:
    succeeded(store, artifacts)
    succeeded(store, artifacts, promote="never")
    assert store.models.delete("default", 2) is not None
    assert store.models.delete("default", 2) is None
    succeeded(store, artifacts)
    assert [row.version for row in store.models.versions("default", limit=9)] == [3, 1]


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
    assert champion(store) == 2
    assert [row.why for row in store.aliases.history("default", limit=9)] == ["migration"]
    (file,) = store.files.of(owners.of_version("default", 1))
    assert (file.name, file.key) == ("weights.safetensors", "key-one")
    assert store.jobs.delete("one") == []
    store.database.close()
    Database.open(bare_url).close()


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
