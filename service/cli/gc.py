"""What `tenfold gc` may delete: old jobs, expired uploads. Nothing goes that somebody may still ask for by a rule."""

import shutil

from service.artifacts import Artifacts
from service.store import owners
from service.store.errors import PartOfSweep, StateConflict
from service.store.states import Job
from service.store.store import Store

PIN = "keep"
"""A job with a label of this name stays, whatever its value."""

_TOLD_DAYS = 30
"""For so long it is told that something was deleted, to those who follow."""


def collectable(store: Store, *, days: float, last: int) -> list[Job]:
    """List the jobs that ended more than `days` ago, the oldest first, but for the `last` that ended and those pinned.

    Pinned are jobs with the label "keep", jobs of sweeps, which go with their sweep, and those that made the
    versions to which aliases point. Versions have files of their own, and stay. Jobs that have not ended are nobody's
    to remove.
    """
    named = store.aliases.named_jobs()
    ended = store.jobs.ended(before_days=days, skip=last)
    return [job for job in ended if job.id not in named and PIN not in job.labels]


def collect(job: Job, store: Store, artifacts: Artifacts) -> bool:
    """Delete a job with its files; gives False when it may not go any more."""
    try:
        unreferenced = store.jobs.delete(job.id)
    except (PartOfSweep, StateConflict):
        return False
    if unreferenced is None:
        return False
    artifacts.remove(unreferenced)
    artifacts.remove_folder(owners.of_job(job.id))
    return True


def give_back(store: Store, artifacts: Artifacts) -> str:
    """Give the disk back what expired uploads took, and what the database needs no more; says how much that is."""
    gone = store.uploads.expire()
    artifacts.remove(gone)
    store.events.forget_deletions(before_days=_TOLD_DAYS)
    return f"{len(gone)} file(s) of expired uploads deleted; {_of_database(store)}"


def _of_database(store: Store) -> str:
    file = store.database.file
    if file is None:
        return "what the database needs no more, PostgreSQL uses again"
    # Written anew there is a second one for a while, and a journal of how it takes the place of the first.
    has_room = shutil.disk_usage(file.parent).free > 3 * file.stat().st_size
    return f"{store.database.give_back(whole=has_room):,} bytes of the database given back to the disk"
