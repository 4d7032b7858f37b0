"""/evaluations: models measured on data sets that need not be their own, alone or against each other."""

import asyncio
import re
import time
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Body, Depends, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from models.data.builtin import BUILTIN
from models.spec import TrainingSpec
from models.terms import DataName
from service.api.dependencies import Dependencies, Deps, json_only
from service.api.documents import DocumentRoute
from service.api.problems import problems
from service.api.routes.field_masks import Shown, as_list
from service.api.routes.idempotency import IdempotencyKey, answered, once
from service.api.routes.jobs.resolving import look_up
from service.api.routes.listing import Page
from service.api.schemas.evaluations import Evaluation, EvaluationPage, EvaluationRequest, EvaluationSummary
from service.api.schemas.jobs import Identifier
from service.edge.links import link
from service.errors import Fault, Invalid, NotFound
from service.predict.schemas import Reference
from service.store.engine import Row
from service.store.errors import NoCheckpoint, NothingThere
from service.store.evaluations import Subject
from service.store.references import Target
from service.store.resolution import Meant
from service.store.states import reference, spec_of

router = APIRouter(tags=["evaluations"], route_class=DocumentRoute)

EvaluationId = Annotated[Identifier, Path(description="Id of an evaluation.")]

_LOOK_EVERY_SECONDS = 0.05
_NUMBER = re.compile("[1-9][0-9]{0,8}")


@router.post(
    "/evaluations",
    status_code=202,
    dependencies=[Depends(json_only)],
    summary="Measure a model on a data set",
    responses=problems(400, 409, 413, 415, 422, 503, 507),
)
def submit(
    asked: Annotated[EvaluationRequest, Body()],
    request: Request,
    response: Response,
    background: BackgroundTasks,
    deps: Deps,
    idempotency_key: IdempotencyKey = None,
) -> Evaluation:
    """Have a model measured on a data set, and perhaps compared with another one on the same examples.

    Examples that a model has learned from are left out, unless it is said otherwise. What the references mean is
    decided now: an alias that moves later changes nothing. A worker measures; see `state`.
    """
    key = once(idempotency_key, request, deps, _kept, asked)
    model = _target(deps, asked.model, "/model")
    against = None if asked.against is None else _target(deps, asked.against, "/against")
    if against is not None and against.sha256 == model.sha256:
        raise _wrong("/against", f"{asked.against} and {asked.model} are the same network; name another one")
    meant = look_up(asked.dataset, deps, "/dataset")
    spec, data_sha256 = _origin(deps, model)
    _require_part(asked, meant, spec, data_sha256, model)
    deps.floor.require()
    metric = asked.metric or (spec.metric if spec is not None else None) or "accuracy"
    settled = {**asked.model_dump(mode="json"), "dataset": meant.reference, "metric": metric, "job_id": model.job_id}
    other = None if against is None else _subject(against)
    row = deps.store.evaluations.submit(settled, _subject(model), other, reference(meant.reference), key=key)
    # After the answer: a broker that is slow or away is nothing the caller has to wait for.
    background.add_task(deps.doorbell.ask_for_evaluations, [row.id])
    response.headers["Location"] = link(f"/evaluations/{row.id}")
    return Evaluation.of(row)


