"""/jobs/{id}/events: what happened to a job, as a list or a stream of server-sent events."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from fastapi.concurrency import run_in_threadpool

from service.api.dependencies import Dependencies, Deps
from service.api.following import streams
from service.api.following.happening import Subject, of_job
from service.api.problems import problems
from service.api.routes.jobs.lookup import JobId, found
from service.api.routes.listing import Page
from service.api.schemas.recorded import Event, EventPage
from service.store.engine import Row
from service.store.states import FINAL_STATES

router = APIRouter(tags=["what is recorded of a job"])


@router.get(
    "/jobs/{job_id}/events",
    summary="What happened to a job",
    response_model=EventPage,
    responses={
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}},
        204: {"description": "The stream has ended, and the client has seen all of it."},
        **problems(404, 422, 503),
    },
)
async def events(
    job_id: JobId,
    deps: Deps,
    accept: Annotated[str, Header()] = "*/*",
    last_event_id: Annotated[str, Header(pattern=r"^\d{0,18}$", description="Go on after this event.")] = "",
    after: Annotated[int, Query(ge=0, le=2**53, description="Only events with a greater id.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000, description="Events in a list.")] = 100,
) -> Any:
    """List what happened, or, for a client that accepts `text/event-stream`, stream it as it happens.

    The stream ends with the job, by an event `end`. A client that comes back with `Last-Event-ID` misses nothing.
    """
    found(await run_in_threadpool(deps.store.jobs.get, job_id), job_id)
    return await told(
        deps,
        of_job(deps.account, job_id),
        lambda after, count: deps.store.jobs.events(job_id, after=after, limit=count),
        lambda: _has_ended(deps, job_id),
        path=f"/jobs/{job_id}/events",
        accept=accept,
        after=max(after, int(last_event_id or 0)),
        limit=limit,
    )


async def told(
    deps: Dependencies,
    subject: Subject,
    read: Callable[[int, int], Sequence[Row]],
    has_ended: Callable[[], bool],
    *,
    path: str,
    accept: str,
    after: int,
    limit: int,
) -> Any:
    """Answer with events, `read` after a number and at most so many: as a page, or as a stream if that is accepted."""
    if not streams.are_asked_for(accept):
        page = await run_in_threadpool(Page.of, lambda count: read(after, count), limit=limit, path=path)
        return EventPage(data=[Event.of(row) for row in page.rows], has_more=page.has_more)
    if await run_in_threadpool(lambda: has_ended() and not read(after, 1)):
        return Response(status_code=streams.NO_MORE)
    return streams.streamed(streams.until_the_end(deps.feed, subject, read, has_ended, after))


def _has_ended(deps: Dependencies, job_id: str) -> bool:
    job = deps.store.jobs.get(job_id)
    return job is None or job.state in FINAL_STATES
