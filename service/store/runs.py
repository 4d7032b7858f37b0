"""Jobs as workers see them: claimed, recorded, finished.

A claim names an attempt. Every write of a run locks the job's row and checks that the attempt is still the
current one: a worker that was only slow, and has been replaced, learns it here and writes no more.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, delete, exists, insert, select, update
from sqlalchemy.sql import Update

from service.store import owners
from service.store.claims import Claim, claims_of, held_by, worker_of
from service.store.engine import Database, locked, now_ms
from service.store.errors import LeaseLost
from service.store.files import File, publish, rename, withdraw, withdraw_names
from service.store.inheritance import hand_on, locked_family
from service.store.queue import claiming
from service.store.queue.charging import end_attempt
from service.store.stalled import put_back_or_fail
from service.store.states import (
    JOB,
    Job,
    State,
    StoppedEarly,
    finish,
    log_event,
    put_back,
)
from service.store.tables import artifacts, epochs, jobs, workers
from service.store.versions import NO_FINDINGS, Findings, make

StopRequest = Literal["cancel", "finish", "pause", "drain"]
"""What a training process is asked to do with a job: to end it, or to give it back, for later or for another worker."""

CHECKPOINT = ("safetensors", "json", "state.safetensors")
"""How the names of a checkpoint's files end."""


_NO_INHERITANCE = {"inherits_from": None, "inherited_epochs": None}
_ASKED = (jobs.c.id, jobs.c.cancel_requested, jobs.c.finish_requested, jobs.c.pause_requested)


@dataclass(frozen=True)
class EpochRecord:
    """What the store keeps of an epoch; `losses` are float32, little-endian, one a batch.

    `val_metric` is what it reached by the job's metric; None where that is its accuracy.
    """

    epoch: int
    iterations: int
    losses: bytes
    loss: float
    train_accuracy: float
    val_accuracy: float
    seconds: float
    complete: bool
    val_metric: float | None = None


