"""/jobs: submit, list, look at and delete."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Body, Depends, Header, Path, Query, Request, Response

from models.spec import TrainingSpec
from models.terms import Name
from service.api.dependencies import Dependencies, Deps, json_only
from service.api.documents import DocumentRoute
from service.api.problems import problems
from service.api.reuse import reusable
from service.api.routes.idempotency import IdempotencyKey, answered, once
from service.api.routes.jobs.lookup import JobId, found
from service.api.routes.jobs.resolving import resolved
from service.api.routes.listing import Page, label_pairs
from service.api.routes.naming import require_id_of_job, require_name_of_model
from service.api.schemas.jobs import ChosenId, Identifier, Job, JobPage
from service.edge.links import link
from service.errors import Conflict, NotFound
from service.store import owners
from service.store.engine import Row
from service.store.states import Job as JobRow
from service.store.states import State, spec_of

router = APIRouter(tags=["jobs"], route_class=DocumentRoute)

MAX_SPEC_BYTES = 64 * 2**10


def queued(job: JobRow, response: Response, background: BackgroundTasks, deps: Dependencies) -> Job:
    """Answer with a new job, and ring for it."""
    # After the answer: a broker that is slow or away is nothing the caller has to wait for.
    background.add_task(deps.doorbell.ring, [job.id])
    response.headers["Location"] = link(f"/jobs/{job.id}")
    return Job.of(job)


def new_job(row: JobRow) -> dict[str, Any]:
    """Give the answer to a request that made a job, as it is kept."""
    return answered(202, Job.of(row), Location=f"/jobs/{row.id}")


def used_again(row: JobRow) -> dict[str, Any]:
    """Give the answer to a request that made none, because there is one that is as good, as it is kept."""
    return answered(200, Job.of(row), **{"Location": f"/jobs/{row.id}", "Preference-Applied": "reuse"})


def _preferences(prefer: str | None) -> set[str]:
    """Read the names in a Prefer header: https://www.rfc-editor.org/rfc/rfc7240."""
    return {part.partition(";")[0].strip().lower() for part in (prefer or "").split(",")}


@router.post(
    "/jobs",
    status_code=202,
    dependencies=[Depends(json_only)],
    max_body_size=MAX_SPEC_BYTES,
    summary="Train a network",
    responses=problems(400, 409, 413, 415, 422, 503, 507),
)
def submit(
    spec: Annotated[TrainingSpec, Body()],
    request: Request,
    response: Response,
    background: BackgroundTasks,
    deps: Deps,
    idempotency_key: IdempotencyKey = None,
    prefer: Annotated[
        str | None,
        Header(
            description="`reuse`: answer with a job that has already succeeded in training an equal spec, on equal "
            "data and by the same version, if there is one (200, and `Preference-Applied: reuse`)."
        ),
    ] = None,
) -> Job:
    """Queue a job that trains one network. The job is on record before this answers, whatever happens to workers."""
    key = once(idempotency_key, request, deps, new_job, spec)
    asked, spec = spec, resolved(spec, deps)
    require_name_of_model(spec.model, deps)
    if "reuse" in _preferences(prefer) and (twin := reusable(spec, asked, deps)) is not None:
        if key is not None:
            deps.store.keys.keep(once(idempotency_key, request, deps, used_again, asked), twin)
        response.status_code = 200
        response.headers.update({"Location": link(f"/jobs/{twin.id}"), "Preference-Applied": "reuse"})
        return Job.of(twin)
    deps.floor.require()
    job = deps.store.submissions.submit_one(spec, asked=asked, key=key)
    return queued(job, response, background, deps)


