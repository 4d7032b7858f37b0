"""/jobs/cancel and /jobs/delete: what is done to all jobs that match a filter, or would be."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated

from fastapi import APIRouter, Body, Depends

from service.api.dependencies import Dependencies, Deps, json_only
from service.api.documents import DocumentRoute
from service.api.problems import problems
from service.api.routes.jobs.submit import removed
from service.api.routes.listing import label_pairs
from service.api.schemas.bulk import Bulk, BulkOutcome, JobFilter
from service.errors import Fault, Invalid
from service.store.errors import PartOfSweep, StateConflict
from service.store.states import FINAL_STATES, UNENDED_STATES, Job, State

router = APIRouter(tags=["jobs"], route_class=DocumentRoute)

MAX_BODY_BYTES = 64 * 2**10
_AT_A_TIME = 100
_LONGEST_SECONDS = 15.0
"""After which no more is begun: those who wait for an answer have not left yet."""

_TOLD = 1000

_RUNNING, _OF_SWEEP, _GONE = "they run: cancel them first", "they belong to a sweep, which is deleted whole", "gone"


@router.post(
    "/jobs/cancel",
    dependencies=[Depends(json_only)],
    max_body_size=MAX_BODY_BYTES,
    summary="Cancel many jobs",
    responses=problems(400, 413, 415, 422, 503, 507),
)
def cancel(asked: Annotated[Bulk, Body()], deps: Deps) -> BulkOutcome:
    """Cancel those jobs that match a filter and have not ended, each as `POST /jobs/{job_id}/cancel` does.

    An empty filter is refused. Repeated, it is done to those that are left; an `Idempotency-Key` is not needed, and
    none is taken.
    """
    if asked.filter.state in FINAL_STATES:
        detail = f"jobs that have {asked.filter.state} have ended, and cannot be cancelled"
        raise Invalid(f"filter.state: {detail}", faults=[Fault("/filter/state", detail)])

    def act(some: Sequence[Job], skipped: Counter[str]) -> Sequence[str]:
        if asked.dry_run:
            return [job.id for job in some]
        done = set(deps.store.jobs.cancel_all([job.id for job in some]))
        skipped["ended meanwhile"] += len(some) - len(done)
        return [job.id for job in some if job.id in done]

    return _done(asked, deps, UNENDED_STATES, act)


@router.post(
    "/jobs/delete",
    dependencies=[Depends(json_only)],
    max_body_size=MAX_BODY_BYTES,
    summary="Delete many jobs",
    responses=problems(400, 413, 415, 422, 503, 507),
)
def delete(asked: Annotated[Bulk, Body()], deps: Deps) -> BulkOutcome:
    """Delete those jobs that match a filter, each as `DELETE /jobs/{job_id}` does; what runs, or is a sweep's, stays.

    An empty filter is refused. Repeated, it is done to those that are left; an `Idempotency-Key` is not needed, and
    none is taken.
    """

    def act(some: Sequence[Job], skipped: Counter[str]) -> Sequence[str]:
        kept = {job.id: why for job in some if (why := _kept_because(job, asked, deps)) is not None}
        skipped.update(kept.values())
        return [job.id for job in some if job.id not in kept]

    outcome = _done(asked, deps, (*FINAL_STATES, *UNENDED_STATES), act)
    if outcome.done and not asked.dry_run:
        deps.store.database.give_back()
    return outcome


def _kept_because(job: Job, asked: Bulk, deps: Dependencies) -> str | None:
    """Delete a job, unless that is only tried; gives why it stays, if it does."""
    if job.sweep_id is not None:
        return _OF_SWEEP
    if job.state == "running":
        return _RUNNING
    try:
        return None if asked.dry_run or removed(job.id, deps) else _GONE
    except StateConflict:
        return _RUNNING
    except PartOfSweep:
        return _OF_SWEEP


def _done(
    asked: Bulk,
    deps: Dependencies,
    states: Sequence[State],
    act: Callable[[Sequence[Job], Counter[str]], Sequence[str]],
) -> BulkOutcome:
    """Do something to the jobs that match, some at a time, the newest first, for as long as a request may take."""
    deadline, done, skipped = time.monotonic() + _LONGEST_SECONDS, list[str](), Counter[str]()
    has_more = False
    for some in _matching(asked.filter, deps, states):
        if has_more := time.monotonic() > deadline:
            break
        done += act(some, skipped)
    return BulkOutcome(
        dry_run=asked.dry_run, done=len(done), ids=done[:_TOLD], skipped=dict(+skipped), has_more=has_more
    )


def _matching(wanted: JobFilter, deps: Dependencies, states: Sequence[State]) -> Iterator[Sequence[Job]]:
    """Yield the jobs in these states that match, some at a time: by state, and of each the newest first."""
    labels = label_pairs(wanted.label, "/filter/label")
    for state in states if wanted.state is None else (wanted.state,):
        before: int | None = None
        while some := deps.store.jobs.find(
            state=state, name=wanted.name, sweep_id=wanted.sweep, labels=labels, before=before, limit=_AT_A_TIME
        ):
            yield some
            before = some[-1].number
