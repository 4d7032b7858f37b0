"""Jobs as clients see them: submitted, listed, cancelled, deleted.

The legal moves of a job's state; nothing leaves a state on the right:

    queued  -> running, cancelled
    running -> queued (its lease expired), succeeded, failed, cancelled
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sqlalchemy import Connection, delete, insert, select, update

from models.spec import TrainingSpec
from service.store.engine import Database, Record, now_ms
from service.store.tables import artifacts, epochs, events, jobs, models

State = Literal["queued", "running", "succeeded", "failed", "cancelled"]
STATES: tuple[State, ...] = get_args(State)
FINAL_STATES: tuple[State, ...] = ("succeeded", "failed", "cancelled")
StoppedEarly = Literal["patience", "halving"]

Job = Record
"""A row of the table `jobs`."""


class PartOfSweep(Exception):  # noqa: N818 - a conflict is no error of the program
    """The job belongs to a sweep, whose figures are those of all its jobs."""

    def __init__(self, sweep_id: str) -> None:
        super().__init__(sweep_id)
        self.sweep_id = sweep_id


class StateConflict(Exception):  # noqa: N818 - a conflict with a state is no error of the program
    """The job's state does not allow what was asked for."""

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self.state = state


def owner_of(job_id: str) -> str:
    """Give the name under which a job's artifacts are filed."""
    return f"jobs/{job_id}"


def log_event(connection: Connection, job_id: str, kind: str, data: Mapping[str, Any]) -> None:
    """Append to what happened to a job, in the transaction in which it happens."""
    connection.execute(insert(events).values(job_id=job_id, type=kind, data=dict(data), created_at=now_ms()))


def log_events(connection: Connection, job_ids: Sequence[str], kind: str, data: Mapping[str, Any]) -> None:
    """Append the same to what happened to each of many jobs."""
    now = connection.scalar(select(now_ms()))
    rows = [{"job_id": job_id, "type": kind, "data": dict(data), "created_at": now} for job_id in job_ids]
    if rows:
        connection.execute(insert(events), rows)


@dataclass(frozen=True)
class Jobs:
    """The jobs of a database."""

    database: Database

    def submit(self, specs: Sequence[TrainingSpec]) -> list[str]:
        """Insert a queued job for each spec, all or none; gives their ids in the same order."""
        with self.database.writer.begin() as connection:
            return enqueue(connection, specs)

    def get(self, job_id: str) -> Job | None:
        """Look a job up."""
        with self.database.reader.connect() as connection:
            return connection.execute(select(jobs).where(jobs.c.id == job_id)).one_or_none()

    def find(
        self,
        *,
        state: State | None = None,
        name: str | None = None,
        sweep_id: str | None = None,
        labels: Sequence[tuple[str, str]] = (),
        before: int | None = None,
        limit: int,
    ) -> Sequence[Job]:
        """List jobs, the newest first; only those whose number is below `before`, if given."""
        query = select(jobs).order_by(jobs.c.number.desc()).limit(limit)
        if state is not None:
            query = query.where(jobs.c.state == state)
        if name is not None:
            query = query.where(jobs.c.name == name)
        if sweep_id is not None:
            query = query.where(jobs.c.sweep_id == sweep_id)
        for key, value in labels:
            query = query.where(jobs.c.labels[key].as_string() == value)
        if before is not None:
            query = query.where(jobs.c.number < before)
        with self.database.reader.connect() as connection:
            return connection.execute(query).all()

    def cancel(self, job_id: str) -> Job | None:
        """Cancel a queued job, or ask the worker of a running one to stop.

        Gives the job as it is then; raises StateConflict when it has already succeeded or failed.
        """
        with self.database.writer.begin() as connection:
            job = _locked(connection, job_id)
            if job is None:
                return None
            if job.state in {"succeeded", "failed"}:
                raise StateConflict(job.state)
            if job.state == "queued":
                finish(connection, job_id, "cancelled")
            elif job.state == "running" and not job.cancel_requested:
                connection.execute(update(jobs).where(jobs.c.id == job_id).values(cancel_requested=True))
                log_event(connection, job_id, "cancel_requested", {})
            return connection.execute(select(jobs).where(jobs.c.id == job_id)).one()

    def delete(self, job_id: str) -> bool:
        """Delete a job and all that is recorded of it.

        Raises PartOfSweep for a job of a sweep, which is deleted with its sweep, and StateConflict while it runs.
        """
        with self.database.writer.begin() as connection:
            job = _locked(connection, job_id)
            if job is None:
                return False
            if job.sweep_id is not None:
                raise PartOfSweep(job.sweep_id)
            if job.state == "running":
                raise StateConflict(job.state)
            connection.execute(delete(artifacts).where(artifacts.c.owner == owner_of(job_id)))
            connection.execute(delete(jobs).where(jobs.c.id == job_id))
            return True

    def epochs(self, job_id: str) -> Sequence[Record]:
        """List what each epoch brought, in order."""
        with self.database.reader.connect() as connection:
            return connection.execute(select(epochs).where(epochs.c.job_id == job_id).order_by(epochs.c.epoch)).all()

    def events(self, job_id: str, *, after: int = 0, limit: int = 1000) -> Sequence[Record]:
        """List what happened to a job, in order; only events whose number is above `after`."""
        query = (
            select(events)
            .where(events.c.job_id == job_id, events.c.number > after)
            .order_by(events.c.number)
            .limit(limit)
        )
        with self.database.reader.connect() as connection:
            return connection.execute(query).all()

    def newest_model(self) -> str | None:
        """Give the id of the job that succeeded last."""
        with self.database.reader.connect() as connection:
            return connection.scalar(select(models.c.job_id).order_by(models.c.number.desc()).limit(1))


