"""/jobs: submit, list, look at, cancel and delete."""

import re
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, BackgroundTasks, Body, Depends, Path, Query, Request, Response

from models.spec import Name, TrainingSpec
from service.datasets import exists
from service.errors import Conflict, Fault, Invalid, NotFound, UnsupportedMedia
from service.routes import Given
from service.schemas import Identifier, Job, JobPage, problems
from service.store.jobs import Job as JobRow
from service.store.jobs import PartOfSweep, State, StateConflict, owner_of

router = APIRouter(tags=["jobs"])

JobId = Annotated[Identifier, Path(description="Id of a job.")]
MAX_SPEC_BYTES = 64 * 2**10
LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*:[A-Za-z0-9._ -]*")


def found(job: JobRow | None, job_id: str) -> JobRow:
    """Give the job, or raise NotFound."""
    if job is None:
        raise NotFound(f"there is no job {job_id}")
    return job


def json_only(request: Request) -> None:
    """Refuse a body of another media type."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise UnsupportedMedia("send application/json")


def label_pairs(label: list[str] | None) -> list[tuple[str, str]]:
    """Read labels that are sought as key:value."""
    for text in label or []:
        if not LABEL.fullmatch(text):
            raise Invalid(
                "a label is sought as key:value",
                faults=[Fault("#query/label", f"{text!r} is not of the form key:value")],
            )
    return [(key, value) for key, _, value in (text.partition(":") for text in label or [])]


@router.post(
    "/jobs",
    status_code=202,
    dependencies=[Depends(json_only)],
    max_body_size=MAX_SPEC_BYTES,
    summary="Train a network",
    responses=problems(400, 413, 415, 422, 503),
)
def submit(spec: Annotated[TrainingSpec, Body()], response: Response, background: BackgroundTasks, parts: Given) -> Job:
    """Queue a job that trains one network. The job is on record before this answers, whatever happens to workers."""
    if not exists(spec.dataset, parts.store):
        raise Invalid(
            f"there is no data set called {spec.dataset!r}; GET /datasets lists them",
            faults=[Fault("/dataset", f"there is no data set called {spec.dataset!r}; GET /datasets lists them")],
        )
    (job_id,) = parts.store.jobs.submit([spec])
    # After the answer: a broker that is slow or away is nothing the caller has to wait for.
    background.add_task(parts.doorbell.ring, [job_id])
    response.headers["Location"] = f"/jobs/{job_id}"
    return Job.of(found(parts.store.jobs.get(job_id), job_id))


@router.get("/jobs", summary="List jobs, the newest first", responses=problems(422, 503))
def find(
    parts: Given,
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
    rows = parts.store.jobs.find(
        state=state, name=name, sweep_id=sweep, labels=label_pairs(label), before=after, limit=limit + 1
    )
    page, has_more = rows[:limit], len(rows) > limit
    following = None
    if has_more:
        query: dict[str, Any] = {"state": state, "name": name, "sweep": sweep, "label": label, "limit": limit}
        query["after"] = page[-1].number
        kept = {key: value for key, value in query.items() if value is not None}
        following = f"/jobs?{urlencode(kept, doseq=True)}"
    return JobPage(data=[Job.of(row) for row in page], has_more=has_more, next=following)


@router.get("/jobs/{job_id}", summary="Look at a job", responses=problems(404, 503))
def get(job_id: JobId, parts: Given) -> Job:
    """Tell how a job stands."""
    return Job.of(found(parts.store.jobs.get(job_id), job_id))


@router.post("/jobs/{job_id}/cancel", status_code=202, summary="Cancel a job", responses=problems(404, 409, 503))
def cancel(job_id: JobId, parts: Given) -> Job:
    """Cancel a job that waits, or stop one that runs within a batch; what it has learned so far is kept.

    Cancelling a job twice is no error. 409 if it has already succeeded or failed.
    """
    try:
        return Job.of(found(parts.store.jobs.cancel(job_id), job_id))
    except StateConflict as conflict:
        raise Conflict(f"job {job_id} has already {conflict.state}; there is nothing to cancel") from None


@router.delete("/jobs/{job_id}", status_code=204, summary="Delete a job", responses=problems(404, 409, 503))
def delete(job_id: JobId, parts: Given) -> None:
    """Delete a job, its history and its files.

    409 while it runs: cancel it first. 409 for a job of a sweep: its figures are part of the sweep's.
    """
    try:
        if not parts.store.jobs.delete(job_id):
            raise NotFound(f"there is no job {job_id}")
    except PartOfSweep as part:
        raise Conflict(f"job {job_id} belongs to a sweep; delete that with DELETE /sweeps/{part.sweep_id}") from None
    except StateConflict:
        raise Conflict(f"job {job_id} is running; cancel it with POST /jobs/{job_id}/cancel first") from None
    parts.artifacts.remove_all(owner_of(job_id))
