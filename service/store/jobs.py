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

from service.store.engine import Database, Record, now_ms
from service.store.tables import artifacts, epochs, events, jobs, models

State = Literal["queued", "running", "succeeded", "failed", "cancelled"]
STATES: tuple[State, ...] = get_args(State)
FINAL_STATES: tuple[State, ...] = ("succeeded", "failed", "cancelled")

Job = Record
"""A row of the table `jobs`."""


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


@dataclass(frozen=True)
class Jobs:
    """The jobs of a database."""

    database: Database

    def submit(self, specs: Sequence[Mapping[str, Any]]) -> list[str]:
        """Insert a queued job for each spec, all or none; gives their ids in the same order."""
        ids = [str(uuid.uuid4()) for _ in specs]
        with self.database.writer.begin() as connection:
            for job_id, spec in zip(ids, specs, strict=True):
                connection.execute(
                    insert(jobs).values(
                        id=job_id,
                        state="queued",
                        spec=dict(spec),
                        name=spec["name"],
                        labels=spec["labels"],
                        dataset=spec["dataset"],
                        created_at=now_ms(),
                        rung_at=now_ms(),
                        attempt=0,
                        fruitless_attempts=0,
                        cancel_requested=False,
                        last_epoch=0,
                    )
                )
                log_event(connection, job_id, "state", {"state": "queued"})
        return ids

    def get(self, job_id: str) -> Job | None:
        """Look a job up."""
        with self.database.reader.connect() as connection:
            return connection.execute(select(jobs).where(jobs.c.id == job_id)).one_or_none()

    def find(
        self,
        *,
        state: State | None = None,
        name: str | None = None,
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
        """Delete a job and all that is recorded of it; raises StateConflict while it runs."""
        with self.database.writer.begin() as connection:
            job = _locked(connection, job_id)
            if job is None:
                return False
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


def finish(
    connection: Connection, job_id: str, state: State, *, error: Mapping[str, str] | None = None
) -> dict[str, Any] | None:
    """Move a job to a final state; gives its result. Whoever calls this holds the job's row."""
    result, weights_sha256 = _result(connection, job_id)
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
