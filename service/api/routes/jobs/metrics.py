"""/jobs/{id}/metrics: the loss of every batch, its moving average, and accuracies."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Query, Response
from fastapi.concurrency import run_in_threadpool
from numpy.typing import NDArray

from models.downsampling import bucket_width, extremes
from models.moving_average import WINDOW, moving_average
from service.api.dependencies import Dependencies, Deps
from service.api.problems import problems
from service.api.routes.jobs.lookup import JobId, found
from service.api.schemas.recorded import EpochView, Metrics
from service.api.streaming import streamed
from service.store.history import History

router = APIRouter(tags=["what is recorded of a job"])

_BATCHES = 8192
"""Losses that are read for one piece of an answer, about."""

Part = tuple[NDArray[np.intp], NDArray[np.float32], NDArray[np.float64]]
"""Batches of a part of a history, counted from 0, their losses, and the moving average at each."""


@router.get(
    "/jobs/{job_id}/metrics",
    summary="The history of a job",
    response_model=Metrics,
    responses={200: {"content": {"text/csv": {}}}, **problems(404, 422, 503)},
)
async def metrics(
    job_id: JobId,
    deps: Deps,
    max_points: Annotated[
        int | None,
        Query(ge=4, le=1_000_000, description="Give at most so many losses; each bucket keeps its extremes."),
    ] = None,
    format: Annotated[  # noqa: A002 - the name of the query parameter
        Literal["json", "csv"], Query(description="`csv`: one line a batch.")
    ] = "json",
) -> Response:
    """Give the loss of every batch, its moving average, and the accuracies after each epoch.

    The answer is made while it is read. Should the job be deleted meanwhile, the connection ends before the answer.
    """
    history = await run_in_threadpool(_history, deps, job_id)
    if format == "csv":
        return await streamed(_csv(history, max_points), "text/csv")
    return await streamed(_json(history, max_points), "application/json")


def _history(deps: Dependencies, job_id: str) -> History:
    found(deps.store.jobs.get(job_id), job_id)
    return History.of(deps.store.database, job_id)


def _parts(history: History, max_points: int | None) -> Iterator[Part]:
    """Give the history in parts, and of each those batches that are kept."""
    count = history.batches
    is_reduced = max_points is not None and count > max_points
    width = bucket_width(count, max_points) if max_points is not None and is_reduced else 1
    step = max(1, _BATCHES // width) * width
    for start in range(0, count, step):
        before = min(start, WINDOW - 1)  # what the first averages of a part need of the part before
        losses = history.losses(start - before, min(start + step, count))
        average, losses = moving_average(losses)[before:], losses[before:]
        kept = extremes(losses, width) if is_reduced else np.arange(len(losses))
        yield kept + start, losses[kept], average[kept]


def _json(history: History, max_points: int | None) -> Iterator[bytes]:
    total = history.batches
    epochs = [EpochView.model_validate(epoch, from_attributes=True).model_dump() for epoch in history.epochs]
    rest = {
        "train_acc": [epoch.train_accuracy for epoch in history.epochs],
        "val_acc": [epoch.val_accuracy for epoch in history.epochs],
        "epochs": epochs,
        "total_points": total,
        "reduced": max_points is not None and total > max_points,
    }

    def numbers(of: Callable[[Part], list[Any]]) -> Iterator[bytes]:
        separator = b""
        for part in _parts(history, max_points):
            yield separator + _written(of(part))[1:-1]
            separator = b","

    return chain(
        [b'{"iters":['],
        numbers(lambda part: (part[0] + 1).tolist()),
        [b'],"losses":['],
        numbers(lambda part: _plain(part[1])),
        [b'],"moving_average":['],
        numbers(lambda part: _plain(part[2])),
        [b"]," + _written(rest)[1:]],
    )


def _written(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _plain(values: NDArray[Any]) -> list[float | None]:
    """Round to seven digits, which is what single precision holds, and put null where there is no number."""
    return [
        float(f"{value:.7g}") if finite else None
        for value, finite in zip(values.tolist(), np.isfinite(values).tolist(), strict=True)
    ]


def _csv(history: History, max_points: int | None) -> Iterator[bytes]:
    ends = {epoch.iterations: epoch for epoch in history.epochs}
    bounds = [epoch.iterations for epoch in history.epochs]
    yield _lines([["iteration", "epoch", "loss", "moving_average", "train_acc", "val_acc"]])
    for kept, losses, average in _parts(history, max_points):
        numbers, rows = np.searchsorted(bounds, kept + 1, side="left"), list[Sequence[Any]]()
        values = zip((kept + 1).tolist(), numbers, _plain(losses), _plain(average), strict=True)
        for iteration, row, loss, mean in values:
            end = ends.get(iteration)
            accuracies = (end.train_accuracy, end.val_accuracy) if end else (None, None)
            rows.append([iteration, history.epochs[row].epoch, loss, mean, *accuracies])
        yield _lines(rows)


def _lines(rows: Sequence[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
