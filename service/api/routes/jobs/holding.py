"""/jobs/<id>/<verb>: cancel, pause, resume, finish, by which a job is stopped, and goes on."""

from typing import Any

from fastapi import APIRouter, BackgroundTasks, Request

from service.api.dependencies import Deps
from service.api.documents import DocumentRoute
from service.api.problems import problems
from service.api.routes.idempotency import IdempotencyKey, answered, once
from service.api.routes.jobs.lookup import JobId, found
from service.api.schemas.jobs import Job
from service.errors import NoRoom
from service.store.states import Job as JobRow

router = APIRouter(tags=["jobs"], route_class=DocumentRoute)


def _as_it_stood(row: JobRow) -> dict[str, Any]:
    return answered(202, Job.of(row))


@router.post(
    "/jobs/{job_id}/cancel", status_code=202, summary="Cancel a job", responses=problems(404, 409, 422, 503, 507)
)
def cancel(job_id: JobId, request: Request, deps: Deps, idempotency_key: IdempotencyKey = None) -> Job:
    """Cancel a job that waits, or stop one that runs within a batch; what it has learned so far is kept.

    Cancelling a job twice is no error. 409 if it has already succeeded or failed.
    """
    try:
        key = once(idempotency_key, request, deps, _as_it_stood)
    except NoRoom:  # whoever makes room is not kept from it: done twice it comes to the same
        key = None
    return Job.of(found(deps.store.jobs.cancel(job_id, key=key), job_id))


@router.post(
    "/jobs/{job_id}/pause", status_code=202, summary="Pause a job", responses=problems(404, 409, 422, 503, 507)
)
def pause(job_id: JobId, request: Request, deps: Deps, idempotency_key: IdempotencyKey = None) -> Job:
    """Hold a job back, and free its worker within a batch. Resumed, it goes on after its last complete epoch.

    It ends with the bits that it would have ended with. Pausing a job twice is no error. 409 if it has ended.
    """
    key = once(idempotency_key, request, deps, _as_it_stood)
    return Job.of(found(deps.store.jobs.pause(job_id, key=key), job_id))


@router.post(
    "/jobs/{job_id}/resume", status_code=202, summary="Resume a job", responses=problems(404, 409, 422, 503, 507)
)
def resume(
    job_id: JobId, request: Request, background: BackgroundTasks, deps: Deps, idempotency_key: IdempotencyKey = None
) -> Job:
    """Let a paused job go on. Resuming one that is not paused is no error. 409 if it has ended."""
    key = once(idempotency_key, request, deps, _as_it_stood)
    deps.floor.require()  # pausing is always possible, and so only as often as this
    job = found(deps.store.jobs.resume(job_id, key=key), job_id)
    if job.state == "queued":
        background.add_task(deps.doorbell.ring, [job_id])
    return Job.of(job)


@router.post(
    "/jobs/{job_id}/finish", status_code=202, summary="Finish a job early", responses=problems(404, 409, 422, 503, 507)
)
def finish(
    job_id: JobId, request: Request, background: BackgroundTasks, deps: Deps, idempotency_key: IdempotencyKey = None
) -> Job:
    """Let a job stop within a batch and succeed: what it has learned becomes a version, as at its last epoch.

    Its result says `stopped_early: "finish"`. One that waits or is paused needs a checkpoint for that, and ends as soon
    as a worker has assessed it. Finishing a job twice is no error, nor is finishing one that has succeeded. 409 if it
    has failed or was cancelled, or waits and has learned nothing yet.
    """
    key = once(idempotency_key, request, deps, _as_it_stood)
    job = found(deps.store.jobs.finish(job_id, key=key), job_id)
    if job.state == "queued":
        background.add_task(deps.doorbell.ring, [job_id])
    return Job.of(job)
