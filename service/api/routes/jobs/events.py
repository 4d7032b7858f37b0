"""/jobs/{id}/events: what happened to a job, as a list or a stream of server-sent events."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from service.api.dependencies import Dependencies, Deps
from service.api.problems import problems
from service.api.routes.jobs.lookup import JobId, found
from service.api.routes.listing import Page
from service.api.schemas.recorded import Event, EventPage
from service.api.streaming import StreamedResponse
from service.store.engine import Row, moment
from service.store.states import FINAL_STATES

router = APIRouter(tags=["what is recorded of a job"])

_LOOK_SOONEST, _LOOK_LATEST, _LOOK_EACH = 0.02, 0.2, 0.005
"""Seconds between two looks of a stream for events: the more streams are open, the longer, so that the record is not
asked more often; from forty streams on it is the longest."""
_streams: set[object] = set()
_PING_EVERY_SECONDS = 15.0
_EVENTS_AT_A_TIME = 1000


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
def events(
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
    found(deps.store.jobs.get(job_id), job_id)
    return told(
        lambda after, count: deps.store.jobs.events(job_id, after=after, limit=count),
        lambda: _has_ended(deps, job_id),
        path=f"/jobs/{job_id}/events",
        accept=accept,
        after=max(after, int(last_event_id or 0)),
        limit=limit,
    )


def told(
    read: Callable[[int, int], Sequence[Row]],
    has_ended: Callable[[], bool],
    *,
    path: str,
    accept: str,
    after: int,
    limit: int,
) -> Any:
    """Answer with events, `read` after a number and at most so many: as a page, or as a stream if that is accepted."""
    if "text/event-stream" not in accept.lower():
        page = Page.of(lambda count: read(after, count), limit=limit, path=path)
        return EventPage(data=[_event(row) for row in page.rows], has_more=page.has_more)
    if has_ended() and not read(after, 1):
        return Response(status_code=204)  # tells an EventSource not to come back
    return StreamedResponse(
        _stream(read, has_ended, after), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
    )


async def _stream(
    read: Callable[[int, int], Sequence[Row]], has_ended: Callable[[], bool], after: int
) -> AsyncIterator[bytes]:
    me = object()
    _streams.add(me)
    try:
        async for part in _parts(read, has_ended, after):
            yield part
    finally:
        _streams.discard(me)


async def _parts(
    read: Callable[[int, int], Sequence[Row]], has_ended: Callable[[], bool], after: int
) -> AsyncIterator[bytes]:
    quiet_since = time.monotonic()
    while True:
        # In this order: an event that comes with the end is still found.
        ended = await run_in_threadpool(has_ended)
        rows = await run_in_threadpool(read, after, _EVENTS_AT_A_TIME)
        for row in rows:
            after = row.number
            yield format_sse_event(
                id=str(row.number), event=row.type, data_str=_event(row).model_dump_json(exclude={"id", "type"})
            )
        if ended and not rows:
            yield format_sse_event(event="end", data_str="{}")
            return
        if rows:
            quiet_since = time.monotonic()
            continue
        if time.monotonic() - quiet_since > _PING_EVERY_SECONDS:
            quiet_since = time.monotonic()
            yield KEEPALIVE_COMMENT
        await asyncio.sleep(min(_LOOK_LATEST, max(_LOOK_SOONEST, _LOOK_EACH * len(_streams))))


def _has_ended(deps: Dependencies, job_id: str) -> bool:
    job = deps.store.jobs.get(job_id)
    return job is None or job.state in FINAL_STATES


def _event(row: Row) -> Event:
    return Event(id=row.number, type=row.type, created_at=moment(row.created_at), data=row.data)
