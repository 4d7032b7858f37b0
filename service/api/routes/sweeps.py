"""/sweeps: many trials at once; ranked, compared, cancelled and deleted together."""

from importlib.util import find_spec
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, BackgroundTasks, Body, Depends, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from models.spec import Name
from service.api.dependencies import Given, Parts
from service.api.problems import problems
from service.api.routes.downloads import download, wait_for
from service.api.routes.jobs.submit import IdempotencyKey, answered, json_only, key_to, label_pairs, unless_reused
from service.api.schemas.jobs import Identifier
from service.api.schemas.sweeps import Sweep, SweepPage, SweepPlot, detail, summary, table
from service.errors import Conflict, Fault, Invalid, NotFound, NotYet
from service.store.engine import Row
from service.store.ranking import rank
from service.store.states import StateConflict
from service.store.states import owner_of as owner_of_job
from service.store.sweeps import owner_of
from service.sweeps.expand import expand
from service.sweeps.spec import SweepSpec

router = APIRouter(tags=["sweeps"])

SweepId = Annotated[Identifier, Path(description="Id of a sweep.")]
Limit = Annotated[int, Query(ge=0, le=10_000, description="Trials to show, the best first.")]
# More rings than training processes can hear at once; those of a sweep's other jobs come when these have been heard.
MAX_RINGS = 1000


@router.post(
    "/sweeps",
    status_code=202,
    dependencies=[Depends(json_only)],
    summary="Train many networks",
    responses=problems(400, 409, 413, 415, 422, 503),
)
def submit(
    spec: Annotated[SweepSpec, Body()],
    response: Response,
    background: BackgroundTasks,
    parts: Given,
    idempotency_key: IdempotencyKey = None,
) -> Sweep:
    """Queue the jobs of a sweep, all or none.

    A trial is one choice of values: each combination of a `grid`, `random` draws, draws that learn from each other
    (`tpe`), a list of `trials`, or the ten trials of a study (`preset`). All are checked before any job is queued.
    """
    # What the client sent, before chance has a part in it.
    key = key_to(idempotency_key, spec)
    if (answer := answered(key, parts)) is not None:
        sweep_id, job_ids = answer["id"], list[str]()
        if parts.store.sweeps.get(sweep_id) is None:
            raise Conflict(f"sweep {sweep_id}, submitted under this Idempotency-Key, was deleted; take a new key")
    else:
        if spec.tpe is not None:
            spec = _prepared(spec, parts)
        trials = expand(spec, parts.store.datasets.names())
        with unless_reused():
            sweep_id, job_ids = parts.store.sweeps.submit(spec, trials, key)
    background.add_task(parts.doorbell.ring, job_ids[:MAX_RINGS])
    response.headers["Location"] = f"/sweeps/{sweep_id}"
    return _detail(parts, _found(parts, sweep_id), limit=100)


@router.get("/sweeps", summary="List sweeps, the newest first", responses=problems(422, 503))
def find(
    parts: Given,
    name: Annotated[Name | None, Query(description="Only sweeps of this name.")] = None,
    label: Annotated[
        list[str] | None, Query(max_length=16, description="Only sweeps with this label, `key:value`; may be repeated.")
    ] = None,
    after: Annotated[
        int | None, Query(ge=0, le=2**53, description="Cursor: where the page before ended; see `next`.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="Sweeps on a page.")] = 20,
) -> SweepPage:
    """List the sweeps that match all filters. Follow `next` for more."""
    rows = parts.store.sweeps.find(name=name, labels=label_pairs(label), before=after, limit=limit + 1)
    page, has_more = rows[:limit], len(rows) > limit
    following = None
    if has_more:
        query: dict[str, Any] = {"name": name, "label": label, "limit": limit, "after": page[-1].number}
        following = f"/sweeps?{urlencode({k: v for k, v in query.items() if v is not None}, doseq=True)}"
    tallies = parts.store.sweeps.tally([row.id for row in page])
    return SweepPage(data=[summary(row, tallies[row.id]) for row in page], has_more=has_more, next=following)


@router.get("/sweeps/{sweep_id}", summary="Look at a sweep", responses=problems(404, 422, 503))
def get(sweep_id: SweepId, parts: Given, limit: Limit = 100) -> Sweep:
    """Tell how a sweep stands, and rank its trials by the mean of their best validation accuracies."""
    return _detail(parts, _found(parts, sweep_id), limit=limit)


@router.get(
    "/sweeps/{sweep_id}/table.csv",
    summary="The jobs of a sweep as a table",
    response_class=Response,
    responses={200: {"content": {"text/csv": {}}}, **problems(404, 503)},
)
def as_table(sweep_id: SweepId, parts: Given) -> Response:
    """Give one line a job: its trial, seed and state, the fields in which the trials differ, and what it reached."""
    spec = SweepSpec.model_validate(_found(parts, sweep_id).spec)
    return Response(table(spec, rank(spec, parts.store.sweeps.jobs(sweep_id))), media_type="text/csv")


@router.get(
    "/sweeps/{sweep_id}/plots/{plot}.png",
    summary="A plot of a sweep",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}}, **problems(404, 409, 422, 503)},
)
async def plot(sweep_id: SweepId, plot: SweepPlot, request: Request, parts: Given) -> Response:
    """Give a plot of a sweep as it stands; a worker draws it when somebody asks, also while the sweep runs.

    `curves`: accuracies over epochs, of the best trials. `comparison`: final accuracies, trial beside trial, with what
    a study reported. `parallel`: which values of the fields lead where.
    """
    row = await run_in_threadpool(_found, parts, sweep_id)
    await run_in_threadpool(_require_something_to_draw, parts, row, plot)
    progress = await run_in_threadpool(parts.store.sweeps.progress, sweep_id)

    def drawn() -> Row | None:
        picture = parts.store.files.get(owner_of(sweep_id), f"{plot}.png")
        return picture if picture is not None and picture.epoch >= progress else None

    if await run_in_threadpool(drawn) is None:
        if not await run_in_threadpool(parts.doorbell.ask_for_sweep_plot, sweep_id, plot):
            raise NotYet("the broker does not answer, so that no worker can be asked to draw", retry_after=5)
        what = "the plot was asked for but is not drawn yet; is a worker for errands running?"
        await wait_for(drawn, seconds=parts.settings.max_wait_seconds, what=what)

    def picture() -> Row:
        file = parts.store.files.get(owner_of(sweep_id), f"{plot}.png")
        if file is None:
            raise NotFound(f"there is no sweep {sweep_id}")
        return file

    return await run_in_threadpool(download, request, parts, picture, media_type="image/png")


