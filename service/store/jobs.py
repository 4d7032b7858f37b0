"""Jobs as clients see them: submitted, listed, cancelled, deleted.

The legal moves of a job's state; nothing leaves a state on the right:

    queued  -> running, paused, cancelled
    running -> queued (its worker left it, or fell silent), paused, succeeded, failed, cancelled
    paused  -> queued, cancelled
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from models.spec import TrainingSpec
from service.store.engine import Database, Record, insert_or, now_ms
from service.store.tables import artifacts, epochs, events, jobs, models, submissions

State = Literal["queued", "running", "paused", "succeeded", "failed", "cancelled"]
STATES: tuple[State, ...] = get_args(State)
FINAL_STATES: tuple[State, ...] = ("succeeded", "failed", "cancelled")
StoppedEarly = Literal["patience", "halving", "max_seconds"]
How = Literal["waiting", "stopped", "killed", "worker_lost"]
"""How a job was cancelled: before or between its attempts, by its training process, or with it."""

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


class KeyReused(Exception):  # noqa: N818 - a conflict is no error of the program
    """Something else was submitted before under this key."""


@dataclass(frozen=True)
class Once:
    """What makes a submission repeatable: a key of the client's, what it is a key to, and how it is answered."""

    key: str
    body_sha256: str
    answer: Callable[[Job], dict[str, Any]]


