"""The right of one attempt to train one job, and what whoever holds it has to know."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, select, tuple_

from service.store.job_ids import own
from service.store.states import Job, spec_of
from service.store.tables import epochs, jobs, sweeps
from service.sweeps.spec import Halving


@dataclass(frozen=True)
class Claim:
    """The right of one attempt to train one job, as long as its lease is renewed."""

    job_id: str
    account: str
    attempt: int
    spec: Mapping[str, Any]
    last_epoch: int
    sweep_id: str | None
    owner: str
    seconds: float
    """Seconds of this job's own training that are on record; what it goes on from took others."""
    halving: Halving | None = None
    """How jobs of its sweep are compared, if they are."""
    passed_rung: int = 0
    """The epoch of the last rung that it went on from."""
    ends_after: int | None = None
    """The epoch of the rung at which it fell behind."""
    is_to_finish: bool = False
    """Whether it was asked for, before it was taken, to end with what it has learned."""

    @property
    def called(self) -> str:
        """Give what its account calls the job; `job_id` is its whole id."""
        return own(self.job_id)


def claims_of(connection: Connection, taken: Sequence[Job], owner: str) -> list[Claim]:
    """Give the claims on jobs that were just taken."""
    spent = select(epochs.c.job_id, func.sum(epochs.c.seconds)).where(
        epochs.c.job_id.in_([job.id for job in taken]), epochs.c.attempt > 0
    )
    seconds = {job_id: float(total) for job_id, total in connection.execute(spent.group_by(epochs.c.job_id))}
    halvings = _halvings(connection, {job.sweep_id for job in taken if job.sweep_id is not None})
    return [
        Claim(
            job_id=job.id,
            account=job.account,
            attempt=job.attempt,
            spec=spec_of(job),
            last_epoch=job.last_epoch,
            sweep_id=job.sweep_id,
            owner=owner,
            seconds=seconds.get(job.id, 0.0),
            halving=halvings.get(job.sweep_id),
            passed_rung=job.passed_rung,
            ends_after=job.ends_after,
            is_to_finish=job.finish_requested,
        )
        for job in taken
    ]


def _halvings(connection: Connection, sweep_ids: Collection[str]) -> dict[str, Halving]:
    if not sweep_ids:
        return {}
    query = select(sweeps.c.id, sweeps.c.halving).where(sweeps.c.id.in_(sweep_ids))
    return {row.id: Halving.model_validate(row.halving) for row in connection.execute(query) if row.halving is not None}


def held_by(claims: Sequence[Claim]) -> ColumnElement[bool]:
    """Give the condition that a job is still held by one of these claims."""
    # The owner too: an id that a client chose may be another job's by now, with attempts of its own.
    held = tuple_(jobs.c.id, jobs.c.attempt, jobs.c.owner).in_(
        [(claim.job_id, claim.attempt, claim.owner) for claim in claims]
    )
    return and_(jobs.c.state == "running", held)


def worker_of(owner: str) -> str:
    """Give the name of the worker whose training process owns jobs."""
    return owner.rpartition("/")[0]
