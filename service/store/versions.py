"""How a network becomes a version of a model, and whether it is promoted: each in the transaction of whoever calls.

Whoever changes what belongs to a model locks its row, and does so after that of a job: nobody waits for each other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Connection, insert, select, true, union_all, update

from models.spec import TrainingSpec
from service.store import happenings, owners
from service.store.aliases import CHAMPION, alias_of, alone, move
from service.store.engine import Row, insert_or, now_ms
from service.store.errors import ChampionChanged
from service.store.events import log_of_model
from service.store.files import File, publish, share
from service.store.inheritance import history_of
from service.store.postings import read_along_indices
from service.store.promotion import NOT_COMPARED, Promotion, Verdict
from service.store.states import Job, log_event, spec_of
from service.store.tables import artifacts, decisions, jobs, models, versions

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
    """What a worker found out about a network before its job succeeded; `files` were written for its version.

    `verdict` is what came of comparing it with the champion, if anybody did.
    """

    data_sha256: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    files: Sequence[File] = ()
    verdict: Verdict | None = None


NO_FINDINGS = Findings()


def make(connection: Connection, job: Job, findings: Findings, result: Mapping[str, Any]) -> dict[str, Any]:
    """Make the best checkpoint of a job that succeeded the next version of its model, and promote it by its spec.

    The version points to the files by itself: they stay when the job is deleted. Gives what the job tells of it. Raises
    ChampionChanged.
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
    return put(connection, spec.model, number, values, findings, Promotion.of(spec))


def next_number(connection: Connection, model: str) -> int:
    """Take the next number of a model, which is made if it is not there; locks its row."""
    first = insert_or(connection, models).values(name=model, newest=1, created_at=now_ms())
    number = connection.scalar(
        first.on_conflict_do_update(
            index_elements=["account", "name"], set_={"newest": models.c.newest + 1, "deleted_at": None}
        ).returning(models.c.newest)
    )
    assert number is not None, "a row was inserted or updated"
    return int(number)


def adopt(
    connection: Connection, job: Job, checkpoint: str, model: str, findings: Findings, promotion: Promotion
) -> int | None:
    """Make a checkpoint of a job that has ended the next version of a model, unless it is one; gives its number.

    None where the checkpoint is not there any more. Raises ChampionChanged.
    """
    owner = owners.of_job(job.id)
    query = select(artifacts).where(artifacts.c.owner == owner, artifacts.c.name == f"{checkpoint}.safetensors")
    weights = connection.execute(query).one_or_none()
    if weights is None:
        return None
    number = next_number(connection, model)
    if (there := adopted(connection, model, job.id, weights.sha256)) is not None:
        connection.rollback()
        return int(there.version)
    names = {f"{checkpoint}.safetensors": WEIGHTS, f"{checkpoint}.json": "about.json"}
    share(connection, owner, owners.of_version(model, number), names)
    history = history_of(job.id)
    values = {
        "job_id": job.id,
        "spec": {**spec_of(job), "model": model},
        "epoch": weights.epoch,
        "weights_sha256": weights.sha256,
        "val_accuracy": connection.scalar(select(history.c.val_accuracy).where(history.c.epoch == weights.epoch)),
    }
    told = put(connection, model, number, values, findings, promotion)
    if job.version is None:
        connection.execute(update(jobs).where(jobs.c.id == job.id).values(version=told))
    return number


def adopted(connection: Connection, model: str, job_id: str, weights_sha256: str) -> Row | None:
    """Look up the version of a model that these weights of a job are, if they are one; the first of several."""
    same = (versions.c.job_id == job_id) & (versions.c.weights_sha256 == weights_sha256)
    query = select(versions).where(versions.c.model == model, same).order_by(versions.c.version).limit(1)
    return connection.execute(query).one_or_none()