INITIAL_WEIGHTS = "initial.safetensors"
_KEPT_OF_AN_EPOCH = (
    "last.safetensors",
    "last.json",
    "last.state.safetensors",
    "best.safetensors",
    "best.json",
    "evaluation.json",
)
_REMEMBERED_MS = 48 * 3600 * 1000


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

    def submit(self, specs: Sequence[TrainingSpec], *, origin: Mapping[str, Any] | None = None) -> list[str]:
        """Insert a queued job for each spec, all or none; gives their ids in the same order."""
        with self.database.writer.begin() as connection:
            return enqueue(connection, specs, origin=origin)

    def submit_once(self, spec: TrainingSpec, once: Once) -> tuple[dict[str, Any], str | None]:
        """Insert a queued job, unless that was done before under the same key.

        Gives the answer to the first of these submissions, and the id of the job if this is the first. Raises
        KeyReused when the first one asked for something else.
        """
        with self.database.writer.begin() as connection:
            connection.execute(delete(submissions).where(submissions.c.created_at < now_ms() - _REMEMBERED_MS))
            claim = insert_or(connection, submissions).values(
                key=once.key, body_sha256=once.body_sha256, answer={}, created_at=now_ms()
            )
            # Another submission under this key, not yet committed, is waited for here.
            if connection.scalar(claim.on_conflict_do_nothing().returning(submissions.c.key)) is None:
                first = connection.execute(select(submissions).where(submissions.c.key == once.key)).one()
                if first.body_sha256 != once.body_sha256:
                    raise KeyReused
                return first.answer, None
            (job_id,) = enqueue(connection, [spec])
            answer = once.answer(connection.execute(select(jobs).where(jobs.c.id == job_id)).one())
            connection.execute(update(submissions).where(submissions.c.key == once.key).values(answer=answer))
            return answer, job_id

    def put(self, job_id: str, spec: TrainingSpec) -> tuple[Job, bool]:
        """Insert a queued job under an id that the client chose, unless it is there; gives it, and if it is new.

        The caller sees from the job's spec whether it is what was asked for.
        """
        with suppress(IntegrityError), self.database.writer.begin() as connection:
            job = connection.execute(select(jobs).where(jobs.c.id == job_id)).one_or_none()
            if job is None:
                enqueue(connection, [spec], ids=[job_id])
            return connection.execute(select(jobs).where(jobs.c.id == job_id)).one(), job is None
        # Somebody else chose it at the same moment.
        with self.database.reader.connect() as connection:
            return connection.execute(select(jobs).where(jobs.c.id == job_id)).one(), False

    def go_on(self, job_id: str, spec: TrainingSpec, origin: Mapping[str, Any]) -> str | None:
        """Insert a queued job that has the epochs, and the checkpoints, of one that does not run, and goes on there.

        Gives its id, or None when there is no such job; raises StateConflict when that is not at rest.
        """
        with self.database.writer.begin() as connection:
            job = _locked(connection, job_id)
            if job is None:
                return None
            if job.state in {"queued", "running"}:
                raise StateConflict(job.state)
            (its_id,) = enqueue(connection, [spec], origin=origin)
            done = connection.execute(select(epochs).where(epochs.c.job_id == job_id)).mappings().all()
            connection.execute(insert(epochs), [{**row, "job_id": its_id, "attempt": 0} for row in done])
            _share(connection, job_id, its_id, {name: name for name in _KEPT_OF_AN_EPOCH})
            changed = {"last_epoch": job.last_epoch, "bit_identical": job.bit_identical}
            connection.execute(update(jobs).where(jobs.c.id == its_id).values(changed))
            return its_id

    def fine_tune(
        self, job_id: str, spec: TrainingSpec, origin: Mapping[str, Any], checkpoint: Literal["last", "best"]
    ) -> str | None:
        """Insert a queued job that begins with the weights of another; gives its id, or None without such weights."""
        with self.database.writer.begin() as connection:
            if _locked(connection, job_id) is None:
                return None
            (its_id,) = enqueue(connection, [spec], origin=origin)
            if not _share(connection, job_id, its_id, {f"{checkpoint}.safetensors": INITIAL_WEIGHTS}, epoch=0):
                connection.rollback()
                return None
            return its_id

    def equal_to(self, spec: TrainingSpec, *, limit: int = 20) -> Sequence[Job]:
        """List jobs that succeeded in training an equal spec, the newest first."""
        query = (
            select(jobs)
            .where(jobs.c.spec_sha256 == spec.digest, jobs.c.state == "succeeded", jobs.c.bit_identical)
            .order_by(jobs.c.number.desc())
            .limit(limit)
        )
        with self.database.reader.connect() as connection:
            return connection.execute(query).all()

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
            if job.state in {"queued", "paused"}:
                finish(connection, job_id, "cancelled", how="waiting")
            elif job.state == "running" and not job.cancel_requested:
                _ask_to_stop(connection, job_id, "cancel_requested")
            return connection.execute(select(jobs).where(jobs.c.id == job_id)).one()

    def pause(self, job_id: str) -> Job | None:
        """Hold a queued job back, or ask the worker of a running one to leave it for now.

        Gives the job as it is then; raises StateConflict when it has ended, or is about to be cancelled.
        """
        with self.database.writer.begin() as connection:
            job = _locked(connection, job_id)
            if job is None:
                return None
            if job.state in FINAL_STATES or job.cancel_requested:
                raise StateConflict("cancelled" if job.cancel_requested else job.state)
            if job.state == "queued":
                move(connection, job_id, "paused")
            elif job.state == "running" and not job.pause_requested:
                _ask_to_stop(connection, job_id, "pause_requested")
            return connection.execute(select(jobs).where(jobs.c.id == job_id)).one()

    def resume(self, job_id: str) -> Job | None:
        """Let a paused job wait for a worker again, or take back that a running one shall be paused.

        Gives the job as it is then; raises StateConflict when it has ended.
        """
        with self.database.writer.begin() as connection:
            job = _locked(connection, job_id)
            if job is None:
                return None
            if job.state in FINAL_STATES:
                raise StateConflict(job.state)
            if job.state == "paused":
                move(connection, job_id, "queued")
            elif job.pause_requested:
                connection.execute(update(jobs).where(jobs.c.id == job_id).values(pause_requested=False))
            return connection.execute(select(jobs).where(jobs.c.id == job_id)).one()

    def delete(self, job_id: str) -> set[str] | None:
        """Delete a job and all that is recorded of it; gives the keys of its files that others point to as well.

        Gives None when there is no such job. Raises PartOfSweep for a job of a sweep, which is deleted with its sweep,
        and StateConflict while it runs.
        """
        with self.database.writer.begin() as connection:
            job = _locked(connection, job_id)
            if job is None:
                return None
            if job.sweep_id is not None:
                raise PartOfSweep(job.sweep_id)
            if job.state == "running":
                raise StateConflict(job.state)
            connection.execute(delete(artifacts).where(artifacts.c.owner == owner_of(job_id)))
            connection.execute(delete(jobs).where(jobs.c.id == job_id))
            return shared_files(connection, [job_id])

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
    origin: Mapping[str, Any] | None = None,
    ids: Sequence[str] = (),
) -> list[str]:
    """Insert a queued job for each spec, those of a sweep with the number of their trial; gives their ids in order."""
    now = connection.scalar(select(now_ms()))
    new = list(ids) or [str(uuid.uuid4()) for _ in specs]
    rows = [
        {
            "id": job_id,
            "state": "queued",
            "spec": spec.model_dump(mode="json"),
            "name": spec.name,
            "labels": spec.labels,
            "dataset": spec.dataset,
            "shape": spec.shape,
            "spec_sha256": spec.digest,
            "origin": None if origin is None else dict(origin),
            "sweep_id": sweep_id,
            "trial": trial,
            "created_at": now,
            "rung_at": now,
            "attempt": 0,
            "fruitless_attempts": 0,
            "cancel_requested": False,
            "last_epoch": 0,
        }
        for job_id, spec, trial in zip(new, specs, trials or [None] * len(specs), strict=True)
    ]
    if rows:
        connection.execute(insert(jobs), rows)
        log_events(connection, new, "state", {"state": "queued"})
    return new