@router.post("/sweeps/{sweep_id}/cancel", status_code=202, summary="Cancel a sweep", responses=problems(404, 409, 503))
def cancel(sweep_id: SweepId, parts: Given) -> Sweep:
    """Cancel the jobs that wait, and stop those that run within a batch; what they have learned is kept.

    Cancelling a sweep twice is no error. 409 if it has already ended by itself.
    """
    try:
        parts.store.sweeps.cancel(sweep_id)
    except StateConflict:
        raise Conflict(f"sweep {sweep_id} has already ended; there is nothing to cancel") from None
    return _detail(parts, _found(parts, sweep_id), limit=100)


@router.delete("/sweeps/{sweep_id}", status_code=204, summary="Delete a sweep", responses=problems(404, 409, 503))
def delete(sweep_id: SweepId, parts: Given) -> None:
    """Delete a sweep, its jobs, and all that is recorded of them. 409 while it runs: cancel it first."""
    try:
        deleted = parts.store.sweeps.delete(sweep_id)
    except StateConflict:
        raise Conflict(f"sweep {sweep_id} is running; cancel it with POST /sweeps/{sweep_id}/cancel first") from None
    if deleted is None:
        raise NotFound(f"there is no sweep {sweep_id}")
    job_ids, unreferenced = deleted
    parts.artifacts.remove(unreferenced)
    for owner in (owner_of(sweep_id), *map(owner_of_job, job_ids)):
        parts.artifacts.remove_folder(owner)


def _prepared(spec: SweepSpec, parts: Parts) -> SweepSpec:
    """Settle how many trials a sweep that learns has under way at a time."""
    assert spec.tpe is not None
    if find_spec("optuna") is None:
        detail = "tpe needs Optuna, which is not installed here: pip install 'tenfold[optuna]'; or use random"
        raise Invalid(detail, faults=[Fault("/tpe", detail)])
    slots = parts.store.workers.slots(seconds=3 * parts.settings.heartbeat_seconds)
    tpe = spec.tpe.model_copy(update={"parallel": spec.tpe.parallel or min(1000, max(4, 2 * slots))})
    return spec.model_copy(update={"tpe": tpe})


def _found(parts: Parts, sweep_id: str) -> Row:
    row = parts.store.sweeps.get(sweep_id)
    if row is None:
        raise NotFound(f"there is no sweep {sweep_id}")
    return row


def _detail(parts: Parts, row: Row, *, limit: int) -> Sweep:
    spec = SweepSpec.model_validate(row.spec)
    tally = parts.store.sweeps.tally([row.id])[row.id]
    return detail(row, spec, tally, rank(spec, parts.store.sweeps.jobs(row.id)), limit=limit)


def _require_something_to_draw(parts: Parts, row: Row, plot: SweepPlot) -> None:
    tally = parts.store.sweeps.tally([row.id])[row.id]
    if plot == "curves" and not tally.epochs_done:
        raise Conflict(f"no job of sweep {row.id} has finished an epoch yet; there is nothing to draw")
    if plot != "curves" and not tally.counts["succeeded"]:
        raise Conflict(f"no job of sweep {row.id} has succeeded yet; there is nothing to compare")
    if plot == "parallel" and not SweepSpec.model_validate(row.spec).varied:
        raise Conflict(f"the trials of sweep {row.id} do not differ in any field")
