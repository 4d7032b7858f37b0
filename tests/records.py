"""Jobs, and networks to predict with, put on record without training them."""

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from sqlalchemy import insert, update

from models import golden
from models.checkpoints import Checkpoint, pack_weights
from models.data.schema import USUAL
from models.inference import read
from models.networks import build
from models.spec import TrainingSpec
from service.artifacts import Artifacts
from service.store import owners
from service.store.claims import Claim
from service.store.datasets import SENT
from service.store.engine import now_ms
from service.store.event_tables import events
from service.store.files import File
from service.store.promotion import MAJORITY_SHARE, Comparison, Promotion, Verdict, obstacle_to
from service.store.runs import EpochRecord
from service.store.store import Store
from service.store.tables import jobs
from service.store.versions import WEIGHTS, Findings
from service.sweeps.expand import expand
from service.sweeps.spec import SweepSpec
from tests.forms import stored

MEAN, DEVIATION = 33.3, 78.6


def weights(*, seed: int, hidden_sizes: tuple[int, ...] = (20,)) -> bytes:
    """Give the weights file of a network that has learnt nothing."""
    spec = TrainingSpec(hidden_sizes=hidden_sizes)
    state = build(spec, seed=seed).state_dict()
    return pack_weights(Checkpoint(1, 1, 1, 0.5, state, {}), spec, mean=MEAN, deviation=DEVIATION)


def succeeded(
    store: Store,
    artifacts: Artifacts,
    *,
    job_id: str | None = None,
    seed: int = 0,
    hidden_sizes: tuple[int, ...] = (20,),
    val_accuracy: float = 0.8,
    data_sha256: str = "d" * 64,
    temperature: float = 1.0,
    file: bytes | None = None,
    majority_share: float | None = None,
    more_files: Mapping[str, bytes] = MappingProxyType({}),
    more_facts: Mapping[str, Any] = MappingProxyType({}),
    **spec: Any,
) -> str:
    """Put a job on record that has succeeded with a network of this shape, or let one succeed; gives its id.

    `file` is its weights file, if it is of another form than MNIST's. `more_files` were found out about it, beside
    golden examples, and `more_facts` belong to its version.
    """
    job_id = job_id or submit(store, hidden_sizes=hidden_sizes, epochs=1, **spec)
    (held,) = store.runs.claim(job_id, "host:1:abc/7")
    about = json.dumps({"versions": {"tenfold": "0.1.0"}, "data_sha256": "d" * 64}).encode()
    file = file or weights(seed=seed, hidden_sizes=hidden_sizes)
    contents = {
        "last.safetensors": file,
        "best.safetensors": file,
        "last.json": about,
        "last.state.safetensors": b"s",
    }
    files = [artifacts.write(owners.of_job(job_id), name, data, epoch=1) for name, data in contents.items()]
    store.runs.record_epoch(held, EpochRecord(1, 12, b"\0" * 48, 0.5, 0.9, val_accuracy, 1.0, complete=True), files)
    network = read(file)
    told = {"golden.safetensors": golden.pack(golden.choose(network, stored(network.schema, 4))), **more_files}
    written = [artifacts.write(owners.of_job(job_id), name, data, epoch=1) for name, data in told.items()]
    facts = {"temperature": temperature} | ({} if majority_share is None else {MAJORITY_SHARE: majority_share})
    verdict = judged(store, TrainingSpec.model_validate(held.spec), val_accuracy, majority_share)
    store.runs.finish(held, findings=Findings(data_sha256, {**facts, **more_facts}, written, verdict))
    return job_id


def judged(store: Store, spec: TrainingSpec, accuracy: float, guessing: float | None = None) -> Verdict:
    """Give what a worker would find that measured a network and the champion, of whom these accuracies are known."""
    champion = store.models.champion(spec.model)
    number, its = (None, None) if champion is None else (champion.version, champion.val_accuracy)
    found = Comparison("mine/1", "validation", 100, 0, "accuracy", accuracy, guessing or 0.0, number, its)
    return Verdict(number, obstacle_to(Promotion.of(spec), found), found)


def damage(store: Store, artifacts: Artifacts, model: str, version: int) -> None:
    """Let the weights of a version be something else than what was written."""
    file = store.files.get(owners.of_version(model, version), WEIGHTS)
    assert file is not None
    artifacts.path(file.key).write_bytes(b"something else")


def submit(store: Store, **fields: Any) -> str:
    (job_id,) = store.submissions.submit([TrainingSpec(**fields)])
    return job_id


def log_many(store: Store, job_id: str, count: int) -> None:
    """Put so many events of a job on record, as if as many epochs had ended."""
    with store.database.writer.begin() as connection:
        connection.execute(insert(events), [{"job_id": job_id, "type": "epoch", "data": {}, "created_at": 1}] * count)


