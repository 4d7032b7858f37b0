"""Successive halving: which jobs of a sweep go on from a rung, which have fallen behind, and which wait there."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from sqlalchemy import Connection, func, select, update

from models.metric import score
from service.store.claims import Claim, held_by
from service.store.engine import Database, locked, now_ms
from service.store.states import UNENDED_STATES
from service.store.tables import epochs, jobs, sweeps
from service.sweeps.spec import Halving


def behind(scores: Mapping[str, float], reduction: int) -> set[str]:
    """Give those of the jobs that came to a rung whose score is not among the best 1/reduction.

    Equals go on together, or end together; of fewer than `reduction` all go on.
    """
    places = len(scores) // reduction
    if not places:
        return set()
    least = sorted(scores.values(), reverse=True)[places - 1]
    return {job_id for job_id, its in scores.items() if its < least}


@dataclass(frozen=True)
class Rungs:
    """The rungs of a database's sweeps: what is decided at one stands in the rows of the jobs, and is decided once."""

    database: Database

    def compare(self, claims: Sequence[Claim], epoch: int) -> set[str]:
        """Decide on jobs of one sweep that came to a rung in the same step; gives the ids of those that fall behind.

        They are compared with each other, and with all jobs of the sweep that came there before.
        """
        (sweep_id, halving), *_ = {(claim.sweep_id, claim.halving) for claim in claims}
        assert sweep_id is not None
        assert halving is not None
        with self.database.writer.begin() as connection:
            mine = select(jobs.c.id).where(held_by(claims)).order_by(jobs.c.number)
            held = set(locked(connection, mine).scalars())
            fell = behind(_at(connection, sweep_id, epoch), halving.reduction) & held
            _decide(connection, fell, held - fell, epoch)
            return fell

    def settle(self) -> list[str]:
        """Decide on the jobs of sweeps of which all wait at a rung; gives the ids of those that queue for workers now.

        All are those that have neither ended nor fallen behind before: one that runs, or waits for a worker, or was
        paused on its way, is waited for.
        """
        come = func.count().filter(jobs.c.waits_at_rung)
        on_their_way = func.count().filter(jobs.c.waits_at_rung.is_(False), jobs.c.ends_after.is_(None))
        query = (
            select(jobs.c.sweep_id)
            .where(jobs.c.sweep_id.is_not(None), jobs.c.state.in_(UNENDED_STATES))
            .group_by(jobs.c.sweep_id)
            .having(come > 0, on_their_way == 0)
        )
        with self.database.reader.connect() as connection:
            ready = connection.scalars(query).all()
        return [job_id for sweep_id in ready for job_id in self._settle(sweep_id)]

    def _settle(self, sweep_id: str) -> list[str]:
        with self.database.writer.begin() as connection:
            # Locked in the order in which the sweep's cancelling locks them, or the two would wait for each other.
            sweep = locked(connection, select(sweeps).where(sweeps.c.id == sweep_id)).one_or_none()
            its = select(jobs).where(jobs.c.sweep_id == sweep_id, jobs.c.state.in_(UNENDED_STATES))
            unended = locked(connection, its.order_by(jobs.c.number)).all()
            waiting = [job for job in unended if job.waits_at_rung]
            # Somebody else may have decided, or a job may have been resumed, since it was looked for.
            if sweep is None or not waiting or any(not job.waits_at_rung and job.ends_after is None for job in unended):
                return []
            epoch = min(job.last_epoch for job in waiting)
            here = {job.id for job in waiting if job.last_epoch == epoch}
            fell = behind(_at(connection, sweep_id, epoch), Halving.model_validate(sweep.halving).reduction) & here
            _decide(connection, fell, here - fell, epoch)
            return [job.id for job in waiting if job.id in here and job.state == "queued"]


def _at(connection: Connection, sweep_id: str, epoch: int) -> dict[str, float]:
    """Give the scores of an epoch that the jobs of a sweep have on record, whatever has become of them since."""
    query = (
        select(
            epochs.c.job_id,
            jobs.c.spec["metric"].as_string(),
            func.coalesce(epochs.c.val_metric, epochs.c.val_accuracy),
        )
        .join(jobs, jobs.c.id == epochs.c.job_id)
        .where(jobs.c.sweep_id == sweep_id, epochs.c.epoch == epoch, epochs.c.complete)
    )
    return {job_id: score(metric or "accuracy", float(value)) for job_id, metric, value in connection.execute(query)}


def _decide(connection: Connection, fell: Set[str], passed: Set[str], epoch: int) -> None:
    """Write down who ends at this rung and who goes on; those who waited queue for a worker, to do either."""
    for job_ids, decided in ((fell, {"ends_after": epoch}), (passed, {"passed_rung": epoch})):
        values = {"waits_at_rung": False, "rung_at": now_ms(), **decided}
        connection.execute(update(jobs).where(jobs.c.id.in_(job_ids)).values(values))