@dataclass(frozen=True)
class Runs:
    """The runs of a database's jobs."""

    database: Database
    lease_seconds: float

    def claim(self, job_id: str | None, owner: str, *, most: int = 1) -> list[Claim]:
        """Take a queued job, the one called `job_id` or else the next in turn, and others of its shape.

        Gives at most `most` jobs, and of those that could be trained together only this process's share, so that every
        training process finds some; those that have brought down a worker are taken with their like, and in smaller
        groups. Gives nothing when there is nothing to take: the bell may have rung late, twice, or for a job long done.
        `owner` is the name of the worker, a slash, and the number of its training process; one that drains
        takes nothing.
        """
        with self.database.writer.begin() as connection:
            if connection.scalar(select(_is_draining(worker_of(owner)))):
                return []
            taken = claiming.claim(connection, job_id, owner, most=most, lease_ms=self._lease_ms)
            return claims_of(connection, taken, owner)

    @property
    def _lease_ms(self) -> int:
        return int(self.lease_seconds * 1000)

    def renew(self, claims: Sequence[Claim]) -> dict[str, StopRequest | None]:
        """Renew the leases of one training process; gives for each job still held how it is to stop, if at all."""
        with self.database.writer.begin() as connection:
            # In the order in which a sweep's cancelling locks them, or the two would wait for each other.
            locked(connection, select(jobs.c.id).where(held_by(claims)).order_by(jobs.c.number))
            held = connection.execute(
                update(jobs).where(held_by(claims)).values(lease_expires_at=self._lease_end()).returning(*_ASKED)
            ).all()
            return _stop_requests(
                held, draining=bool(connection.scalar(select(_is_draining(worker_of(claims[0].owner)))))
            )

    def look(self, claims: Sequence[Claim]) -> dict[str, StopRequest | None]:
        """Give what `renew` gives; writes nothing."""
        draining = _is_draining(worker_of(claims[0].owner)).label("draining")
        query = select(*_ASKED, draining).where(held_by(claims))
        with self.database.reader.connect() as connection:
            held = connection.execute(query).all()
        return _stop_requests(held, draining=any(job.draining for job in held))

    def rewind(
        self, claim: Claim, epoch: int, *, bit_identical: bool = True, parameters: int | None = None
    ) -> list[str]:
        """Forget the epochs after `epoch`, because the run goes on from there.

        `bit_identical` says whether it will go on with the bits of a run that nobody disturbed; once it does not, that
        stays on record; `parameters` is how many numbers the network learns. A previous checkpoint that is gone
        on from is the last one then. Gives the keys of files that nothing points to any more. Raises LeaseLost.
        """
        with self._of(claim) as connection:
            locked_family(connection, jobs.c.id == claim.job_id)
            job = _locked_by(connection, claim)
            hand_on(connection, job, after=epoch)
            connection.execute(delete(epochs).where(epochs.c.job_id == claim.job_id, epochs.c.epoch > epoch))
            connection.execute(_this(claim).values(last_epoch=epoch, parameters=parameters or job.parameters))
            if epoch < (job.inherited_epochs or 0):
                shared = {"inherits_from": job.inherits_from, "inherited_epochs": epoch} if epoch else _NO_INHERITANCE
                connection.execute(_this(claim).values(shared))
            if not bit_identical:
                connection.execute(_this(claim).values(bit_identical=False))
            owner = owners.of_job(claim.job_id)
            gone = withdraw(connection, owner, newer_than=epoch)
            rename(connection, owner, {f"previous.{ending}": f"last.{ending}" for ending in CHECKPOINT})
            return gone

    def record_epoch(self, claim: Claim, record: EpochRecord, files: Sequence[File]) -> list[str]:
        """Record an epoch and point to the files written after it, and renew the lease, in one transaction.

        What was the last checkpoint is then the previous one, to fall back on should the last be damaged.
        Gives the keys of files that nothing points to any more. Raises LeaseLost.
        """
        with self._of(claim) as connection:
            _locked_by(connection, claim)
            connection.execute(
                insert(epochs).values(job_id=claim.job_id, attempt=claim.attempt, recorded_at=now_ms(), **vars(record))
            )
            owner = owners.of_job(claim.job_id)
            superseded = publish(connection, owner, [*_previous(connection, owner), *files])
            connection.execute(
                _this(claim).values(
                    last_epoch=record.epoch,
                    epoch_seconds=record.seconds,
                    fruitless_attempts=0,
                    lease_expires_at=self._lease_end(),
                )
            )
            told = {key: value for key, value in vars(record).items() if key != "losses"}
            log_event(connection, claim.job_id, "epoch", told)
            return superseded

    def finish(
        self,
        claim: Claim,
        *,
        stopped_early: StoppedEarly | None = None,
        findings: Findings = NO_FINDINGS,
        made_with: Mapping[str, Any] | None = None,
        test_accuracy: float | None = None,
    ) -> tuple[State, list[str]]:
        """End a job whose training has ended; gives "succeeded", or "cancelled" if that was asked for in time.

        `made_with` is what its weights depend on beside its spec, `test_accuracy` that of its best weights on the test
        part, where the data set has one. What a job that succeeded has learned becomes a
        version of its model, with what was found out about it. Gives as well the keys of files that nothing points to
        any more. Raises LeaseLost.
        """
        with self._of(claim) as connection:
            job = _locked_by(connection, claim)
            state: State = "cancelled" if job.cancel_requested else "succeeded"
            told = {"made_with": made_with, "test_accuracy": test_accuracy}
            become = partial(make, connection, job, findings) if state == "succeeded" else None
            finish(connection, claim.job_id, state, stopped_early=stopped_early, told=told, become=become)
            end_attempt(connection, claim.job_id, claim.attempt, state)
            names = [f"previous.{ending}" for ending in CHECKPOINT]
            gone = withdraw_names(connection, owners.of_job(claim.job_id), names)
            return state, gone if state == "succeeded" else gone + [file.key for file in findings.files]

    def release(self, claim: Claim, *, waits_at_rung: bool = False) -> State:
        """Give a job back after its last complete epoch, because its worker drains or it is to be paused.

        Or because it `waits_at_rung`: then no worker takes it until it has been decided on. Gives the state in which it
        is then. Raises LeaseLost.
        """
        with self._of(claim) as connection:
            job = _locked_by(connection, claim)
            end_attempt(connection, claim.job_id, claim.attempt, "left")
            # Who was asked to end meanwhile is taken at once, to do so.
            return put_back(connection, job, waits_at_rung=waits_at_rung and not job.finish_requested)

    def give_back(self, claim: Claim, error: Mapping[str, str]) -> State:
        """Give a job back whose worker could not write; it fails with this error if that goes on in vain.

        Gives the state in which it is then. Raises LeaseLost.
        """
        with self._of(claim) as connection:
            job = _locked_by(connection, claim)
            end_attempt(connection, claim.job_id, claim.attempt, "left")
            return put_back_or_fail(connection, job, error)

    def fail(self, claim: Claim, error: Mapping[str, str]) -> None:
        """End a job that could not be trained. Raises LeaseLost."""
        with self._of(claim) as connection:
            _locked_by(connection, claim)
            finish(connection, claim.job_id, "failed", error=error)
            end_attempt(connection, claim.job_id, claim.attempt, "failed")

    def _of(self, claim: Claim) -> AbstractContextManager[Connection]:
        """Begin a transaction for the account to which the job belongs."""
        return self.database.acting(claim.account).writer.begin()

    def _lease_end(self) -> ColumnElement[int]:
        return now_ms() + self._lease_ms


def _is_draining(worker_id: str) -> ColumnElement[bool]:
    return exists().where(workers.c.id == worker_id, workers.c.draining)


def _stop_requests(held: Sequence[Job], *, draining: bool) -> dict[str, StopRequest | None]:
    last: StopRequest | None = "drain" if draining else None
    return {job.id: _request(job) or last for job in held}


def _request(job: Job) -> StopRequest | None:
    if job.cancel_requested:
        return "cancel"
    if job.finish_requested:
        return "finish"
    return "pause" if job.pause_requested else None


def _previous(connection: Connection, owner: str) -> list[File]:
    """Give the files of the last checkpoint, by the names that they have when another has taken its place."""
    names = {f"last.{ending}": f"previous.{ending}" for ending in CHECKPOINT}
    query = select(artifacts).where(artifacts.c.owner == owner, artifacts.c.name.in_(names))
    return [File(names[row.name], row.key, row.sha256, row.size, row.epoch) for row in connection.execute(query).all()]


def _this(claim: Claim) -> Update:
    return update(jobs).where(jobs.c.id == claim.job_id)


def _locked_by(connection: Connection, claim: Claim) -> Job:
    """Lock the job's row for this transaction, provided that the claim still holds."""
    job = locked(connection, select(*JOB).where(jobs.c.id == claim.job_id, held_by([claim]))).one_or_none()
    if job is None:
        raise LeaseLost(claim.job_id)
    return job
