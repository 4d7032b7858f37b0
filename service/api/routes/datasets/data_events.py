"""/datasets/{name}/versions/{version}/events: what happened to a version, as a list or a stream."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from fastapi.concurrency import run_in_threadpool

from service.api.dependencies import Deps
from service.api.following.happening import of_data
from service.api.problems import problems
from service.api.routes.datasets.looked_up import DatasetName, Number, the_version
from service.api.routes.jobs.events import told
from service.api.schemas.recorded import EventPage

router = APIRouter(tags=["data sets"])


@router.get(
    "/datasets/{name}/versions/{version}/events",
    summary="What happened to a version",
    response_model=EventPage,
    responses={
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}},
        204: {"description": "The stream has ended, and the client has seen all of it."},
        **problems(404, 422, 503),
    },
)
async def events(
    name: DatasetName,
    version: Number,
    deps: Deps,
    accept: Annotated[str, Header()] = "*/*",
    last_event_id: Annotated[str, Header(pattern=r"^\d{0,18}$", description="Go on after this event.")] = "",
    after: Annotated[int, Query(ge=0, le=2**53, description="Only events with a greater id.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000, description="Events in a list.")] = 100,
) -> Any:
    """List what happened (`data.reading`, `data.ready`, `data.failed`, `data.cancelled`), or stream it as it happens.

    The stream ends with the reading, by an event `end`. A client that comes back with `Last-Event-ID` misses nothing.
    """
    row = await run_in_threadpool(the_version, deps, name, version)

    def has_ended() -> bool:
        row = deps.store.datasets.version(name, version)
        return row is None or row.state != "reading"

    return await told(
        deps,
        of_data(row.account, name, version),
        lambda start, count: deps.store.datasets.events(name, version, after=start, limit=count),
        has_ended,
        path=f"/datasets/{name}/versions/{version}/events",
        accept=accept,
        after=max(after, int(last_event_id or 0)),
        limit=limit,
    )
