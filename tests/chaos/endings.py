"""How a run begins and ends: references that nothing disturbs, waiting for all jobs, what was answered."""

import time
from collections.abc import Iterator

from sqlalchemy import select

from service.store.job_ids import own, whole
from service.store.small_tables import submissions
from service.store.states import FINAL_STATES
from service.store.tables import jobs
from tests.chaos.arena import Arena
from tests.chaos.invariants import REFERENCE
from tests.waiting import wait_until


def train_references(arena: Arena) -> None:
    """Train every spec once, while nothing disturbs it."""
    ids = [arena.submit(spec, REFERENCE) for spec in arena.specs]
    wait_until(lambda: not arena.unfinished(), timeout=120, what="the references")
    found = [arena.job(job_id) for job_id in ids]
    if any((job.state, job.attempt) != ("succeeded", 1) for job in found):
        raise SystemExit(f"the references were disturbed: {[(job.state, job.attempt, job.error) for job in found]}")


def drain(arena: Arena, *, timeout: float) -> float:
    """Wait until all jobs have ended, at most so long; gives the seconds that this took."""
    begun = time.monotonic()
    while time.monotonic() - begun < timeout:
        for job in arena.jobs("paused"):
            arena.insist(job.account, f"/jobs/{own(job.id)}/resume")
        if not arena.unfinished():
            break
        time.sleep(0.5)
    return time.monotonic() - begun


def misheard(arena: Arena) -> Iterator[str]:
    """What the service has answered, and is not on record."""
    with arena.store.database.reader.connect() as connection:
        rows = {job.id: job for job in connection.execute(select(jobs)).all()}
        keys = {
            whole(row.account, str(row.answer.get("id"))): row.key
            for row in connection.execute(select(submissions)).all()
        }
    accepted = [job_id for job_id, _ in arena.accepted]
    for job_id in sorted(set(accepted) - rows.keys()):
        yield f"job {job_id} was accepted, and is not on record"
    for job_id in sorted(rows.keys() - set(accepted)):
        yield f"job {job_id} is on record, under the key {keys.get(job_id)}; nobody was told that it was accepted"
    if len(accepted) != len(set(accepted)):
        yield "two submissions were answered with one job"
    for job_id in arena.cancelled:
        if rows[job_id].state in FINAL_STATES and rows[job_id].state != "cancelled":
            yield f"job {job_id}: its cancelling was accepted, and it {rows[job_id].state}"