@router.get(
    "/evaluations",
    summary="List evaluations, the newest first",
    response_model=EvaluationPage,
    responses=as_list(503),
)
def find(
    deps: Deps,
    shown: Shown,
    model: Annotated[
        Reference | None, Query(description="Only of this model, `name`, or version, `name/3`, or job.")
    ] = None,
    dataset: Annotated[DataName | None, Query(description="Only on this data set, or version, `letters/3`.")] = None,
    after: Annotated[
        int | None, Query(ge=0, le=2**53, description="Cursor: where the page before ended; see `next`.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="Evaluations on a page.")] = 20,
) -> Response:
    """List the evaluations of a model, or on a data set, or all of them, without their results. Follow `next`."""
    of = None if model is None else _numbered(model, "#query/model")
    on = None if dataset is None else _numbered(dataset, "#query/dataset")

    def read(count: int) -> Sequence[Row]:
        return deps.store.evaluations.find(model=of, dataset=on, before=after, limit=count)

    page = Page.of(read, limit=limit, path="/evaluations", model=model, dataset=dataset)
    data = [EvaluationSummary.of(row) for row in page.rows]
    return shown.answer(EvaluationPage(data=data, has_more=page.has_more, next=page.next))


@router.get("/evaluations/{evaluation_id}", summary="Look at an evaluation", responses=problems(404, 422, 500, 503))
async def get(
    evaluation_id: EvaluationId,
    deps: Deps,
    wait: Annotated[
        float, Query(ge=0, description="Seconds to wait at most for its end; no more than `TENFOLD_MAX_WAIT_SECONDS`.")
    ] = 0,
) -> Evaluation:
    """Tell how an evaluation stands, and what was measured once it has succeeded."""
    deadline = time.monotonic() + min(wait, deps.settings.max_wait_seconds)
    while (row := await run_in_threadpool(_found, deps, evaluation_id)).finished_at is None:
        if time.monotonic() >= deadline:
            break
        await asyncio.sleep(_LOOK_EVERY_SECONDS)
    return await run_in_threadpool(Evaluation.of, row)


@router.delete(
    "/evaluations/{evaluation_id}",
    status_code=204,
    summary="Delete an evaluation",
    responses=problems(404, 422, 503, 507),
)
def delete(evaluation_id: EvaluationId, deps: Deps) -> None:
    """Delete an evaluation; one that waits or runs is not made."""
    if not deps.store.evaluations.delete(evaluation_id):
        raise NotFound(f"there is no evaluation {evaluation_id}")


def _found(deps: Dependencies, evaluation_id: str) -> Row:
    row = deps.store.evaluations.get(evaluation_id)
    if row is None:
        raise NotFound(f"there is no evaluation {evaluation_id}")
    return row


def _kept(row: Row) -> dict[str, Any]:
    return answered(202, Evaluation.of(row), Location=f"/evaluations/{row.id}")


def _target(deps: Dependencies, named: str, field: str) -> Target:
    """Give the one network that a reference means; raises Invalid."""
    try:
        shares = deps.store.references.look_up(named).shares
    except NothingThere as nothing:
        raise _wrong(field, str(nothing)) from None
    except NoCheckpoint:
        raise _wrong(field, f"job {named} has not finished an epoch yet; there is nothing to measure") from None
    if len(shares) > 1:
        versions = ", ".join(f"{target.model}/{target.version}" for target, _ in shares)
        raise _wrong(field, f"{named} points to several versions ({versions}); name one of them")
    return shares[0][0]


def _subject(target: Target) -> Subject:
    return target.model, target.version, target.job_id


def _origin(deps: Dependencies, target: Target) -> tuple[TrainingSpec | None, str | None]:
    """Give the spec by which a network was trained, and the digest of its data, as far as they are known."""
    if target.model is not None and target.version is not None:
        row = deps.store.models.version(target.model, target.version)
        return (None, None) if row is None else (TrainingSpec.model_validate(row.spec), row.data_sha256)
    job = None if target.job_id is None else deps.store.jobs.get(target.job_id)
    return (None if job is None else TrainingSpec.model_validate(spec_of(job))), None


def _require_part(
    asked: EvaluationRequest, meant: Meant, spec: TrainingSpec | None, data_sha256: str | None, model: Target
) -> None:
    """Refuse a part that the data set does not have, as far as its reading tells; raises Invalid."""
    if asked.part == "all" or meant.row is None or (meant.reference in BUILTIN and asked.part == "test"):
        return
    own = (meant.row.reading["taken_for"].get("split") or {}) if meant.row.reading else {}
    if own.get(asked.part):
        return
    learned_from_it = spec is not None and (spec.dataset == meant.reference or data_sha256 == meant.row.sha256)
    if asked.part == "test" or not learned_from_it:
        whose = f"{model.model}/{model.version}" if model.model is not None else f"job {model.job_id}"
        why = (
            f"{meant.reference} has no test part of its own"
            if asked.part == "test"
            else f"{meant.reference} has no {asked.part} part of its own, and {whose} did not learn from it"
        )
        raise _wrong("/part", f"{why}; ask for part=all")


def _numbered(named: str, field: str) -> tuple[str, int | None]:
    """Read a model or a data set, or a version of one, by which evaluations are sought; raises Invalid."""
    name, slash, number = named.partition("/")
    if "@" in name:
        its = name.partition("@")[0]
        raise _wrong(field, f"an alias means another version tomorrow; name one, as {its}/1, or all of them, {its}")
    if slash and not _NUMBER.fullmatch(number):
        raise _wrong(field, f"{number:.20} is no version; write {name}/ and its number, as it is listed")
    return name, int(number) if slash else None


def _wrong(field: str, detail: str) -> Invalid:
    return Invalid(detail, faults=[Fault(field, detail)])