def enqueue(
    connection: Connection,
    specs: Sequence[TrainingSpec],
    *,
    sweep_id: str | None = None,
    trials: Sequence[int | None] = (),
) -> list[str]:
    """Insert a queued job for each spec, those of a sweep with the number of their trial; gives their ids in order."""
    now = connection.scalar(select(now_ms()))
    rows = [
        {
            "id": str(uuid.uuid4()),
            "state": "queued",
            "spec": spec.model_dump(mode="json"),
            "name": spec.name,
            "labels": spec.labels,
            "dataset": spec.dataset,
            "shape": spec.shape,
            "sweep_id": sweep_id,
            "trial": trial,
            "created_at": now,
            "rung_at": now,
            "attempt": 0,
            "fruitless_attempts": 0,
            "cancel_requested": False,
            "last_epoch": 0,
        }
        for spec, trial in zip(specs, trials or [None] * len(specs), strict=True)
    ]
    ids = [str(row["id"]) for row in rows]
    if rows:
        connection.execute(insert(jobs), rows)
        log_events(connection, ids, "state", {"state": "queued"})
    return ids


def cancel_unbegun(connection: Connection, sweep_id: str) -> None:
    """Cancel the queued jobs of a sweep of which nothing is on record. Whoever calls this holds their rows."""
    cancelled = connection.scalars(
        update(jobs)
        .where(jobs.c.sweep_id == sweep_id, jobs.c.state == "queued", jobs.c.last_epoch == 0)
        .values(state="cancelled", finished_at=now_ms())
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
) -> dict[str, Any] | None:
    """Move a job to a final state; gives its result. Whoever calls this holds the job's row.

    A job that succeeded with fewer epochs than were asked for has lost its patience, unless the caller knows better.
    """
    result, weights_sha256 = _result(connection, job_id)
    if result is not None:
        asked = connection.scalar(select(jobs.c.spec["epochs"].as_integer()).where(jobs.c.id == job_id))
        ended_early = state == "succeeded" and result["epochs"] < asked
        result["stopped_early"] = (stopped_early or "patience") if ended_early else None
    connection.execute(
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.state.not_in(FINAL_STATES))
        .values(
            state=state,
            finished_at=now_ms(),
            owner=None,
            lease_expires_at=None,
            result=result,
            weights_sha256=weights_sha256,
            error=error,
        )
    )
    told = {key: value for key, value in {"result": result, "error": error}.items() if value is not None}
    log_event(connection, job_id, "state", {"state": state, **told})
    return result


def _result(connection: Connection, job_id: str) -> tuple[dict[str, Any] | None, str | None]:
    """Sum up what is recorded of a job, and give the hash of its last weights; nothing, if no epoch has ended."""
    done = connection.execute(select(epochs).where(epochs.c.job_id == job_id).order_by(epochs.c.epoch)).all()
    query = select(artifacts).where(artifacts.c.owner == owner_of(job_id))
    weights = {row.name: row for row in connection.execute(query) if row.name.endswith(".safetensors")}
    if not done or not weights:
        return None, None
    last, best = weights["last.safetensors"], weights["best.safetensors"]
    return {
        "loss": done[-1].loss,
        "train_accuracy": done[-1].train_accuracy,
        "val_accuracy": done[-1].val_accuracy,
        "best_epoch": best.epoch,
        "best_val_accuracy": next(row.val_accuracy for row in done if row.epoch == best.epoch),
        "best_weights_sha256": best.sha256,
        "epochs": len(done),
        "iterations": done[-1].iterations,
        "seconds": sum(row.seconds for row in done),
    }, last.sha256


def _locked(connection: Connection, job_id: str) -> Job | None:
    return connection.execute(select(jobs).where(jobs.c.id == job_id).with_for_update()).one_or_none()
