"""Dry runs of jobs and sweeps: what was sent is checked and judged as if it were queued, and nothing is on record."""

from typing import Annotated, Any

from fastapi import Query, Response
from fastapi.responses import JSONResponse

from models.spec import TrainingSpec
from service.api.dependencies import Dependencies
from service.api.planning import plan
from service.api.reuse import reusable
from service.api.routes.jobs.resolving import resolved
from service.api.routes.naming import require_name_of_model
from service.api.schemas.jobs import Job
from service.api.schemas.plans import JobPlan

DryRun = Annotated[bool, Query(description="Queue nothing: tell what it would take, and when it would begin (200).")]

AS_PLANNED: dict[str, Any] = {
    "model": JobPlan | Job,
    "description": "With `dry_run`: what the job would take, and when it would begin; nothing was queued. With "
    "`Prefer: reuse`: a job that has succeeded already.",
}


def planned(asked: TrainingSpec, deps: Dependencies, *, reuse: bool) -> Response:
    """Answer with what a job would take; raises what its submission would be refused with."""
    spec = resolved(asked, deps)
    require_name_of_model(spec.model, deps)
    twin = reusable(spec, asked, deps) if reuse else None
    told = JobPlan(**plan([spec], deps), spec=spec, reuses=None if twin is None else twin.id)
    return JSONResponse(told.model_dump(mode="json"))
