"""/jobs/{id}/...: what is recorded of a job: metrics, plots, checkpoints, examples, events."""

import asyncio
import csv
import io
import json
import time
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from numpy.typing import NDArray

from models.curves import downsample, moving_average
from models.images import from_base64
from service.api.dependencies import Given, Parts
from service.api.problems import problems
from service.api.routes.downloads import download, opened, wait_for
from service.api.routes.jobs.submit import JobId, found
from service.api.schemas.jobs import (
    Checkpoint,
    CheckpointList,
    CheckpointName,
    EpochView,
    Event,
    EventPage,
    Examples,
    Metrics,
    Plot,
    moment,
)
from service.errors import Conflict, Damaged, NotFound, NotYet
from service.store.engine import Row
from service.store.states import FINAL_STATES, owner_of

router = APIRouter(tags=["what is recorded of a job"])

_LOOK_FOR_EVENTS_EVERY_SECONDS = 0.2
_PING_EVERY_SECONDS = 15.0
_PNG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/png": {}}}}


@router.get(
    "/jobs/{job_id}/metrics",
    summary="The history of a job",
    response_model=Metrics,
    responses={200: {"content": {"text/csv": {}}}, **problems(404, 422, 503)},
)
def metrics(
    job_id: JobId,
    parts: Given,
    max_points: Annotated[
        int | None,
        Query(ge=4, le=1_000_000, description="Give at most so many losses; each bucket keeps its extremes."),
    ] = None,
    format: Annotated[  # noqa: A002 - the name of the query parameter
        Literal["json", "csv"], Query(description="`csv`: one line a batch.")
    ] = "json",
) -> Response:
    """Give the loss of every batch, its moving average, and the accuracies after each epoch."""
    found(parts.store.jobs.get(job_id), job_id)
    epochs = parts.store.jobs.epochs(job_id)
    losses = np.frombuffer(b"".join(epoch.losses for epoch in epochs), "<f4")
    average = moving_average(losses)
    kept = np.arange(len(losses)) if max_points is None else downsample(losses, max_points)
    iters, kept_losses, kept_average = (kept + 1).tolist(), _plain(losses[kept]), _plain(average[kept])
    if format == "csv":
        return Response(_csv(epochs, iters, kept_losses, kept_average), media_type="text/csv")
    return JSONResponse(
        {
            "iters": iters,
            "losses": kept_losses,
            "moving_average": kept_average,
            "train_acc": [epoch.train_accuracy for epoch in epochs],
            "val_acc": [epoch.val_accuracy for epoch in epochs],
            "epochs": [EpochView.model_validate(epoch, from_attributes=True).model_dump() for epoch in epochs],
            "total_points": len(losses),
            "reduced": len(kept) < len(losses),
        }
    )


def _plain(values: NDArray[Any]) -> list[float | None]:
    """Round to seven digits, which is what single precision holds, and put null where there is no number."""
    return [
        float(f"{value:.7g}") if finite else None for value, finite in zip(values, np.isfinite(values), strict=True)
    ]


def _csv(epochs: Sequence[Row], iters: list[int], losses: list[float | None], average: list[float | None]) -> str:
    ends = {epoch.iterations: epoch for epoch in epochs}
    bounds = [epoch.iterations for epoch in epochs]
    numbers = np.searchsorted(bounds, iters, side="left")
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["iteration", "epoch", "loss", "moving_average", "train_acc", "val_acc"])
    for iteration, row, loss, mean in zip(iters, numbers, losses, average, strict=True):
        end = ends.get(iteration)
        accuracies = (end.train_accuracy, end.val_accuracy) if end else (None, None)
        writer.writerow([iteration, epochs[row].epoch, loss, mean, *accuracies])
    return text.getvalue()


@router.get(
    "/jobs/{job_id}/plots/{plot}.png",
    summary="A plot of a job",
    response_class=Response,
    responses={**_PNG, **problems(404, 409, 422, 500, 503)},
)
async def plot(job_id: JobId, plot: Plot, request: Request, parts: Given) -> Response:
    """Give a plot of a job as it stands; a worker draws it when somebody asks, also while the job runs."""
    job = found(await run_in_threadpool(parts.store.jobs.get, job_id), job_id)
    if job.last_epoch == 0:
        raise Conflict(f"job {job_id} has not finished an epoch yet; there is nothing to draw")

    def drawn() -> Row | None:
        picture = parts.store.files.get(owner_of(job_id), f"{plot}.png")
        return picture if picture is not None and picture.epoch >= job.last_epoch else None

    if await run_in_threadpool(drawn) is None:
        if not await run_in_threadpool(parts.doorbell.ask_for_plot, job_id, plot):
            raise NotYet("the broker does not answer, so that no worker can be asked to draw", retry_after=5)
        what = "the plot was asked for but is not drawn yet; is a worker for errands running?"
        await wait_for(drawn, seconds=parts.settings.max_wait_seconds, what=what)
    return await run_in_threadpool(
        download, request, parts, lambda: _file(parts, job_id, f"{plot}.png"), media_type="image/png"
    )


