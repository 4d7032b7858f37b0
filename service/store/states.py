"""What state a job is in, and every way from one to another, each in the transaction of whoever calls.

The legal moves of a job's state; nothing leaves a state on the right:

    queued  -> running, paused, cancelled
    running -> queued (its worker left it, or fell silent), paused, succeeded, failed, cancelled
    paused  -> queued (to go on, or to be finished), cancelled
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, get_args

from sqlalchemy import Connection, case, insert, select, update

from models.spec import TrainingSpec
from service.store import happenings, owners
from service.store.data_states import hold
from service.store.engine import Row, locked, now_ms
from service.store.event_tables import events
from service.store.inheritance import history_of
from service.store.postings import file_jobs
from service.store.quotas import require_jobs
from service.store.scoping import account_of
from service.store.shared_columns import ACCOUNT, DEFAULT
from service.store.tables import artifacts, jobs, sweeps

State = Literal["queued", "running", "paused", "succeeded", "failed", "cancelled"]
STATES: tuple[State, ...] = get_args(State)
FINAL_STATES: tuple[State, ...] = ("succeeded", "failed", "cancelled")
UNENDED_STATES: tuple[State, ...] = ("queued", "running", "paused")
StoppedEarly = Literal["patience", "halving", "max_seconds", "finish"]
How = Literal["waiting", "stopped", "killed", "worker_lost"]
"""How a job was cancelled: before or between its attempts, by its training process, or with it."""

Job = Row
"""A row of the table `jobs`, with the columns JOB."""

# Those of a sweep's jobs are on record once, with the sweep: in ten thousand copies four kilobytes are 40 MB.
LABELS = case(
    (jobs.c.sweep_id.is_(None), jobs.c.labels),
    else_=select(sweeps.c.labels).where(sweeps.c.id == jobs.c.sweep_id).correlate(jobs).scalar_subquery(),
)
"""The labels of a job."""

JOB = (*(column for column in jobs.c if column is not jobs.c.labels), LABELS.label("labels"))
"""What is read of a job by whoever needs all of it."""


def spec_of(job: Job) -> dict[str, Any]:
    """Give what was asked for, whole: name and labels stand beside the spec, and not in it a second time."""
    return {**job.spec, "name": job.name, "labels": job.labels}


# As it stands in the indices of the jobs for which it holds: by a parameter no database would know them.
POINT_MS = 3_600_000
"""What a point of priority is worth: so much longer a job seems to have waited. So none is overtaken for ever."""


def locked_job(connection: Connection, job_id: str) -> Job | None:
    """Look a job up, and keep others from changing it until the transaction ends."""
    return locked(connection, select(jobs).where(jobs.c.id == job_id)).one_or_none()


def log_event(connection: Connection, job_id: str, kind: str, data: Mapping[str, Any]) -> None:
    """Append to what happened to a job, in the transaction in which it happens; webhooks are told of its states."""
    values: dict[str, Any] = {"job_id": job_id, "type": kind, "data": dict(data), "created_at": now_ms()}
    if account_of(connection) is None:
        values[ACCOUNT] = select(jobs.c.account).where(jobs.c.id == job_id).scalar_subquery()
    connection.execute(insert(events).values(values))
    if kind == "state":
        happenings.of_jobs(connection, [job_id], data)


def log_events(connection: Connection, job_ids: Sequence[str], kind: str, data: Mapping[str, Any]) -> None:
    """Append the same to what happened to each of many jobs."""
    now = connection.scalar(select(now_ms()))
    rows = [{"job_id": job_id, "type": kind, "data": dict(data), "created_at": now} for job_id in job_ids]
    if rows:
        connection.execute(insert(events), rows)
    if rows and kind == "state":
        happenings.of_jobs(connection, job_ids, data)


def enqueue(
    connection: Connection,
    specs: Sequence[TrainingSpec],
    *,
    sweep_id: str | None = None,
    trials: Sequence[int | None] = (),
    origin: Mapping[str, Any] | None = None,
    ids: Sequence[str] = (),
    asked: Sequence[Mapping[str, Any] | None] = (),
) -> list[str]:
    """Insert a queued job for each spec, those of a sweep with the number of their trial; gives their ids in order.

    `asked` is what the client sent of each, if a client did. Versions of data sets that they need are not deleted while
    they wait and run; raises NoSuchData where one is not there.
    """
    require_jobs(connection, len(specs))
    needed = {spec.dataset: reference(spec.dataset) for spec in specs}
    for name, version in sorted(needed.values(), key=lambda its: (its[0], its[1] or 0)):  # all lock in one order
        if version is not None and ":" not in name:  # what is shared is kept by nobody but its owner
            hold(connection, name, version)
    now = connection.scalar(select(now_ms()))
    new = list(ids) or [str(uuid.uuid4()) for _ in specs]
    none = [None] * len(specs)
    rows = [
        {
            "id": job_id,
            "state": "queued",
            "spec": spec.model_dump(mode="json", exclude={"name", "labels"}),
            "name": spec.name,
            "labels": spec.labels if sweep_id is None else {},
            "asked": None if sent is None else dict(sent),
            "dataset": needed[spec.dataset][0],
            "dataset_version": needed[spec.dataset][1],
            "shape": shape_of(spec, account_of(connection)),
            "spec_sha256": spec.digest,
            "origin": None if origin is None else dict(origin),
            "sweep_id": sweep_id,
            "trial": trial,
            "created_at": now,
            "turn": (now or 0) - spec.priority * POINT_MS,
            "rung_at": now,
            "attempt": 0,
            "fruitless_attempts": 0,
            "cancel_requested": False,
            "last_epoch": 0,
        }
        for job_id, spec, trial, sent in zip(new, specs, trials or none, asked or none, strict=True)
    ]
    if rows:
        numbers = connection.scalars(insert(jobs).returning(jobs.c.number, sort_by_parameter_order=True), rows).all()
        file_jobs(connection, numbers, [row | {"labels": spec.labels} for row, spec in zip(rows, specs, strict=True)])
        log_events(connection, new, "state", {"state": "queued"})
    return new


def shape_of(spec: TrainingSpec, account: str | None) -> str:
    """Tell the shape of an account's jobs of a resolved spec; of what was uploaded, another's may be called so too."""
    is_own = reference(spec.dataset)[1] is not None and account not in {None, DEFAULT}
    return f"{account}:{spec.shape}" if is_own else spec.shape


def reference(dataset: str) -> tuple[str, int | None]:
    """Give name and version of a data set that a resolved spec names; of what is built in there is no version."""
    name, _, number = dataset.partition("/")
    return name, int(number) if number else None


def cancel_unbegun(connection: Connection, sweep_id: str) -> None:
    """Cancel the jobs of a sweep that wait and of which nothing is on record. Whoever calls this has locked them."""
    cancelled = connection.scalars(
        update(jobs)
        .where(jobs.c.sweep_id == sweep_id, jobs.c.state.in_(("queued", "paused")), jobs.c.last_epoch == 0)
        .values(
            state="cancelled",
            finished_at=now_ms(),
            cancellation={"how": "waiting", "stopped_at_iteration": 0, "latency_ms": 0},
        )
        .returning(jobs.c.id)
    )
    log_events(connection, cancelled.all(), "state", {"state": "cancelled"})


def finish(
    connection: Connection,
    job_id: str,
    state: State,
    *,
    stopped_early: StoppedEarly | None = None,
    error: Mapping[str, str] | None = None,
    how: How = "stopped",
    told: Mapping[str, Any] = MappingProxyType({"made_with": None, "test_accuracy": None}),
    become: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
) -> None:
    """Move a job to a final state. Whoever calls this has locked the job's row.

    `told` is what only its worker knows of the result, `become` makes a version of it, and gives what to tell of that:
    whoever sees that the job has succeeded sees this too.

    A job that is cancelled gets a receipt: how, after which batch, and how long after that was asked for.

    A job that succeeded with fewer epochs than were asked for has lost its patience, unless the caller knows better.
    """
    result, weights_sha256 = _result(connection, job_id)
    if result is not None:
        asked = connection.scalar(select(jobs.c.spec["epochs"].as_integer()).where(jobs.c.id == job_id))
        is_whole = result.pop("complete") and result["epochs"] >= asked
        ended_early = state == "succeeded" and not is_whole
        result |= told
        result["stopped_early"] = (stopped_early or "patience") if ended_early else None
    version = None
    if become is not None:
        assert result is not None, "a job that succeeded has at least one epoch on record"
        version = become(result)
    receipt = _receipt(connection, job_id, how, result) if state == "cancelled" else None
    connection.execute(
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.state.not_in(FINAL_STATES))
        .values(
            state=state,
            finished_at=now_ms(),
            owner=None,
            lease_expires_at=None,
            pause_requested=False,
            waits_at_rung=False,
            result=result,
            weights_sha256=weights_sha256,
            version=version,
            error=error,
            cancellation=receipt,
        )
    )
    ended = {"result": result, "version": version, "error": error, "cancellation": receipt}
    log_event(connection, job_id, "state", {"state": state} | {key: it for key, it in ended.items() if it is not None})


def _result(connection: Connection, job_id: str) -> tuple[dict[str, Any] | None, str | None]:
    """Sum up what is recorded of a job, and give the hash of its last weights; nothing, if no epoch has ended."""
    history = history_of(job_id)
    # Without the losses, which may be millions.
    told = [column for column in history.c if column.name != "losses"]
    done = connection.execute(select(*told).order_by(history.c.epoch)).all()
    query = select(artifacts).where(artifacts.c.owner == owners.of_job(job_id))
    weights = {row.name: row for row in connection.execute(query) if row.name.endswith(".safetensors")}
    if not done or not weights:
        return None, None
    # A damaged best checkpoint may have been forgotten; that of another machine's next epoch need not be better.
    last = weights["last.safetensors"]
    best = weights.get("best.safetensors", last)
    its = next(row for row in done if row.epoch == best.epoch)
    metric = connection.scalar(select(jobs.c.spec["metric"].as_string()).where(jobs.c.id == job_id))
    return {
        "loss": done[-1].loss,
        "train_accuracy": done[-1].train_accuracy,
        "val_accuracy": done[-1].val_accuracy,
        "best_epoch": best.epoch,
        "best_val_accuracy": its.val_accuracy,
        "metric": metric or "accuracy",
        "best_metric": its.val_accuracy if its.val_metric is None else its.val_metric,
        "best_weights_sha256": best.sha256,
        "epochs": len(done),
        "complete": done[-1].complete,
        "iterations": done[-1].iterations,
        "seconds": sum(row.seconds for row in done),
    }, last.sha256


def _receipt(connection: Connection, job_id: str, how: How, result: Mapping[str, Any] | None) -> dict[str, Any]:
    asked = select(now_ms() - jobs.c.stop_requested_at).where(jobs.c.id == job_id)
    return {
        "how": how,
        "stopped_at_iteration": result["iterations"] if result else 0,
        "latency_ms": connection.scalar(asked) or 0 if how != "waiting" else 0,
    }


def move(connection: Connection, job_id: str, state: Literal["queued", "paused"], **values: Any) -> None:
    """Let a job wait, for a worker or for whoever paused it. Whoever calls this has locked the job's row."""
    connection.execute(
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.state.not_in(FINAL_STATES))
        .values(state=state, owner=None, lease_expires_at=None, pause_requested=False, rung_at=now_ms(), **values)
    )
    attempt = connection.scalar(select(jobs.c.attempt).where(jobs.c.id == job_id))
    told = {"waits_at_rung": True} if values.get("waits_at_rung") else {}
    log_event(connection, job_id, "state", {"state": state, "attempt": attempt, **told})


def put_back(connection: Connection, job: Job, **values: Any) -> State:
    """Let a job that nobody trains wait, unless it was to be cancelled anyway; gives its state."""
    if job.cancel_requested:
        finish(connection, job.id, "cancelled")
        return "cancelled"
    state: Literal["queued", "paused"] = "paused" if job.pause_requested else "queued"
    move(connection, job.id, state, **values)
    return state