def put(
    connection: Connection,
    model: str,
    number: int,
    values: Mapping[str, Any],
    findings: Findings,
    promotion: Promotion,
) -> dict[str, Any]:
    """Put a version on record, with its findings, and let it be champion if it is to be. The model's row is locked.

    What was decided is told by events of its job, and kept with the model. Gives what a job tells of its version.
    Raises ChampionChanged where it was compared with another one than there is by now.
    """
    publish(connection, owners.of_version(model, number), findings.files)
    champion = champion_of(connection, model)
    verdict = findings.verdict or Verdict(None, None if champion is None else NOT_COMPARED, is_final=True)
    if promotion.rule == "if_better" and not verdict.is_final and verdict.champion != (champion and champion.version):
        raise ChampionChanged(model)
    obstacle = {"always": None, "never": "promote is never"}.get(promotion.rule, verdict.obstacle)
    told = {"promoted": obstacle is None, "not_promoted_because": obstacle}
    comparison = None if verdict.comparison is None else verdict.comparison.as_dict()
    facts = {**findings.facts, **told, **({} if comparison is None else {"comparison": comparison})}
    found = {"dataset": values["spec"]["dataset"], "data_sha256": findings.data_sha256, "facts": facts}
    values = {**values, **found, "created_at": now_ms()}
    connection.execute(insert(versions).values(model=model, version=number, **values))
    connection.execute(
        insert(decisions).values(
            model=model,
            version=number,
            job_id=values["job_id"],
            promoted=obstacle is None,
            because=obstacle,
            comparison=comparison,
            decided_at=now_ms(),
        )
    )
    refused = obstacle if promotion.rule == "if_better" else None
    happenings.of_version(connection, model, number, values["spec"], values["job_id"], refused)
    if obstacle is None:
        move(connection, model, CHAMPION, alone(number), why=promotion.rule)
    its = {"model": model, "version": number}
    job_id = values["job_id"]  # none of an ensemble

    def log(kind: str, more: Mapping[str, Any]) -> None:
        if job_id is None:
            log_of_model(connection, model, kind, {**its, **more})
        else:
            log_event(connection, job_id, kind, {**its, **more})

    log("version.made", {"comparison": comparison})
    if obstacle is None:
        log("alias.moved", {"alias": CHAMPION, "before": None if champion is None else champion.version})
    elif refused is not None:
        log("version.refused", {"because": refused, "comparison": comparison})
    return {**its, **told}


def in_order(
    connection: Connection, which: Sequence[ColumnElement[bool]], *, after: tuple[str, int] | None, limit: int
) -> Sequence[Row]:
    """Read versions by model and number that meet one of some conditions; an index has those of each in this order."""
    key = (versions.c.model, versions.c.version)
    begun: list[ColumnElement[bool]] = [true()]
    if after is not None:
        # Not as a comparison of pairs: PostgreSQL estimates those by their first part alone.
        begun = [(versions.c.model == after[0]) & (versions.c.version > after[1]), versions.c.model > after[0]]
    each = [select(*key).where(its, part).order_by(*key).limit(limit).subquery() for its in which for part in begun]
    found = union_all(*(select(part) for part in each)).subquery()
    read_along_indices(connection)
    keys = connection.execute(select(found).order_by(*found.c).limit(limit)).all()
    rows: list[Row] = []
    for model, of_model in groupby(keys, lambda row: row.model):
        these = (versions.c.model == model) & versions.c.version.in_([row.version for row in of_model])
        rows += connection.execute(select(versions).where(these).order_by(versions.c.version)).all()
    return rows


def version_of(connection: Connection, model: str, version: int) -> Row | None:
    """Look a version up."""
    query = select(versions).where(versions.c.model == model, versions.c.version == version)
    return connection.execute(query).one_or_none()


def champion_of(connection: Connection, model: str) -> Row | None:
    """Look up the version that answers for a model, or for most of its requests, if its alias is set.

    Who has not locked the model's row gets None as well where it was deleted in between.
    """
    alias = alias_of(connection, model, CHAMPION)
    if alias is None:
        return None
    shares = alias.targets["versions"]
    return version_of(connection, model, int(max(shares, key=shares.__getitem__)))