@router.get("/jobs/{job_id}/checkpoints", summary="The checkpoints of a job", responses=problems(404, 500, 503))
def checkpoints(job_id: JobId, parts: Given) -> CheckpointList:
    """List the weights after the last and after the best epoch."""
    found(parts.store.jobs.get(job_id), job_id)
    files = {file.name: file for file in parts.store.files.of(owner_of(job_id))}
    names: list[CheckpointName] = ["last", "best"]
    return CheckpointList(
        data=[
            Checkpoint(
                name=name,
                epoch=weights.epoch,
                sha256=weights.sha256,
                size=weights.size,
                created_at=moment(weights.created_at),
                url=f"/jobs/{job_id}/checkpoints/{name}.safetensors",
                about=_read_json(parts, job_id, f"{name}.json"),
            )
            for name in names
            if (weights := files.get(f"{name}.safetensors")) is not None
        ]
    )


@router.get(
    "/jobs/{job_id}/checkpoints/{name}.safetensors",
    summary="Download weights",
    response_class=Response,
    responses={
        200: {"content": {"application/octet-stream": {}}, "description": "The weights, as safetensors."},
        206: {"description": "The range that was asked for."},
        304: {"description": "Not changed since `If-None-Match`."},
        **problems(404, 422, 500, 503),
    },
)
def weights(job_id: JobId, name: CheckpointName, request: Request, parts: Given) -> Response:
    """Download the weights after the last or the best epoch. The ETag is the file's SHA-256; ranges are served."""
    return download(
        request,
        parts,
        lambda: _file(parts, job_id, f"{name}.safetensors"),
        media_type="application/octet-stream",
        filename=f"{job_id}-{name}.safetensors",
    )


@router.get("/jobs/{job_id}/examples", summary="Images to try a network with", responses=problems(404, 409, 500, 503))
def examples(
    job_id: JobId, parts: Given, limit: Annotated[int, Query(ge=1, le=100, description="How many images.")] = 10
) -> Examples:
    """Give images of the validation part with their labels: the network never saw them in training."""
    found(parts.store.jobs.get(job_id), job_id)
    evaluation = _read_json(parts, job_id, "evaluation.json")
    if not evaluation:
        raise Conflict(f"job {job_id} has not finished an epoch yet; it has no validation images")
    chosen = evaluation["examples"]
    return Examples(images=from_base64(chosen["images"])[:limit].tolist(), labels=chosen["labels"][:limit])


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
    parts: Given,
    accept: Annotated[str, Header()] = "*/*",
    last_event_id: Annotated[str, Header(pattern=r"^\d{0,18}$", description="Go on after this event.")] = "",
    after: Annotated[int, Query(ge=0, le=2**53, description="Only events with a greater id.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000, description="Events in a list.")] = 100,
) -> Any:
    """List what happened, or, for a client that accepts `text/event-stream`, stream it as it happens.

    The stream ends with the job, by an event `end`. A client that comes back with `Last-Event-ID` misses nothing.
    """
    found(parts.store.jobs.get(job_id), job_id)
    after = max(after, int(last_event_id or 0))
    if "text/event-stream" not in accept.lower():
        rows = parts.store.jobs.events(job_id, after=after, limit=limit + 1)
        return EventPage(data=[_event(row) for row in rows[:limit]], has_more=len(rows) > limit)
    if _has_ended(parts, job_id) and not parts.store.jobs.events(job_id, after=after, limit=1):
        return Response(status_code=204)  # tells an EventSource not to come back
    return StreamingResponse(
        _stream(parts, job_id, after), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
    )


async def _stream(parts: Parts, job_id: str, after: int) -> AsyncIterator[bytes]:
    quiet_since = time.monotonic()
    while True:
        # In this order: an event that comes with the end is still found.
        ended = await run_in_threadpool(_has_ended, parts, job_id)
        rows = await run_in_threadpool(parts.store.jobs.events, job_id, after=after)
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
        await asyncio.sleep(_LOOK_FOR_EVENTS_EVERY_SECONDS)


def _has_ended(parts: Parts, job_id: str) -> bool:
    job = parts.store.jobs.get(job_id)
    return job is None or job.state in FINAL_STATES


def _event(row: Row) -> Event:
    return Event(id=row.number, type=row.type, created_at=moment(row.created_at), data=row.data)


def _file(parts: Parts, job_id: str, name: str) -> Row:
    file = parts.store.files.get(owner_of(job_id), name)
    if file is None:
        found(parts.store.jobs.get(job_id), job_id)
        raise NotFound(f"job {job_id} has no {name}; checkpoints are there once an epoch has ended")
    return file


def _read_json(parts: Parts, job_id: str, name: str) -> dict[str, Any]:
    """Read a small file of a job, which a running job may just be replacing; empty when there is none."""

    def read(file: Row) -> dict[str, Any]:
        try:
            return dict(json.loads(parts.artifacts.read(file.key, file.sha256)))
        except ValueError as error:
            raise Damaged(f"{name} of job {job_id} can not be used: {error}") from error

    try:
        return opened(lambda: _file(parts, job_id, name), read)
    except NotFound:
        return {}