def cancel_unbegun(connection: Connection, sweep_id: str) -> None:
    """Cancel the jobs of a sweep that wait and of which nothing is on record. Whoever calls this holds their rows."""
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
) -> dict[str, Any] | None:
    """Move a job to a final state; gives its result. Whoever calls this holds the job's row.

    A job that is cancelled gets a receipt: how, after which batch, and how long after that was asked for.

    A job that succeeded with fewer epochs than were asked for has lost its patience, unless the caller knows better.
    """
    result, weights_sha256 = _result(connection, job_id)
    if result is not None:
        asked = connection.scalar(select(jobs.c.spec["epochs"].as_integer()).where(jobs.c.id == job_id))
        ended_early = state == "succeeded" and result["epochs"] < asked
        result["stopped_early"] = (stopped_early or "patience") if ended_early else None
    receipt = _receipt(connection, job_id, how, result) if state == "cancelled" else None
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
            cancellation=receipt,
        )
    )
    told = {"result": result, "error": error, "cancellation": receipt}
    told = {key: value for key, value in told.items() if value is not None}
    log_event(connection, job_id, "state", {"state": state, **told})
    return result


def _result(connection: Connection, job_id: str) -> tuple[dict[str, Any] | None, str | None]:
    """Sum up what is recorded of a job, and give the hash of its last weights; nothing, if no epoch has ended."""
    done = connection.execute(select(epochs).where(epochs.c.job_id == job_id).order_by(epochs.c.epoch)).all()
    query = select(artifacts).where(artifacts.c.owner == owner_of(job_id))
    weights = {row.name: row for row in connection.execute(query) if row.name.endswith(".safetensors")}
    if not done or not weights:
        return None, None
    # A damaged best checkpoint may have been forgotten; that of another machine's next epoch need not be better.
    last = weights["last.safetensors"]
    best = weights.get("best.safetensors", last)
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


def _receipt(connection: Connection, job_id: str, how: How, result: Mapping[str, Any] | None) -> dict[str, Any]:
    asked = select(now_ms() - jobs.c.stop_requested_at).where(jobs.c.id == job_id)
    return {
        "how": how,
        "stopped_at_iteration": result["iterations"] if result else 0,
        "latency_ms": connection.scalar(asked) or 0 if how != "waiting" else 0,
    }


def move(connection: Connection, job_id: str, state: Literal["queued", "paused"], **values: Any) -> None:
    """Let a job wait, for a worker or for whoever paused it. Whoever calls this holds the job's row."""
    connection.execute(
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.state.not_in(FINAL_STATES))
        .values(state=state, owner=None, lease_expires_at=None, pause_requested=False, rung_at=now_ms(), **values)
    )
    attempt = connection.scalar(select(jobs.c.attempt).where(jobs.c.id == job_id))
    log_event(connection, job_id, "state", {"state": state, "attempt": attempt})


def _ask_to_stop(connection: Connection, job_id: str, request: Literal["cancel_requested", "pause_requested"]) -> None:
    asked = {request: True, "stop_requested_at": now_ms()}
    connection.execute(update(jobs).where(jobs.c.id == job_id).values(asked))
    log_event(connection, job_id, request, {})


def _share(
    connection: Connection, job_id: str, with_job: str, names: Mapping[str, str], *, epoch: int | None = None
) -> int:
    """Let a job point to files of another, each by a name of its own; gives how many there are."""
    query = select(artifacts).where(artifacts.c.owner == owner_of(job_id), artifacts.c.name.in_(names))
    rows = [
        {
            **row,
            "owner": owner_of(with_job),
            "name": names[row["name"]],
            "epoch": row["epoch"] if epoch is None else epoch,
        }
        for row in connection.execute(query).mappings().all()
    ]
    if rows:
        connection.execute(insert(artifacts), rows)
    return len(rows)


def shared_files(connection: Connection, job_ids: Sequence[str]) -> set[str]:
    """Give the keys of files that lie with these jobs, and to which somebody points."""
    found: set[str] = set()
    for job_id in job_ids:
        found |= set(
            connection.scalars(select(artifacts.c.key).where(artifacts.c.key.startswith(owner_of(job_id) + "/")))
        )
    return found


def _locked(connection: Connection, job_id: str) -> Job | None:
    return connection.execute(select(jobs).where(jobs.c.id == job_id).with_for_update()).one_or_none()
