"""/jobs/<id>/<verb>: retry, verify, continue, each of which queues a new job."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Body, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.spec import FILING, MAX_EPOCHS, TrainingSpec
from service.api.dependencies import Dependencies, Deps, json_only
from service.api.documents import DocumentRoute
from service.api.problems import problems
from service.api.routes.idempotency import IdempotencyKey, once
from service.api.routes.jobs.lookup import JobId, found
from service.api.routes.jobs.resolving import asked_then, require_same_form, resolved, said, same_data
from service.api.routes.jobs.submit import MAX_SPEC_BYTES, new_job, queued, same
from service.api.routes.naming import require_id_of_job, require_model_of, require_name_of_model
from service.api.schemas.jobs import CheckpointName, ChosenId, Job
from service.errors import Conflict, Fault, Invalid, NotFound, invalid
from service.store.keys import Key
from service.store.states import Job as JobRow

router = APIRouter(tags=["jobs"], route_class=DocumentRoute)


@router.post(
    "/jobs/{job_id}/retry",
    status_code=202,
    summary="Train a job anew",
    responses={
        200: {"model": Job, "description": "The retry under this `id` was there already."},
        **problems(404, 409, 422, 503, 507),
    },
)
def retry(
    job_id: JobId,
    request: Request,
    response: Response,
    background: BackgroundTasks,
    deps: Deps,
    id: Annotated[  # noqa: A002 - the name of the parameter
        ChosenId | None, Query(description="Id that the client chooses for the new job. Repeated, it is that job.")
    ] = None,
    idempotency_key: IdempotencyKey = None,
) -> Job:
    """Queue a new job with the spec of one that has ended; its `origin` names that one.

    409 if that one has not ended, or if another job, or a model, has the `id`.
    """
    key = once(idempotency_key, request, deps, new_job)
    job = _ended(job_id, deps)
    _require_own_beginning(job)
    origin = {"kind": "retry", "job_id": job_id}
    if id is None:
        return _again(job, origin, key, response, background, deps)
    asked = spec = asked_then(job)
    if deps.store.jobs.get(id) is None:
        spec = resolved(spec, deps, given=said(job))
        require_model_of(job_id, spec.model, deps)
        require_id_of_job(id, spec, deps)
        deps.floor.require()
    new, is_new = deps.store.submissions.put(id, spec, asked=asked, origin=origin, key=key)
    return queued(new, response, background, deps) if is_new else same(new, asked, origin, response)


@router.post(
    "/jobs/{job_id}/verify", status_code=202, summary="Verify a job", responses=problems(404, 409, 422, 503, 507)
)
def verify(
    job_id: JobId,
    request: Request,
    response: Response,
    background: BackgroundTasks,
    deps: Deps,
    idempotency_key: IdempotencyKey = None,
) -> Job:
    """Queue a new job that trains what one that succeeded was trained on; it tells whether it is `verified`.

    On a worker with another version of torch, other threads or another processor, weights may differ for that reason,
    which `unverified_because` then says. 409 if the data set is known to be another by now.
    """
    key = once(idempotency_key, request, deps, new_job)
    job = _ended(job_id, deps)
    if job.state != "succeeded":
        raise Conflict(f"job {job_id} has {job.state}; only a job that succeeded can be verified")
    _require_own_beginning(job)
    if (reason := job.result["stopped_early"]) in {"max_seconds", "halving", "finish"}:
        raise Conflict(f"job {job_id} was stopped early ({reason}), which no other run meets at the same batch")
    made_with = job.result.get("made_with")
    data = same_data(job, made_with, deps)
    origin = {"kind": "verify", "job_id": job_id, "weights_sha256": job.weights_sha256, "made_with": made_with}
    return _again(job, origin, key, response, background, deps, **data)


class Continuation(BaseModel):
    """How a job is to be gone on from."""

    model_config = ConfigDict(extra="forbid")

    epochs: int = Field(strict=True, ge=1, le=1000, description="Epochs more.", examples=[5])
    changes: dict[str, Any] = Field(
        default={},
        max_length=32,
        description="Fields of the spec that shall have other values, say the data set: then a new job begins with the "
        "weights and nothing else, which is fine-tuning. Without, and with other `name`, `labels`, `model`, "
        "`evaluate_on`, `promote` and its conditions, `max_seconds` or `early_stopping_patience`, it goes on as if it "
        "had never ended.",
        examples=[{}],
    )
    checkpoint: CheckpointName = Field(
        default="last", description="With which weights to begin; `best` is fine-tuning as well.", examples=["last"]
    )


_FIXED = {"architecture", "hidden_sizes", "epochs"}
_HARMLESS = {*FILING, "max_seconds", "early_stopping_patience"}
"""Fields that may change without making it another run."""


@router.post(
    "/jobs/{job_id}/continue",
    status_code=202,
    dependencies=[Depends(json_only)],
    max_body_size=MAX_SPEC_BYTES,
    summary="Train a job for more epochs",
    responses=problems(400, 404, 409, 413, 415, 422, 503, 507),
)
def go_on(
    job_id: JobId,
    continuation: Annotated[Continuation, Body()],
    request: Request,
    response: Response,
    background: BackgroundTasks,
    deps: Deps,
    idempotency_key: IdempotencyKey = None,
) -> Job:
    """Queue a new job that goes on where one has ended, or was paused; its `origin` names that one.

    Without changes it has that one's history and ends with the weights of a run of all epochs at once; not so if its
    learning rate follows a schedule, or that one was cancelled within an epoch, as its `bit_identical` then says.
    409 if that one has no checkpoint or runs.
    """
    key = once(idempotency_key, request, deps, new_job, continuation)
    job = found(deps.store.jobs.get(job_id), job_id)
    if job.state in {"queued", "running"}:
        raise Conflict(f"job {job_id} is {job.state}; pause it, cancel it or wait for its end first")
    if job.last_epoch == 0:
        raise Conflict(f"job {job_id} has no checkpoint; retry it with POST /jobs/{job_id}/retry")
    tunes = bool(continuation.changes.keys() - _HARMLESS) or continuation.checkpoint == "best"
    spec = _changed(job, continuation, epochs=continuation.epochs if tunes else job.last_epoch + continuation.epochs)
    # What was said of other data is not said of these.
    given = continuation.changes.keys() | (set() if "dataset" in continuation.changes else said(job))
    spec = resolved(spec, deps, pointer="/changes/dataset", given=given)
    require_same_form(job, spec.dataset, deps)
    if "model" in continuation.changes:
        require_name_of_model(spec.model, deps, "/changes/model")
    else:
        require_model_of(job_id, spec.model, deps)
    patience = spec.early_stopping_patience
    if not tunes and patience is not None and job.result and job.last_epoch - job.result["best_epoch"] >= patience:
        raise Conflict(
            f"the patience of job {job_id} is spent: it would stop at once; "
            f'send {{"early_stopping_patience": null}} in changes to go on'
        )
    deps.floor.require()
    origin: dict[str, Any] = {"kind": "fine_tune" if tunes else "continue", "job_id": job_id}
    if tunes:
        new_id = deps.store.submissions.fine_tune(job_id, spec, origin, continuation.checkpoint, key=key)
    else:
        new_id = deps.store.submissions.go_on(job_id, spec, origin | {"epoch": job.last_epoch}, key=key)
    if new_id is None:
        raise NotFound(f"there is no job {job_id}")
    return queued(found(deps.store.jobs.get(new_id), new_id), response, background, deps)


def _changed(job: JobRow, continuation: Continuation, *, epochs: int) -> TrainingSpec:
    for field in sorted(_FIXED & continuation.changes.keys()):
        raise Invalid(
            f"{field} cannot be changed: the weights would not fit, or `epochs` beside `changes` says it",
            faults=[Fault(f"/changes/{field}", "this field cannot be changed")],
        )
    if epochs > MAX_EPOCHS:
        told = (
            f"job {job.id} has done {job.last_epoch} epochs, and a job has at most {MAX_EPOCHS:,}; ask for fewer more"
        )
        raise Invalid(f"epochs: {told}", faults=[Fault("/epochs", told)])
    changes: dict[str, Any] = {**continuation.changes, "epochs": epochs}
    if "dataset" in changes and "stratify" not in said(job):
        changes = {"stratify": None, **changes}
    try:
        return asked_then(job, changes)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        raise invalid([_told(fault, job, continuation) for fault in faults]) from None


def _told(fault: Mapping[str, Any], job: JobRow, continuation: Continuation) -> dict[str, Any]:
    """Place a fault where the client wrote it, or where the remedy is to be written."""
    field = fault["loc"][0]
    message = fault["msg"]
    if field not in continuation.changes and field in job.spec:
        # It stands in the other's spec, from which nothing can be left out.
        message = f"{message}; job {job.id} has {field} {json.dumps(job.spec[field])}: change it as well"
    return {**fault, "msg": message, "loc": ("body", "changes", *fault["loc"])}


def _require_own_beginning(job: JobRow) -> None:
    if job.origin is not None and job.origin["kind"] in {"continue", "fine_tune"}:
        begun = job.origin["job_id"]
        raise Conflict(
            f"job {job.id} began with what job {begun} had learned; ask that of job {begun}, or continue it again"
        )


def _ended(job_id: str, deps: Dependencies) -> JobRow:
    job = found(deps.store.jobs.get(job_id), job_id)
    if job.finished_at is None:
        raise Conflict(f"job {job_id} has not ended: it is {job.state}")
    return job


def _again(
    job: JobRow,
    origin: dict[str, Any],
    key: Key | None,
    response: Response,
    background: BackgroundTasks,
    deps: Dependencies,
    **changed: str,
) -> Job:
    # How long it may take is not what is repeated, and another machine may be slower; and who checks a champion does
    # not replace it.
    fields = {"max_seconds": None, "promote": "never", "evaluate_on": None} if origin["kind"] == "verify" else {}
    spec = resolved(asked_then(job, {**fields, **changed}), deps, given=said(job))
    require_model_of(job.id, spec.model, deps)
    deps.floor.require()
    new = deps.store.submissions.submit_one(spec, origin=origin, key=key)
    return queued(new, response, background, deps)
