"""What webhooks are told of jobs, sweeps, data and models: little, and where to look for the rest."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select

from service.store.engine import Row
from service.store.job_ids import own
from service.store.outbox import EventType, Happening, listening, put
from service.store.scoping import account_of
from service.store.tables import jobs, sweeps

_AT_A_TIME = 500
_LONGEST = 500
"""Letters of a reason: what is sent stays far below the 20 kB that receivers have room for."""

_LABELS_OF_SWEEP = (
    select(sweeps.c.labels)
    .where(sweeps.c.id == jobs.c.sweep_id)
    .correlate(jobs)
    .scalar_subquery()
    .label("labels_of_sweep")
)
_OF_A_RESULT = ("metric", "best_metric", "best_epoch", "best_val_accuracy", "test_accuracy", "epochs", "stopped_early")
_FAULTS = 3


def of_jobs(connection: Connection, job_ids: Sequence[str], told: Mapping[str, Any]) -> None:
    """Tell that jobs are in another state; `told` is what their event says of it."""
    for begin in range(0, len(job_ids), _AT_A_TIME):
        these = jobs.c.id.in_(job_ids[begin : begin + _AT_A_TIME])
        if those := listening(connection, select(jobs.c.account).where(these)):
            query = select(jobs, _LABELS_OF_SWEEP).where(these).order_by(jobs.c.number)
            put(connection, those, [_of_job(row, told) for row in connection.execute(query).all()])


def _of_job(job: Row, told: Mapping[str, Any]) -> Happening:
    labels = job.labels if job.sweep_id is None else job.labels_of_sweep
    its_id = own(job.id)  # who claims a job has its whole one
    data = {
        "id": its_id,
        "state": told["state"],
        "attempt": job.attempt,
        "name": job.name,
        "labels": labels,
        "sweep_id": job.sweep_id,
        "trial": job.trial,
        "dataset": job.spec["dataset"],
        "model": job.spec.get("model"),
        "links": {"self": f"/jobs/{its_id}"},
    }
    if (result := told.get("result")) is not None:
        data["result"] = {name: result.get(name) for name in _OF_A_RESULT}
    if (version := told.get("version")) is not None:
        data["version"] = {key: _cut(value) for key, value in version.items()}
    if (error := told.get("error")) is not None:
        data["error"] = {key: _cut(value) for key, value in error.items()}
    if (how := told.get("cancellation")) is not None:
        data["cancellation"] = how
    kind: EventType = f"job.{told['state']}"  # type: ignore[assignment]
    return Happening(job.account, kind, f"jobs/{its_id}", data, labels, {data["model"]}, job.spec.get("webhook"))


def of_sweep(connection: Connection, sweep_id: str, state: str) -> None:
    """Tell that a sweep is in another state; all jobs that it has by then are on record."""
    row = connection.execute(select(sweeps).where(sweeps.c.id == sweep_id)).one()
    if not (those := listening(connection, [row.account])):
        return
    model = jobs.c.spec["model"].as_string()
    models = connection.scalars(select(model).where(jobs.c.sweep_id == sweep_id).distinct()).all()
    data = {
        "id": row.id,
        "state": state,
        "name": row.name,
        "labels": row.labels,
        "links": {"self": f"/sweeps/{row.id}"},
    }
    kind: EventType = f"sweep.{state}"  # type: ignore[assignment]
    named = row.spec["base"].get("webhook")
    put(connection, those, [Happening(row.account, kind, f"sweeps/{row.id}", data, row.labels, models, named)])


def of_data(connection: Connection, dataset: str, version: int, state: str, told: Mapping[str, Any]) -> None:
    """Tell that a version of a data set is in another state; `told` is what its event says of it."""
    account = account_of(connection)
    assert account is not None, "what has a name is only changed for an account"
    if not (those := listening(connection, [account])):
        return
    data = {"dataset": dataset, "version": version, "state": state}
    data |= {name: told[name] for name in ("examples", "added", "sha256", "appended_to") if name in told}
    if faults := told.get("faults"):
        data["faults"] = [{key: _cut(value) for key, value in fault.items()} for fault in faults[:_FAULTS]]
    data["links"] = {"self": f"/datasets/{dataset}/versions/{version}"}
    kind: EventType = f"data.{state}"  # type: ignore[assignment]
    put(connection, those, [Happening(account, kind, f"datasets/{dataset}/{version}", data)])


def of_version(
    connection: Connection, model: str, version: int, spec: Mapping[str, Any], job_id: str | None, obstacle: str | None
) -> None:
    """Tell that a model has a new version and, if it was to be champion, why it is not."""
    account = account_of(connection)
    assert account is not None, "what has a name is only changed for an account"
    if not (those := listening(connection, [account])):
        return
    its = {
        "model": model,
        "version": version,
        "job_id": job_id and own(job_id),
        "links": {"self": f"/models/{model}/versions/{version}"},
    }
    put(connection, those, list(_of_version(account, its, spec, obstacle)))


def _of_version(
    account: str, its: dict[str, Any], spec: Mapping[str, Any], obstacle: str | None
) -> Iterator[Happening]:
    subject, labels, named = f"models/{its['model']}", spec.get("labels"), spec.get("webhook")
    yield Happening(account, "version.made", subject, its, labels, {its["model"]}, named)
    if obstacle is not None:
        why = {**its, "because": _cut(obstacle)}
        yield Happening(account, "version.refused", subject, why, labels, {its["model"]}, named)


def of_alias(connection: Connection, model: str, alias: str, moved: Mapping[str, Any]) -> None:
    """Tell that an alias points elsewhere, or is gone: `moved` says with which revision, from and to what, and why."""
    account = account_of(connection)
    assert account is not None, "what has a name is only changed for an account"
    if not (those := listening(connection, [account])):
        return
    data = {"model": model, "alias": alias, **moved, "links": {"self": f"/models/{model}/aliases/{alias}"}}
    put(connection, those, [Happening(account, "alias.moved", f"models/{model}", data, None, {model})])


def _cut(value: Any) -> Any:
    return f"{value[:_LONGEST]}..." if isinstance(value, str) and len(value) > _LONGEST else value
