"""How a sweep stands: it has no state of its own but whether it was cancelled, all else follows from its jobs."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from sqlalchemy import Connection, func, select

from service.store.engine import Row
from service.store.states import FINAL_STATES, State
from service.store.tables import jobs

SweepState = Literal["running", "succeeded", "failed", "cancelled"]


@dataclass
class Tally:
    """A sweep's jobs, counted."""

    counts: Counter[State] = field(default_factory=Counter)
    epochs: int = 0
    """Epochs that were asked for, all jobs together."""
    epochs_done: int = 0
    """Epochs that have ended."""
    epochs_left: int = 0
    """Epochs that are still to be done; a job that has ended leaves none, even if it stopped early."""
    epoch_seconds: float | None = None
    """Seconds of the last epoch, mean of the jobs that run."""
    finished_at: int | None = None
    """When the last of the jobs so far ended."""

    @property
    def unended(self) -> int:
        """How many jobs have not ended."""
        return self.counts["queued"] + self.counts["running"] + self.counts["paused"]


def state_of(sweep: Row, tally: Tally) -> SweepState:
    """Tell how a sweep stands.

    It runs while a job has not ended, or more trials are to come. Then it is cancelled if that was asked for, failed if
    none of its jobs succeeded, and succeeded otherwise.
    """
    if tally.unended or (sweep.suggested < sweep.trials and not sweep.cancel_requested):
        return "running"
    if sweep.cancel_requested:
        return "cancelled"
    return "succeeded" if tally.counts["succeeded"] else "failed"


def tally(connection: Connection, sweep_ids: Sequence[str]) -> dict[str, Tally]:
    """Count the jobs of sweeps."""
    asked = jobs.c.spec["epochs"].as_integer()
    query = (
        select(
            jobs.c.sweep_id,
            jobs.c.state,
            func.count().label("jobs"),
            func.sum(asked).label("asked"),
            func.sum(jobs.c.last_epoch).label("done"),
            func.avg(jobs.c.epoch_seconds).label("epoch_seconds"),
            func.max(jobs.c.finished_at).label("finished_at"),
        )
        .where(jobs.c.sweep_id.in_(sweep_ids))
        .group_by(jobs.c.sweep_id, jobs.c.state)
    )
    tallies = {sweep_id: Tally() for sweep_id in sweep_ids}
    for row in connection.execute(query):
        counted = tallies[row.sweep_id]
        counted.counts[row.state] = row.jobs
        counted.epochs += row.asked
        counted.epochs_done += row.done
        if row.state not in FINAL_STATES:
            counted.epochs_left += row.asked - row.done
        if row.state == "running":
            counted.epoch_seconds = row.epoch_seconds
        if row.finished_at is not None:
            counted.finished_at = max(counted.finished_at or 0, row.finished_at)
    return tallies