@router.put(
    "/jobs/{job_id}",
    status_code=202,
    dependencies=[Depends(json_only)],
    max_body_size=MAX_SPEC_BYTES,
    summary="Train a network under an id of one's own",
    responses={
        200: {"model": Job, "description": "The job was there already."},
        **problems(400, 409, 413, 415, 422, 503, 507),
    },
)
def put(
    job_id: Annotated[ChosenId, Path(description="Id that the client chooses: a UUID, say.")],
    spec: Annotated[TrainingSpec, Body()],
    response: Response,
    background: BackgroundTasks,
    deps: Deps,
) -> Job:
    """Queue a job under an id that the client chooses. Repeated, it tells how that job stands, and trains nothing anew.

    One that failed or was cancelled stays so; its `links.retry` trains it anew. 409 if a job with another spec has this
    id, or a model.
    """
    asked = spec
    if deps.store.jobs.get(job_id) is None:
        spec = resolved(spec, deps)
        require_name_of_model(spec.model, deps)
        require_id_of_job(job_id, spec, deps)
        deps.floor.require()
    job, is_new = deps.store.submissions.put(job_id, spec, asked=asked)
    return queued(job, response, background, deps) if is_new else same(job, asked, None, response)


def same(job: JobRow, spec: TrainingSpec, origin: dict[str, Any] | None, response: Response) -> Job:
    """Answer with a job that has the id already which the client has chosen, if it is the one that is asked for."""
    then = TrainingSpec.model_validate(spec_of(job) if job.asked is None else job.asked)
    if job.asked is None:  # from before it was kept what had been left out, and had other defaults
        silent = (field for field in _DEFAULTS_THEN if field not in spec.model_fields_set)
        spec = spec.model_copy(update={name: getattr(then, name) for name in silent if _was_default(then, name, spec)})
    if then != spec:
        raise Conflict(f"there is a job {job.id} already, with another spec; choose another id")
    if origin is not None and job.origin != origin:
        raise Conflict(
            f"there is a job {job.id} already, which is no retry of job {origin['job_id']}; choose another id"
        )
    response.status_code = 200
    response.headers["Location"] = link(f"/jobs/{job.id}")
    return Job.of(job)


_DEFAULTS_THEN = {"model": "default", "promote": "always"}


def _was_default(then: TrainingSpec, field: str, now: TrainingSpec) -> bool:
    return getattr(then, field) in {_DEFAULTS_THEN[field], getattr(now, field)}


@router.get("/jobs", summary="List jobs, the newest first", responses=problems(422, 503))
def find(
    deps: Deps,
    state: Annotated[State | None, Query(description="Only jobs in this state.")] = None,
    name: Annotated[Name | None, Query(description="Only jobs of this name.")] = None,
    sweep: Annotated[Identifier | None, Query(description="Only jobs of the sweep with this id.")] = None,
    label: Annotated[
        list[str] | None, Query(max_length=16, description="Only jobs with this label, `key:value`; may be repeated.")
    ] = None,
    after: Annotated[
        int | None, Query(ge=0, le=2**53, description="Cursor: where the page before ended; see `next`.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="Jobs on a page.")] = 20,
) -> JobPage:
    """List the jobs that match all filters. Follow `next` for more."""
    labels = label_pairs(label)

    def read(count: int) -> Sequence[Row]:
        return deps.store.jobs.find(state=state, name=name, sweep_id=sweep, labels=labels, before=after, limit=count)

    page = Page.of(read, limit=limit, path="/jobs", state=state, name=name, sweep=sweep, label=label)
    return JobPage(data=[Job.of(row) for row in page.rows], has_more=page.has_more, next=page.next)


@router.get("/jobs/{job_id}", summary="Look at a job", responses=problems(404, 503))
def get(job_id: JobId, deps: Deps) -> Job:
    """Tell how a job stands."""
    return Job.of(found(deps.store.jobs.get(job_id), job_id))


@router.delete("/jobs/{job_id}", status_code=204, summary="Delete a job", responses=problems(404, 409, 503, 507))
def delete(job_id: JobId, deps: Deps) -> None:
    """Delete a job, its history and its files.

    409 while it runs: cancel it first. 409 for a job of a sweep: its figures are part of the sweep's.
    """
    unreferenced = deps.store.jobs.delete(job_id)
    if unreferenced is None:
        raise NotFound(f"there is no job {job_id}")
    deps.artifacts.remove(unreferenced)
    deps.artifacts.remove_folder(owners.of_job(job_id))
