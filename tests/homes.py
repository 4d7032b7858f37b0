"""Homes of earlier revisions: their tables, with rows as they were then."""

import json
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, make_url, text

from models.spec import TrainingSpec


def at(url: str, revision: str, **rows: list[dict[str, Any]]) -> None:
    """Bring a database to an earlier revision, with rows in it."""
    config = Config()
    config.set_main_option("script_location", "service/store/migrations")
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg") if url.startswith("p") else url)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        for table, its in rows.items():
            for row in its:
                names, values = ", ".join(row), ", ".join(f":{name}" for name in row)
                connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({values})"), row)
    engine.dispose()


def job(spec: TrainingSpec, state: str) -> dict[str, Any]:
    written = spec.model_dump(mode="json", exclude={"name", "labels", "class_weights", "stratify", "metric"})
    no = {"attempt": 0, "fruitless_attempts": 0, "cancel_requested": False, "last_epoch": 0}
    return {
        "id": state,
        "state": state,
        "spec": json.dumps(written),
        "labels": "{}",
        "dataset": spec.dataset,
        "shape": spec.shape,
        "spec_sha256": spec.digest,
        "created_at": 1,
        "rung_at": 1,
        **no,
    }
