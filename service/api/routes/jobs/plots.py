"""/jobs/{id}/plots: pictures of a job, drawn by a worker when somebody asks."""

from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool

from service.api.dependencies import Deps
from service.api.gate import own_pages_only
from service.api.routes.downloads import conditions, download, file_of_type
from service.api.routes.jobs.lookup import JobId, file_of, found
from service.api.routes.on_demand import drawn
from service.api.schemas.jobs import Plot
from service.errors import Conflict
from service.store import owners

router = APIRouter(tags=["what is recorded of a job"])


@router.get(
    "/jobs/{job_id}/plots/{plot}.png",
    dependencies=[Depends(own_pages_only), Depends(conditions)],
    summary="A plot of a job",
    response_class=Response,
    responses=file_of_type("image/png", 403, 404, 409, 422, 500, 503, 507),
)
async def plot(job_id: JobId, plot: Plot, request: Request, deps: Deps) -> Response:
    """Give a plot of a job as it stands; a worker draws it when somebody asks, also while the job runs."""
    job = found(await run_in_threadpool(deps.store.jobs.get, job_id), job_id)
    if job.last_epoch == 0:
        raise Conflict(f"job {job_id} has not finished an epoch yet; there is nothing to draw")

    name = await drawn(
        deps, owners.of_job(job_id), plot, lambda: deps.doorbell.ask_for_plot(job_id, plot), epoch=job.last_epoch
    )
    return await run_in_threadpool(download, request, deps, lambda: file_of(deps, job_id, name), media_type="image/png")
