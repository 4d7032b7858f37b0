"""Jobs as those see them who look after the queue: taken back from whoever died, and announced again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, case, func, select, update

from service.store.engine import Database, locked, now_ms
from service.store.queue.charging import end_attempt
from service.store.queue.standing import ledger
from service.store.states import How, Job, State, finish, put_back
from service.store.tables import WAITS_FOR_WORKER, epochs, jobs

MAX_FRUITLESS_ATTEMPTS = 5
"""A job that kills its worker again and again, without finishing an epoch, is given up after so many attempts."""


@dataclass(frozen=True)
class Stalled:
    """The jobs of a database that somebody may have forgotten."""

    database: Database

    def release_expired(self) -> list[str]:
        """Take jobs from workers whose lease has expired; gives the ids of those that wait again."""
        return self._take_back(jobs.c.lease_expires_at < now_ms(), how="worker_lost")

    def release_dead(self, owner: str, *, killed: bool = False) -> list[str]:
        """Take jobs from a training process that is known to have ended; gives the ids of those that wait again.

        `killed`: by its own worker, because it did not do what was wished.
        """
        return self._take_back(jobs.c.owner == owner, how="killed" if killed else "worker_lost")

    def _take_back(self, lost: ColumnElement[bool], *, how: How) -> list[str]:
        lost = (jobs.c.state == "running") & lost
        with self.database.reader.connect() as connection:
            found = connection.execute(select(jobs.c.id, jobs.c.account).where(lost).order_by(jobs.c.number)).all()
        return [job.id for job in found if self._take_one_back(job.id, job.account, lost, how)]

    def _take_one_back(self, job_id: str, account: str, lost: ColumnElement[bool], how: How) -> bool:
        """Take a job back, each in a transaction of its own; gives whether it waits again."""
        with self.database.acting(account).writer.begin() as connection:
            # One that somebody has locked is alive, or comes next time.
            this = select(jobs).where(jobs.c.id == job_id, lost)
            job = locked(connection, this, skip_locked=True).one_or_none()
            if job is None:
                return False
            end_attempt(connection, job.id, job.attempt, "lost")
            if job.cancel_requested:
                finish(connection, job.id, "cancelled", how=how)
                return False
            message = f"{MAX_FRUITLESS_ATTEMPTS} workers died or fell silent without finishing an epoch"
            return put_back_or_fail(connection, job, {"type": "worker_lost", "message": message}) == "queued"

    def of_worker(self, worker_id: str) -> dict[str, float]:
        """Give the training processes of a worker that hold jobs, by their number as owners.

        With each the seconds since one of its jobs was asked to stop, the longest of them; 0 where none was.
        """
        asked = jobs.c.cancel_requested | jobs.c.pause_requested
        since = case((asked, func.coalesce(now_ms() - jobs.c.stop_requested_at, 0)), else_=0)
        query = (
            select(jobs.c.owner, func.max(since))
            .where(jobs.c.state == "running", jobs.c.owner.startswith(f"{worker_id}/", autoescape=True))
            .group_by(jobs.c.owner)
        )
        with self.database.reader.connect() as connection:
            return {owner: int(ms) / 1000 for owner, ms in connection.execute(query)}

    def unheard(self, seconds: float, *, limit: int = 1000) -> list[str]:
        """Give the ids of jobs for a worker to take that were last rung for longer ago than this, the oldest first.

        None of accounts that have as many running as they may: whoever heard of these would take none.
        """
        old = WAITS_FOR_WORKER & (jobs.c.rung_at < now_ms() - int(seconds * 1000))
        with self.database.reader.connect() as connection:
            # Only where somebody waits unheard: a heartbeat that finds nothing asks once.
            if connection.scalar(select(jobs.c.id).where(old).limit(1)) is None:
                return []
            able = old & jobs.c.account.not_in(ledger(connection).full())
            return list(connection.scalars(select(jobs.c.id).where(able).order_by(jobs.c.number).limit(limit)))

    def announced(self, job_ids: Sequence[str]) -> None:
        """Note that the bell was just rung for these jobs."""
        these = jobs.c.id.in_(job_ids)
        with self.database.writer.begin() as connection:
            locked(connection, select(jobs.c.id).where(these).order_by(jobs.c.number))
            connection.execute(update(jobs).where(these).values(rung_at=now_ms()))


def put_back_or_fail(connection: Connection, job: Job, error: Mapping[str, str]) -> State:
    """Let a job wait for another attempt, or end it with this error if too many were in vain; gives its state."""
    fruitless = 0 if _has_recorded(connection, job) else job.fruitless_attempts + 1
    if fruitless >= MAX_FRUITLESS_ATTEMPTS and not job.cancel_requested:
        finish(connection, job.id, "failed", error=error)
        return "failed"
    return put_back(connection, job, fruitless_attempts=fruitless)


def _has_recorded(connection: Connection, job: Job) -> bool:
    """Whether the job's present attempt has finished an epoch."""
    mine = select(epochs.c.epoch).where(epochs.c.job_id == job.id, epochs.c.attempt == job.attempt).limit(1)
    return connection.scalar(mine) is not None
