"""/jobs/{id}/metrics: the loss of every batch, its moving average, and accuracies."""

import csv
import io
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse
from numpy.typing import NDArray

from models.downsampling import downsample
from models.moving_average import moving_average
from service.api.dependencies import Deps
from service.api.problems import problems
from service.api.routes.jobs.lookup import JobId, found
from service.api.schemas.jobs import EpochView, Metrics
from service.store.engine import Row

router = APIRouter(tags=["what is recorded of a job"])


@router.get(
    "/jobs/{job_id}/metrics",
    summary="The history of a job",
    response_model=Metrics,
    responses={200: {"content": {"text/csv": {}}}, **problems(404, 422, 503)},
)
def metrics(
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
    """Give the loss of every batch, its moving average, and the accuracies after each epoch."""
    found(deps.store.jobs.get(job_id), job_id)
    epochs = deps.store.jobs.epochs(job_id)
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
