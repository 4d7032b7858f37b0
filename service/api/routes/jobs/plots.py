"""/jobs/{id}/plots: pictures of a job, drawn by a worker when somebody asks."""

from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool

from models.data.schema import USUAL
from service.api.dependencies import Dependencies, Deps
from service.api.gate import own_pages_only
from service.api.routes.downloads import conditions, download, file_of_type
from service.api.routes.jobs.lookup import JobId, file_of, found, read_json
from service.api.routes.on_demand import drawn
from service.api.schemas.jobs import Plot
from service.errors import Conflict
from service.store import owners
from service.store.job_ids import whole
from service.store.states import Job as JobRow

router = APIRouter(tags=["what is recorded of a job"])


@router.get(
    "/jobs/{job_id}/plots/{plot}.png",
    dependencies=[Depends(own_pages_only), Depends(conditions)],
    summary="A plot of a job",
    response_class=Response,
    responses=file_of_type("image/png", 403, 404, 409, 422, 500, 503, 507),
)
async def plot(job_id: JobId, plot: Plot, request: Request, deps: Deps) -> Response:
    """Give a plot of a job as it stands; a worker draws it when somebody asks, also while the job runs.

    `confusion`: all classes, or of more than 30 those that were confused most; `classes`: precision and recall of each;
    `mistakes`: the surest ones, as pictures or as rows. `roc` and `precision_recall` are of two classes alone, and
    `calibration` is measured once a job has succeeded: 409 otherwise.
    """
    job = found(await run_in_threadpool(deps.store.jobs.get, job_id), job_id)
    if job.last_epoch == 0:
        raise Conflict(f"job {job_id} has not finished an epoch yet; there is nothing to draw")

    await run_in_threadpool(_require_measured, deps, job, plot)
    name = await drawn(
        deps,
        owners.of_job(job_id),
        plot,
        lambda: deps.doorbell.ask_for_plot(whole(deps.account, job_id), plot),
        epoch=job.last_epoch,
    )
    return await run_in_threadpool(download, request, deps, lambda: file_of(deps, job_id, name), media_type="image/png")


def _require_measured(deps: Dependencies, job: JobRow, plot: Plot) -> None:
    """Refuse to draw what cannot be measured of a job, or has not been; raises Conflict."""
    if plot == "calibration":
        if job.state != "succeeded":
            raise Conflict(
                f"job {job.id} is {job.state}; its calibration is measured on its best weights once it has succeeded"
            )
        version = deps.store.models.made_of(job.id)
        if version is None:
            raise Conflict(f"the version that job {job.id} became was deleted, and its calibration with it")
        if deps.store.files.get(owners.of_version(version.model, version.version), "card.json") is None:
            why = version.facts.get("no_card_because", "it is from before there were any")
            raise Conflict(f"version {version.version} of model {version.model} has no card: {why}")
    elif plot in {"roc", "precision_recall"}:
        evaluation = read_json(deps, job.id, "evaluation.json")
        classes = evaluation.get("classes", USUAL.classes)
        if len(classes) != 2:
            raise Conflict(
                f"{plot} is for two classes, and job {job.id} learned {len(classes)}; its plot called classes shows "
                "precision and recall of each"
            )
