"""Jobs as workers see them: claimed, recorded, finished.

A claim names an attempt. Every write of a run locks the job's row and checks that the attempt is still the
current one: a worker that was only slow, and has been replaced, learns it here and writes no more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, select, tuple_, update
from sqlalchemy.sql import Update

from service.store.engine import Database, now_ms
from service.store.files import File, publish, withdraw
from service.store.jobs import Job, State, StoppedEarly, finish, log_event, owner_of
from service.store.tables import attempts, epochs, jobs, models, workers

MAX_FRUITLESS_ATTEMPTS = 5
"""A job that kills its worker again and again, without finishing an epoch, is given up after so many attempts."""


class LeaseLostError(Exception):
    """The job belongs to another attempt by now, or has ended: stop, and write nothing."""


@dataclass(frozen=True)
class Claim:
    """The right of one attempt to train one job, as long as its lease is renewed."""

    job_id: str
    attempt: int
    spec: Mapping[str, Any]
    last_epoch: int
    sweep_id: str | None


@dataclass(frozen=True)
class EpochRecord:
    """What the store keeps of an epoch; `losses` are float32, little-endian, one a batch."""

    epoch: int
    iterations: int
    losses: bytes
    loss: float
    train_accuracy: float
    val_accuracy: float
    seconds: float
    complete: bool


@dataclass(frozen=True)
class Runs:
    """The runs of a database's jobs."""

    database: Database
    lease_seconds: float

    def claim(self, job_id: str | None, owner: str, *, most: int = 1) -> list[Claim]:
        """Take a queued job, the one called `job_id` or else the one that has waited longest, and others of its shape.

        Gives at most `most` jobs, and of those that could be trained together only this process's share, so that every
        training process finds some. A job that has brought down a worker is taken alone. Gives nothing when there is
        nothing to take: the bell may have rung late, twice, or for a job long done.
        """
        with self.database.writer.begin() as connection:
            taken = self._take(connection, [job_id], owner) if job_id is not None else []
            if not taken:
                oldest = select(jobs.c.id).where(jobs.c.state == "queued").order_by(jobs.c.number).limit(1)
                taken = self._take(
                    connection, connection.scalars(oldest.with_for_update(skip_locked=True)).all(), owner
                )
            if taken and most > 1 and not taken[0].fruitless_attempts:
                taken += self._take(connection, self._companions(connection, taken[0].shape, most - 1), owner)
            for job in taken:
                connection.execute(
                    insert(attempts).values(job_id=job.id, attempt=job.attempt, owner=owner, started_at=now_ms())
                )
                log_event(connection, job.id, "state", {"state": "running", "attempt": job.attempt})
            return [Claim(job.id, job.attempt, job.spec, job.last_epoch, job.sweep_id) for job in taken]

    def _take(self, connection: Connection, job_ids: Sequence[str], owner: str) -> list[Job]:
        rows = connection.execute(
            update(jobs)
            .where(jobs.c.id.in_(job_ids), jobs.c.state == "queued")
            .values(
                state="running",
                attempt=jobs.c.attempt + 1,
                owner=owner,
                lease_expires_at=self._lease_end(),
                started_at=func.coalesce(jobs.c.started_at, now_ms()),
            )
            .returning(jobs)
        ).all()
        return sorted(rows, key=lambda job: int(job.number))

    def _companions(self, connection: Connection, shape: str, most: int) -> Sequence[str]:
        """Find this process's share of the jobs of a shape that wait, the oldest first."""
        alike = (jobs.c.state == "queued") & (jobs.c.shape == shape) & (jobs.c.fruitless_attempts == 0)
        waiting = connection.scalar(select(func.count()).where(alike)) or 0
        slots = connection.scalar(select(func.sum(workers.c.slots)).where(workers.c.seen_at > self._silent_since()))
        share = -(-(waiting + 1) // max(slots or 1, 1)) - 1
        query = select(jobs.c.id).where(alike).order_by(jobs.c.number).limit(min(most, share))
        return connection.scalars(query.with_for_update(skip_locked=True)).all()

    def _silent_since(self) -> ColumnElement[int]:
        return now_ms() - int(self.lease_seconds * 1000)

    def renew(self, claims: Sequence[Claim]) -> dict[str, bool]:
        """Renew leases; gives for each job that is still held whether it shall be cancelled."""
        with self.database.writer.begin() as connection:
            # In the order in which a sweep's cancelling locks them, or the two would wait for each other.
            connection.execute(select(jobs.c.id).where(_are(claims)).order_by(jobs.c.number).with_for_update())
            held = connection.execute(
                update(jobs)
                .where(_are(claims))
                .values(lease_expires_at=self._lease_end())
                .returning(jobs.c.id, jobs.c.cancel_requested)
            )
            return {job.id: bool(job.cancel_requested) for job in held}

    def look(self, claims: Sequence[Claim]) -> dict[str, bool]:
        """Give for each job that is still held whether it shall be cancelled; writes nothing."""
        with self.database.reader.connect() as connection:
            held = connection.execute(select(jobs.c.id, jobs.c.cancel_requested).where(_are(claims)))
            return {job.id: bool(job.cancel_requested) for job in held}

    def rewind(self, claim: Claim, epoch: int) -> list[str]:
        """Forget the epochs after `epoch`, because the run goes on from there.

        Gives the keys of files that nothing points to any more. Raises LeaseLostError.
        """
        with self.database.writer.begin() as connection:
            _hold(connection, claim)
            connection.execute(delete(epochs).where(epochs.c.job_id == claim.job_id, epochs.c.epoch > epoch))
            connection.execute(_this(claim).values(last_epoch=epoch))
            return withdraw(connection, owner_of(claim.job_id), newer_than=epoch)

    def record_epoch(self, claim: Claim, record: EpochRecord, files: Sequence[File]) -> list[str]:
        """Record an epoch and point to the files written after it, and renew the lease, in one transaction.

        Gives the keys of files that nothing points to any more. Raises LeaseLostError.
        """
        with self.database.writer.begin() as connection:
            _hold(connection, claim)
            connection.execute(
                insert(epochs).values(job_id=claim.job_id, attempt=claim.attempt, recorded_at=now_ms(), **vars(record))
            )
            superseded = publish(connection, owner_of(claim.job_id), files)
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

    def finish(self, claim: Claim, *, stopped_early: StoppedEarly | None = None) -> State:
        """End a job whose training has ended; gives "succeeded", or "cancelled" if that was asked for in time.

        A job that succeeded becomes a model that can be predicted with. Raises LeaseLostError.
        """
        with self.database.writer.begin() as connection:
            job = _hold(connection, claim)
            state: State = "cancelled" if job.cancel_requested else "succeeded"
            result = finish(connection, claim.job_id, state, stopped_early=stopped_early)
            _end_attempt(connection, claim.job_id, claim.attempt, state)
            if state == "succeeded":
                assert result is not None, "a job that succeeded has at least one epoch on record"
                connection.execute(
                    insert(models).values(
                        job_id=claim.job_id,
                        epoch=result["best_epoch"],
                        weights_sha256=result["best_weights_sha256"],
                        created_at=now_ms(),
                    )
                )
            return state

    def fail(self, claim: Claim, error: Mapping[str, str]) -> None:
        """End a job that could not be trained. Raises LeaseLostError."""
        with self.database.writer.begin() as connection:
            _hold(connection, claim)
            finish(connection, claim.job_id, "failed", error=error)
            _end_attempt(connection, claim.job_id, claim.attempt, "failed")

    def release_expired(self) -> list[str]:
        """Take jobs from workers whose lease has expired; gives the ids of those that wait again."""
        expired = (jobs.c.state == "running") & (jobs.c.lease_expires_at < now_ms())
        with self.database.reader.connect() as connection:
            if connection.scalar(select(jobs.c.id).where(expired).limit(1)) is None:
                return []
        waiting = []
        with self.database.writer.begin() as connection:
            for job in connection.execute(select(jobs).where(expired).with_for_update(skip_locked=True)).all():
                _end_attempt(connection, job.id, job.attempt, "lost")
                fruitless = 0 if _has_recorded(connection, job) else job.fruitless_attempts + 1
                if job.cancel_requested:
                    finish(connection, job.id, "cancelled")
                elif fruitless >= MAX_FRUITLESS_ATTEMPTS:
                    message = f"{MAX_FRUITLESS_ATTEMPTS} workers died or fell silent without finishing an epoch"
                    finish(connection, job.id, "failed", error={"type": "worker_lost", "message": message})
                else:
                    connection.execute(
                        update(jobs)
                        .where(jobs.c.id == job.id)
                        .values(
                            state="queued",
                            owner=None,
                            lease_expires_at=None,
                            rung_at=now_ms(),
                            fruitless_attempts=fruitless,
                        )
                    )
                    log_event(connection, job.id, "state", {"state": "queued", "attempt": job.attempt})
                    waiting.append(job.id)
        return waiting

    def unheard(self, seconds: float, *, limit: int = 1000) -> list[str]:
        """Give the ids of queued jobs that were last rung for longer ago than this, the oldest first."""
        old = (jobs.c.state == "queued") & (jobs.c.rung_at < now_ms() - int(seconds * 1000))
        with self.database.reader.connect() as connection:
            return list(connection.scalars(select(jobs.c.id).where(old).order_by(jobs.c.number).limit(limit)))

    def rung(self, job_ids: Sequence[str]) -> None:
        """Note that the bell was just rung for these jobs."""
        these = jobs.c.id.in_(job_ids)
        with self.database.writer.begin() as connection:
            connection.execute(select(jobs.c.id).where(these).order_by(jobs.c.number).with_for_update())
            connection.execute(update(jobs).where(these).values(rung_at=now_ms()))

    def _lease_end(self) -> ColumnElement[int]:
        return now_ms() + int(self.lease_seconds * 1000)


def _are(claims: Sequence[Claim]) -> ColumnElement[bool]:
    held = tuple_(jobs.c.id, jobs.c.attempt).in_([(claim.job_id, claim.attempt) for claim in claims])
    return and_(jobs.c.state == "running", held)


def _this(claim: Claim) -> Update:
    return update(jobs).where(jobs.c.id == claim.job_id)


def _hold(connection: Connection, claim: Claim) -> Job:
    """Lock the job's row for this transaction, provided that the claim still holds."""
    job = connection.execute(
        select(jobs)
        .where(jobs.c.id == claim.job_id, jobs.c.attempt == claim.attempt, jobs.c.state == "running")
        .with_for_update()
    ).one_or_none()
    if job is None:
        raise LeaseLostError
    return job


def _has_recorded(connection: Connection, job: Job) -> bool:
    """Whether the job's present attempt has finished an epoch."""
    mine = select(epochs.c.epoch).where(epochs.c.job_id == job.id, epochs.c.attempt == job.attempt).limit(1)
    return connection.scalar(mine) is not None


def _end_attempt(connection: Connection, job_id: str, attempt: int, outcome: str) -> None:
    connection.execute(
        update(attempts)
        .where(attempts.c.job_id == job_id, attempts.c.attempt == attempt)
        .values(ended_at=now_ms(), outcome=outcome)
    )