def claim(store: Store, job_id: str, owner: str = "worker") -> Claim:
    (taken,) = store.runs.claim(job_id, owner)
    assert taken.job_id == job_id
    return taken


def epoch(number: int, **fields: Any) -> EpochRecord:
    values: dict[str, Any] = {
        "epoch": number,
        "iterations": number * 3,
        "losses": b"\0" * 12,
        "loss": 0.5,
        "train_accuracy": 0.9,
        "val_accuracy": 0.8,
        "seconds": 1.0,
        "complete": True,
    }
    return EpochRecord(**values | fields)


def file(name: str, key: str, number: int = 1) -> File:
    return File(name=name, key=key, sha256="0" * 64, size=1, epoch=number)


def data(
    store: Store,
    artifacts: Artifacts,
    name: str = "mine",
    *,
    content: bytes = b"0,1",
    state: str = "ready",
    files: Sequence[File] = (),
    **found: Any,
) -> int:
    """Put a version of an uploaded data set on record, as if it had been read; gives its number."""
    sent = artifacts.write(owners.of_dataset(name), SENT, content)
    row, _ = store.datasets.add(name, sent, None, {})
    held = store.readings.claim(("default", name, row.version), "host:1:token/1") if state != "reading" else None
    if held is not None and state == "ready":
        columns = {"kind": "images", "schema": USUAL.model_dump(mode="json"), "reading": None, "examples": 30}
        store.readings.finish(held, {"sha256": "d" * 64, "description": None, **columns, **found}, files)
    elif held is not None:
        store.readings.fail(held, [{"where": "line 1", "detail": "it is bad", "remedy": "mend it"}])
    return int(row.version)


def expire(store: Store, job_id: str) -> None:
    with store.database.writer.begin() as connection:
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(lease_expires_at=now_ms() - 1))


def finished(store: Store, state: str = "succeeded", **fields: Any) -> str:
    held = claim(store, submit(store, **fields))
    end(store, held, state)
    return held.job_id


def end(store: Store, held: Claim, state: str = "succeeded") -> None:
    if state == "failed":
        store.runs.fail(held, {"type": "ValueError", "message": "no"})
        return
    weights = [file("last.safetensors", f"{held.job_id}-w"), file("best.safetensors", f"{held.job_id}-w")]
    store.runs.record_epoch(held, epoch(1), weights)
    assert store.runs.finish(held)[0] == state


MOVES = {
    "queued": {"running", "paused", "cancelled"},
    "running": {"queued", "paused", "succeeded", "failed", "cancelled"},
    "paused": {"queued", "cancelled"},
}


SPEC = {"dataset": "digits", "hidden_sizes": [8], "epochs": 3}


def learn(store: Store, artifacts: Artifacts, held: Claim, number: int) -> None:
    """Put an epoch on record, with files that are there."""
    owner = owners.of_job(held.job_id)
    about = json.dumps({"versions": {"tenfold": "0.1.0"}, "data_sha256": "d" * 64}).encode()
    contents = {
        "last.safetensors": b"w" * number,
        "best.safetensors": b"w" * number,
        "last.json": about,
        "last.state.safetensors": b"s",
    }
    files: list[File] = [artifacts.write(owner, name, data, epoch=number) for name, data in contents.items()]
    record = EpochRecord(number, number * 12, b"\0" * 48, 0.5, 0.9, 0.8, 1.0, complete=True)
    artifacts.remove(store.runs.record_epoch(held, record, files))


def ended(store: Store, artifacts: Artifacts, **fields: Any) -> str:
    job_id = submit(store, **SPEC | fields)
    held = claim(store, job_id)
    for number in (1, 2, 3):
        learn(store, artifacts, held, number)
    artifacts.remove(store.runs.finish(held)[1])
    return job_id


def in_state(state: str, store: Store, artifacts: Artifacts) -> str:
    if state == "succeeded":
        return ended(store, artifacts)
    job_id = submit(store, **SPEC)
    if state == "paused":
        store.jobs.pause(job_id)
    elif state == "cancelled":
        store.jobs.cancel(job_id)
    elif state in {"running", "failed"}:
        held = claim(store, job_id)
        if state == "failed":
            store.runs.fail(held, {"type": "ValueError", "message": "no"})
    return job_id


def sweep(store: Store, **fields: Any) -> tuple[str, list[str]]:
    """Put a sweep on record; by default one of four trials."""
    if not {"grid", "random", "tpe", "trials", "preset"} & set(fields):
        fields["grid"] = {"learning_rate": [0.1, 0.01, 0.001, 0.0001]}
    spec = SweepSpec(**fields)
    return store.sweeps.submit(spec, expand(spec, {"digits", "mnist"}))
