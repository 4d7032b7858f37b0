"""/jobs: submit, list, look at and delete."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Body, Depends, Header, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from models.spec import TrainingSpec
from models.terms import Name
from service.api.dependencies import Dependencies, Deps, json_only
from service.api.documents import DocumentRoute
from service.api.following.happening import of_job
from service.api.following.prefer import Prefer, ended, preferences, seconds_to_wait
from service.api.problems import problems
from service.api.reuse import reusable
from service.api.routes.field_masks import Shown, as_list
from service.api.routes.idempotency import IdempotencyKey, answered, once
from service.api.routes.jobs.lookup import JobId, found
from service.api.routes.jobs.planned import AS_PLANNED, DryRun, planned
from service.api.routes.jobs.resolving import resolved
from service.api.routes.listing import Page, label_pairs
from service.api.routes.naming import require_id_of_job, require_name_of_model
from service.api.routes.queue import waiting
from service.api.schemas.jobs import ChosenId, Identifier, Job, JobPage
from service.edge.links import link
from service.errors import Conflict, NotFound
from service.store import owners
from service.store.engine import Row
from service.store.states import FINAL_STATES, State, spec_of
from service.store.states import Job as JobRow

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


@router.post(
    "/jobs",
    status_code=202,
    dependencies=[Depends(json_only)],
    max_body_size=MAX_SPEC_BYTES,
    summary="Train a network",
    response_model=Job,
    responses={200: AS_PLANNED, **problems(400, 409, 413, 415, 422, 503, 507)},
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
    dry_run: DryRun = False,
) -> Any:
    """Queue a job that trains one network. The job is on record before this answers, whatever happens to workers.

    With `dry_run` nothing is queued, and no key is taken: it tells what the job would take, and when it would begin.
    """
    if dry_run:
        return planned(spec, deps, reuse="reuse" in preferences(prefer))
    key = once(idempotency_key, request, deps, new_job, spec)
    asked, spec = spec, resolved(spec, deps)
    require_name_of_model(spec.model, deps)
    if "reuse" in preferences(prefer) and (twin := reusable(spec, asked, deps)) is not None:
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


@router.get("/jobs", summary="List jobs, the newest first", response_model=JobPage, responses=as_list(503))
def find(
    deps: Deps,
    shown: Shown,
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
) -> Response:
    """List the jobs that match all filters. Follow `next` for more."""
    labels = label_pairs(label)

    def read(count: int) -> Sequence[Row]:
        return deps.store.jobs.find(state=state, name=name, sweep_id=sweep, labels=labels, before=after, limit=count)

    page = Page.of(read, limit=limit, path="/jobs", state=state, name=name, sweep=sweep, label=label)
    jobs = [Job.of(row) for row in page.rows]
    return shown.answer(JobPage(data=jobs, has_more=page.has_more, next=page.next))


@router.get("/jobs/{job_id}", summary="Look at a job", responses=problems(404, 503))
async def get(job_id: JobId, response: Response, deps: Deps, prefer: Prefer = None) -> Job:
    """Tell how a job stands; and of one that is queued, what it waits for."""

    def look() -> JobRow:
        return found(deps.store.jobs.get(job_id), job_id)

    def shown(job: JobRow) -> Job:
        return Job.of(job).model_copy(update={"waiting": waiting(job, deps)})

    seconds = seconds_to_wait(prefer, deps, response)
    if seconds is None:
        return await run_in_threadpool(lambda: shown(look()))
    job = await ended(deps.feed, of_job(deps.account, job_id), look, lambda job: job.state in FINAL_STATES, seconds)
    return await run_in_threadpool(shown, job)


@router.delete("/jobs/{job_id}", status_code=204, summary="Delete a job", responses=problems(404, 409, 503, 507))
def delete(job_id: JobId, deps: Deps) -> None:
    """Delete a job, its history and its files.

    409 while it runs: cancel it first. 409 for a job of a sweep: its figures are part of the sweep's.
    """
    if not removed(job_id, deps):
        raise NotFound(f"there is no job {job_id}")
    deps.store.database.give_back()


def removed(job_id: str, deps: Dependencies) -> bool:
    """Delete a job with its files; gives whether it was there. Raises PartOfSweep, and StateConflict."""
    unreferenced = deps.store.jobs.delete(job_id)
    if unreferenced is None:
        return False
    deps.artifacts.remove(unreferenced)
    deps.artifacts.remove_folder(owners.of_job(job_id))
    return True
