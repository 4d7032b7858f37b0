"""POST /models/{name}/versions: a checkpoint of a job becomes a version, whatever became of the job."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool

from service.api.dependencies import Dependencies, Deps, json_only
from service.api.documents import DocumentRoute
from service.api.problems import problems
from service.api.routes.idempotency import IdempotencyKey, answered, once
from service.api.routes.jobs.resolving import settled_terms
from service.api.routes.models import ModelName
from service.api.routes.naming import require_name_of_model
from service.api.routes.on_demand import on_demand
from service.api.schemas.adoption import Adoption
from service.api.schemas.models import VersionView
from service.edge.links import link
from service.errors import Conflict, Damaged, Fault, Invalid
from service.store import owners
from service.store.engine import Row
from service.store.job_ids import whole
from service.store.states import FINAL_STATES

router = APIRouter(tags=["models"], route_class=DocumentRoute)


@router.post(
    "/models/{name}/versions",
    status_code=201,
    dependencies=[Depends(json_only)],
    summary="Make a version of a checkpoint",
    responses={
        200: {"model": VersionView, "description": "This checkpoint is a version of the model already."},
        **problems(400, 409, 413, 415, 422, 500, 503, 507),
    },
)
async def adopt(
    name: ModelName,
    adoption: Annotated[Adoption, Body()],
    request: Request,
    response: Response,
    deps: Deps,
    idempotency_key: IdempotencyKey = None,
) -> VersionView:
    """Make a checkpoint of a job that has ended a version, though the job was cancelled or failed after it.

    A worker assesses it, and compares it with the champion, as what a job ends with. A checkpoint that is a version of
    this model already is that version, and is not promoted anew: after a 503, ask again.
    """
    key = await run_in_threadpool(once, idempotency_key, request, deps, _made, adoption)
    job, weights, checkpoint = await run_in_threadpool(_chosen, deps, name, adoption)
    terms = await run_in_threadpool(settled_terms, deps, adoption, job.spec)

    def found() -> Row | None:
        return deps.store.models.adopted(name, job.id, weights.sha256)

    def ask() -> bool:
        response.status_code = 201
        try:
            deps.artifacts.check(weights.key, weights.sha256)
        except (ValueError, FileNotFoundError) as error:
            raise Damaged(f"the checkpoint {checkpoint} of job {job.id} cannot be used: {error}") from error
        return deps.doorbell.ask_for_version(name, whole(deps.account, job.id), checkpoint, terms)

    response.status_code = 200  # unless somebody has to be asked
    row = await on_demand(
        deps, found, ask, work="assess it", waiting="the version was asked for but is not assessed yet"
    )
    status = response.status_code
    response.headers["Location"] = link(_path(row))
    await run_in_threadpool(deps.store.keys.keep, key, (status, row))
    return VersionView.of(row)


def _path(row: Row) -> str:
    return f"/models/{row.model}/versions/{row.version}"


def _made(done: tuple[int, Row]) -> dict[str, Any]:
    status, row = done
    return answered(status, VersionView.of(row), Location=_path(row))


def _chosen(deps: Dependencies, name: str, adoption: Adoption) -> tuple[Row, Row, str]:
    """Give the job, its checkpoint and what that is called; raises a Problem where it cannot be a version."""
    require_name_of_model(name, deps, "#path/name")
    job = deps.store.jobs.get(adoption.job)
    if job is None:
        raise _wrong("/job", f"there is no job {adoption.job}")
    if job.state not in FINAL_STATES:
        how = f"POST /jobs/{job.id}/finish ends it with what it has learned" if job.last_epoch else "wait for its end"
        raise Conflict(f"job {job.id} is {job.state}; {how}")
    files = {file.name: file for file in deps.store.files.of(owners.of_job(job.id))}
    there = {which: files[f"{which}.safetensors"] for which in ("best", "last") if f"{which}.safetensors" in files}
    if not there:
        raise Conflict(f"job {job.id} has no checkpoint, as it has not ended an epoch; POST /jobs/{job.id}/retry")
    wanted = adoption.checkpoint
    for which, file in there.items():
        if wanted in {which, file.epoch}:
            return job, file, which
    kept = ", ".join(f"{file.epoch} ({which})" for which, file in there.items())
    raise _wrong("/checkpoint", f"job {job.id} keeps no checkpoint {wanted}; those of epochs {kept} are there")


def _wrong(field: str, detail: str) -> Invalid:
    return Invalid(detail, faults=[Fault(field, detail)])
