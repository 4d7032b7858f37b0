"""How a network becomes a version of a model, and whether it is promoted: each in the transaction of whoever calls.

Whoever changes what belongs to a model locks its row, and does so after that of a job: nobody waits for each other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, insert, select

from models.spec import TrainingSpec
from service.store import owners
from service.store.aliases import CHAMPION, alias_of, alone, move
from service.store.engine import Row, insert_or, now_ms
from service.store.files import File, publish, share
from service.store.promotion import Promotion, obstacle_to
from service.store.states import Job, spec_of
from service.store.tables import models, versions

WEIGHTS = "weights.safetensors"
"""What a version calls the file of its weights; those of an ensemble are called by `weights_of`."""

_SHARED = {"best.safetensors": WEIGHTS, "best.json": "about.json"}


def exported(form: str) -> str:
    """Give what a version calls the file that it was exported to."""
    return f"export.{form}"


def weights_of(member: int) -> str:
    """Give what an ensemble calls the file of the weights of one of its members, counted from 1."""
    return f"member-{member}.safetensors"


@dataclass(frozen=True)
class Findings:
    """What a worker found out about a network before its job succeeded; `files` were written for its version."""

    data_sha256: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    files: Sequence[File] = ()


NO_FINDINGS = Findings()


def make(connection: Connection, job: Job, result: Mapping[str, Any], findings: Findings) -> int:
    """Make the best checkpoint of a job that succeeded the next version of its model, and promote it by its spec.

    The version points to the files by itself: they stay when the job is deleted. Gives its number.
    """
    spec = TrainingSpec.model_validate(spec_of(job))
    number = next_number(connection, spec.model)
    share(connection, owners.of_job(job.id), owners.of_version(spec.model, number), _SHARED)
    values = {
        "job_id": job.id,
        "spec": spec.model_dump(mode="json"),
        "epoch": result["best_epoch"],
        "weights_sha256": result["best_weights_sha256"],
        "val_accuracy": result["best_val_accuracy"],
    }
    put(connection, spec.model, number, values, findings, Promotion(spec.promote, spec.promote_margin))
    return number


def next_number(connection: Connection, model: str) -> int:
    """Take the next number of a model, which is made if it is not there; locks its row."""
    first = insert_or(connection, models).values(name=model, newest=1, created_at=now_ms())
    number = connection.scalar(
        first.on_conflict_do_update(index_elements=["name"], set_={"newest": models.c.newest + 1}).returning(
            models.c.newest
        )
    )
    assert number is not None, "a row was inserted or updated"
    return int(number)


def put(
    connection: Connection,
    model: str,
    number: int,
    values: Mapping[str, Any],
    findings: Findings,
    promotion: Promotion,
) -> None:
    """Put a version on record, with its findings, and let it be champion if it is to be. The model's row is locked."""
    publish(connection, owners.of_version(model, number), findings.files)
    values = {**values, "data_sha256": findings.data_sha256}
    champion = _champion(connection, model) if promotion.rule == "if_better" else None
    obstacle = obstacle_to(promotion, values, findings.facts, champion)
    facts = {**findings.facts, "promoted": obstacle is None, "not_promoted_because": obstacle}
    connection.execute(insert(versions).values(model=model, version=number, **values, facts=facts, created_at=now_ms()))
    if obstacle is None:
        move(connection, model, CHAMPION, alone(number), why=promotion.rule)


def version_of(connection: Connection, model: str, version: int) -> Row | None:
    """Look a version up."""
    query = select(versions).where(versions.c.model == model, versions.c.version == version)
    return connection.execute(query).one_or_none()


def _champion(connection: Connection, model: str) -> Row | None:
    """Look up the version that answers for a model, or for most of its requests, if its alias is set."""
    alias = alias_of(connection, model, CHAMPION)
    if alias is None:
        return None
    shares = alias.targets["versions"]
    champion = version_of(connection, model, int(max(shares, key=shares.__getitem__)))
    assert champion is not None, "what an alias points to is not deleted"
    return champion
