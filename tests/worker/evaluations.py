"""Evaluations as clients ask for them: data sets and models on record, asked for, and made in this process."""

import io
from typing import Any

import numpy as np
from fastapi.testclient import TestClient
from numpy.typing import NDArray

from models.data import learned
from models.data.plan import Plan
from models.data.schema import Images, Table
from service.artifacts import Artifacts
from service.settings import Settings
from service.store import owners
from service.store.store import Store
from service.store.tables import evaluations
from tests.forms import LETTERS, stored, weights_of
from tests.records import data, succeeded
from worker.errands.evaluate import evaluate

PICTURES = stored(LETTERS, 60)
LABELS: NDArray[np.int64] = np.random.default_rng(5).integers(0, 26, 60)


def upload(
    store: Store,
    artifacts: Artifacts,
    schema: Images | Table,
    values: NDArray[Any],
    labels: NDArray[np.int64],
    *,
    name: str = "letters",
    parts: NDArray[np.uint8] | None = None,
) -> None:
    """Put a version of a data set on record, with its examples."""
    half = len(values) // 2
    # In two pieces, as what was appended to is stored.
    arrays: dict[str, NDArray[Any]] = {"values.npy": values[:half], "values.1.npy": values[half:], "labels.npy": labels}
    if parts is not None:
        arrays["parts.npy"] = parts
    files = []
    for called, array in arrays.items():
        file = io.BytesIO()
        np.save(file, array)
        files.append(artifacts.write(owners.of_dataset(name), called, file.getvalue()))
    shown: dict[str, Any] = {"kind": schema.kind, "schema": schema.model_dump(mode="json"), "examples": len(labels)}
    counted = (
        {} if parts is None else dict(zip(("train", "validation", "test"), np.bincount(parts).tolist(), strict=True))
    )
    reading = {"taken_for": {"split": counted}, "warnings": []}
    data(store, artifacts, name, files=files, reading=reading, sha256=("e" if name == "letters" else "f") * 64, **shown)


def learn(
    store: Store,
    artifacts: Artifacts,
    *,
    schema: Images | Table = LETTERS,
    plan: Plan | None = None,
    seed: int = 0,
    rows: NDArray[np.int64] | None = None,
    values: NDArray[Any] = PICTURES,
    **fields: Any,
) -> str:
    """Let a job succeed whose network has learned from these rows, as far as it says."""
    more = {} if rows is None else {learned.LEARNED: learned.pack(learned.learn(values, schema, rows))}
    file = weights_of(schema, plan, seed=seed)
    spec: dict[str, Any] = {"model": "letters", "dataset": "letters/1", "promote": "always", "seed": seed}
    return succeeded(store, artifacts, file=file, data_sha256="e" * 64, more_files=more, **spec | fields)


def ask(client: TestClient, **body: Any) -> Any:
    return client.post("/evaluations", json={"model": "letters/1", "dataset": "letters", **body})


def made(client: TestClient, store: Store, artifacts: Artifacts, settings: Settings, **body: Any) -> dict[str, Any]:
    """Ask for an evaluation, have it made, and give it."""
    answer = ask(client, **body)
    assert answer.status_code == 202, answer.text
    assert answer.json()["state"] == "queued"
    evaluate(answer.json()["id"], store, artifacts, settings, owner="host:1:abc/7")
    shown: dict[str, Any] = client.get(answer.headers["location"]).json()
    return shown


def expire(store: Store) -> None:
    with store.database.writer.begin() as connection:
        connection.execute(evaluations.update().values(lease_expires_at=0, rung_at=0))


class Bell:
    """Takes what it is told, and has heard it."""

    def __init__(self) -> None:
        self.rung: list[str] = []

    def errands_waiting(self) -> int:
        return 0

    def ask_for_evaluations(self, ids: list[str]) -> bool:
        self.rung += ids
        return True
