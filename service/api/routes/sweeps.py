"""/sweeps: many trials at once; ranked, compared, cancelled and deleted together."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Body, Depends, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from models.terms import Name
from service.api.dependencies import Dependencies, Deps, json_only
from service.api.documents import DocumentRoute
from service.api.following.happening import of_sweep
from service.api.following.prefer import Prefer, ended, seconds_to_wait
from service.api.gate import own_pages_only
from service.api.planning import plan
from service.api.problems import problems
from service.api.routes.downloads import conditions, download, file_of_type
from service.api.routes.field_masks import Shown, as_list
from service.api.routes.idempotency import IdempotencyKey, once
from service.api.routes.jobs.planned import DryRun
from service.api.routes.jobs.resolving import expanded
from service.api.routes.listing import Page, label_pairs
from service.api.routes.naming import require_name_of_model
from service.api.routes.on_demand import drawn
from service.api.schemas.jobs import Identifier
from service.api.schemas.plans import SweepPlan
from service.api.schemas.sweeps import Sweep, SweepPage, SweepPlot, Written, summary, table, written
from service.api.sharing import Shared
from service.api.streaming import sliced, streamed
from service.edge.links import link
from service.errors import Conflict, Fault, Invalid, NotFound
from service.store import owners
from service.store.engine import Row
from service.store.errors import Repeated
from service.store.ranking import rank
from service.store.tally import state_of
from service.sweeps.expand import Trial
from service.sweeps.spec import SweepSpec

router = APIRouter(tags=["sweeps"], route_class=DocumentRoute)

SweepId = Annotated[Identifier, Path(description="Id of a sweep.")]
Limit = Annotated[int, Query(ge=0, le=10_000, description="Trials to show, the best first.")]
_TRIALS = 100
_AGAIN_SECONDS = 2.0
"""After which a sweep is looked at that is waited for: one that has no more trials to come ends by no event."""

_AS_PLANNED: dict[str, Any] = {"model": SweepPlan, "description": "With `dry_run`: what the sweep would take."}
_shared: Shared[Written] = Shared("sweeps")
_tables: Shared[bytes] = Shared("tables")
"""One thread each: the jobs of a sweep are in memory one sweep at a time, for ten thousand take tens of megabytes."""


@router.post(
    "/sweeps",
    status_code=202,
    dependencies=[Depends(json_only)],
    summary="Train many networks",
    response_model=Sweep,
    responses={200: _AS_PLANNED, **problems(400, 409, 413, 415, 422, 503, 507)},
)
async def submit(
    spec: Annotated[SweepSpec, Body()],
    request: Request,
    background: BackgroundTasks,
    deps: Deps,
    idempotency_key: IdempotencyKey = None,
    dry_run: DryRun = False,
) -> Response:
    """Queue the jobs of a sweep, all or none.

    A trial is one choice of values: each combination of a `grid`, `random` draws, draws that learn from each other
    (`tpe`), a list of `trials`, or the ten trials of a study (`preset`). All are checked before any job is queued.
    With `dry_run` none is: it tells what all of them would take, and when the first would begin.
    """
    if dry_run:
        return await run_in_threadpool(_planned, spec, deps)
    sweep_id, job_ids = await run_in_threadpool(_submitted, spec, request, deps, idempotency_key)
    background.add_task(deps.doorbell.ring, job_ids)
    shown = (await _written(deps, sweep_id, _TRIALS)).first(_TRIALS)
    location = {"Location": link(f"/sweeps/{sweep_id}")}
    return Response(shown, status_code=202, media_type="application/json", headers=location)


def _submitted(
    spec: SweepSpec, request: Request, deps: Dependencies, idempotency_key: str | None
) -> tuple[str, list[str]]:
    """Put a sweep on record, unless it was submitted before; gives its id, and those of the jobs that are new."""
    try:
        # What the client sent, before chance has a part in it; and an answer that is too long to be kept.
        key = once(idempotency_key, request, deps, lambda sweep_id: {"id": sweep_id}, spec)
        deps.floor.require()
        return deps.store.sweeps.submit(*_checked(spec, deps), key)
    except Repeated as first:
        sweep_id = first.answer["id"]
        if deps.store.sweeps.get(sweep_id) is None:
            raise Conflict(
                f"sweep {sweep_id}, submitted under this Idempotency-Key, was deleted; take a new key"
            ) from None
        return sweep_id, []


def _checked(spec: SweepSpec, deps: Dependencies) -> tuple[SweepSpec, list[Trial]]:
    """Give a sweep as it is put on record, and its trials as far as they are known; raises what it is refused with."""
    if spec.tpe is not None:
        spec = _prepared(spec, deps)
    spec, trials = expanded(spec, deps)
    for model in sorted({job.model for trial in trials for job in trial}):
        require_name_of_model(model, deps, "/base/model" if spec.base.get("model") == model else "/trials")
    return spec, trials


def _planned(spec: SweepSpec, deps: Dependencies) -> Response:
    """Answer with what a sweep would take."""
    spec, trials = _checked(spec, deps)
    jobs, times = [job for trial in trials for job in trial], spec.trial_count / len(trials)
    told = SweepPlan(**plan(jobs, deps, times=times), trials=spec.trial_count, jobs=spec.trial_count * spec.seeds)
    return JSONResponse(told.model_dump(mode="json"))


@router.get("/sweeps", summary="List sweeps, the newest first", response_model=SweepPage, responses=as_list(503))
def find(
    deps: Deps,
    shown: Shown,
    name: Annotated[Name | None, Query(description="Only sweeps of this name.")] = None,
    label: Annotated[
        list[str] | None, Query(max_length=16, description="Only sweeps with this label, `key:value`; may be repeated.")
    ] = None,
    after: Annotated[
        int | None, Query(ge=0, le=2**53, description="Cursor: where the page before ended; see `next`.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="Sweeps on a page.")] = 20,
) -> Response:
    """List the sweeps that match all filters. Follow `next` for more."""
    labels = label_pairs(label)

    def read(count: int) -> Sequence[Row]:
        return deps.store.sweeps.find(name=name, labels=labels, before=after, limit=count)

    page = Page.of(read, limit=limit, path="/sweeps", name=name, label=label)
    tallies = deps.store.sweeps.tally([row.id for row in page.rows])
    summaries = [summary(row, tallies[row.id]) for row in page.rows]
    return shown.answer(SweepPage(data=summaries, has_more=page.has_more, next=page.next))


@router.get("/sweeps/{sweep_id}", summary="Look at a sweep", response_model=Sweep, responses=problems(404, 422, 503))
async def get(
    sweep_id: SweepId,
    request: Request,
    response: Response,
    deps: Deps,
    limit: Limit = _TRIALS,
    prefer: Prefer = None,
) -> Response:
    """Tell how a sweep stands, and rank its trials by the mean of their best validation accuracies."""

    def runs() -> bool:
        row = _found(deps, sweep_id)
        return state_of(row, deps.store.sweeps.tally([sweep_id])[sweep_id]) == "running"

    seconds = seconds_to_wait(prefer, deps, response)
    if seconds is not None:
        await ended(deps.feed, of_sweep(sweep_id), runs, lambda still: not still, seconds, again_after=_AGAIN_SECONDS)
    shared = await _written(deps, sweep_id, limit, request)
    answer = await streamed(sliced(shared.first(limit)), "application/json")
    answer.headers.update(response.headers)
    return answer


@router.get(
    "/sweeps/{sweep_id}/table.csv",
    summary="The jobs of a sweep as a table",
    response_class=Response,
    responses={200: {"content": {"text/csv": {}}}, **problems(404, 503)},
)
async def as_table(sweep_id: SweepId, request: Request, deps: Deps) -> Response:
    """Give one line a job: its trial, seed and state, the fields in which the trials differ, and what it reached."""

    def answer(_: int) -> bytes:
        spec = SweepSpec.model_validate(_found(deps, sweep_id).spec)
        return table(spec, rank(spec, deps.store.sweeps.jobs(sweep_id))).encode()

    return await streamed(sliced(await _tables.answer((id(deps), sweep_id), answer, request=request)), "text/csv")


@router.get(
    "/sweeps/{sweep_id}/plots/{plot}.png",
    dependencies=[Depends(own_pages_only), Depends(conditions)],
    summary="A plot of a sweep",
    response_class=Response,
    responses=file_of_type("image/png", 403, 404, 409, 422, 500, 503, 507),
)
async def plot(sweep_id: SweepId, plot: SweepPlot, request: Request, deps: Deps) -> Response:
    """Give a plot of a sweep as it stands; a worker draws it when somebody asks, also while the sweep runs.

    `curves`: accuracies over epochs, of the best trials. `comparison`: final accuracies, trial beside trial, with what
    a study reported. `parallel`: which values of the fields lead where.
    """
    row = await run_in_threadpool(_found, deps, sweep_id)
    await run_in_threadpool(_require_something_to_draw, deps, row, plot)
    progress = await run_in_threadpool(deps.store.sweeps.progress, sweep_id)

    owner = owners.of_sweep(sweep_id)
    name = await drawn(deps, owner, plot, lambda: deps.doorbell.ask_for_sweep_plot(sweep_id, plot), epoch=progress)

    def picture() -> Row:
        file = deps.store.files.get(owner, name)
        if file is None:
            raise NotFound(f"there is no sweep {sweep_id}")
        return file

    return await run_in_threadpool(download, request, deps, picture, media_type="image/png")


@router.post(
    "/sweeps/{sweep_id}/cancel",
    status_code=202,
    summary="Cancel a sweep",
    response_model=Sweep,
    responses=problems(404, 409, 503, 507),
)
async def cancel(sweep_id: SweepId, deps: Deps) -> Response:
    """Cancel the jobs that wait, and stop those that run within a batch; what they have learned is kept.

    Cancelling a sweep twice is no error and changes nothing, for it stays cancelled: an `Idempotency-Key` is not
    needed, and none is taken. 409 if it has already ended by itself.
    """
    await run_in_threadpool(deps.store.sweeps.cancel, sweep_id)
    shown = (await _written(deps, sweep_id, _TRIALS)).first(_TRIALS)
    return Response(shown, status_code=202, media_type="application/json")


@router.delete("/sweeps/{sweep_id}", status_code=204, summary="Delete a sweep", responses=problems(404, 409, 503, 507))
def delete(sweep_id: SweepId, deps: Deps) -> None:
    """Delete a sweep, its jobs, and all that is recorded of them. 409 while it runs: cancel it first."""
    deleted = deps.store.sweeps.delete(sweep_id)
    if deleted is None:
        raise NotFound(f"there is no sweep {sweep_id}")
    job_ids, unreferenced = deleted
    deps.artifacts.remove(unreferenced)
    for owner in (owners.of_sweep(sweep_id), *map(owners.of_job, job_ids)):
        deps.artifacts.remove_folder(owner)


def _prepared(spec: SweepSpec, deps: Dependencies) -> SweepSpec:
    """Settle how many trials a sweep that learns has under way at a time."""
    assert spec.tpe is not None
    if find_spec("optuna") is None:
        detail = "tpe needs Optuna, which is not installed here: pip install 'tenfold[optuna]'; or use random"
        raise Invalid(detail, faults=[Fault("/tpe", detail)])
    slots = deps.store.workers.slots(seconds=3 * deps.settings.heartbeat_seconds)
    tpe = spec.tpe.model_copy(update={"parallel": spec.tpe.parallel or min(1000, max(4, 2 * slots))})
    return spec.model_copy(update={"tpe": tpe})


def _found(deps: Dependencies, sweep_id: str) -> Row:
    row = deps.store.sweeps.get(sweep_id)
    if row is None:
        raise NotFound(f"there is no sweep {sweep_id}")
    return row


async def _written(deps: Dependencies, sweep_id: str, limit: int, request: Request | None = None) -> Written:
    """Give a sweep with at least so many trials, ranked once for all who ask for it; raises NotFound."""

    def answer(most: int) -> Written:
        row = _found(deps, sweep_id)
        spec = SweepSpec.model_validate(row.spec)
        tally = deps.store.sweeps.tally([sweep_id])[sweep_id]
        return written(row, spec, tally, rank(spec, deps.store.sweeps.jobs(sweep_id)), most=most)

    return await _shared.answer((id(deps), sweep_id), answer, most=limit, request=request)


def _require_something_to_draw(deps: Dependencies, row: Row, plot: SweepPlot) -> None:
    tally = deps.store.sweeps.tally([row.id])[row.id]
    if plot == "curves" and not tally.epochs_done:
        raise Conflict(f"no job of sweep {row.id} has finished an epoch yet; there is nothing to draw")
    if plot != "curves" and not tally.counts["succeeded"]:
        raise Conflict(f"no job of sweep {row.id} has succeeded yet; there is nothing to compare")
    if plot == "parallel" and not SweepSpec.model_validate(row.spec).varied:
        raise Conflict(f"the trials of sweep {row.id} do not differ in any field")
