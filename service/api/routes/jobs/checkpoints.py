"""/jobs/{id}/checkpoints and /jobs/{id}/examples: weights, and images to try them with."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from models.data.schema import USUAL
from models.evaluated.kept import examples_of
from service.api.dependencies import Deps
from service.api.problems import problems
from service.api.routes.downloads import conditions, download, file_of_type
from service.api.routes.jobs.lookup import JobId, file_of, found, read_json
from service.api.schemas.jobs import Checkpoint, CheckpointList, CheckpointName, Examples
from service.edge.links import link
from service.errors import Conflict
from service.store import owners
from service.store.engine import moment

router = APIRouter(tags=["what is recorded of a job"])


@router.get("/jobs/{job_id}/checkpoints", summary="The checkpoints of a job", responses=problems(404, 500, 503))
def checkpoints(job_id: JobId, deps: Deps) -> CheckpointList:
    """List the weights after the last and after the best epoch."""
    found(deps.store.jobs.get(job_id), job_id)
    files = {file.name: file for file in deps.store.files.of(owners.of_job(job_id))}
    names: list[CheckpointName] = ["last", "best"]
    return CheckpointList(
        data=[
            Checkpoint(
                name=name,
                epoch=weights.epoch,
                sha256=weights.sha256,
                size=weights.size,
                created_at=moment(weights.created_at),
                url=link(f"/jobs/{job_id}/checkpoints/{name}.safetensors"),
                about=read_json(deps, job_id, f"{name}.json"),
            )
            for name in names
            if (weights := files.get(f"{name}.safetensors")) is not None
        ]
    )


@router.get(
    "/jobs/{job_id}/checkpoints/{name}.safetensors",
    dependencies=[Depends(conditions)],
    summary="Download weights",
    response_class=Response,
    responses=file_of_type("application/octet-stream", 404, 422, 500, 503),
)
def weights(job_id: JobId, name: CheckpointName, request: Request, deps: Deps) -> Response:
    """Download the weights after the last or the best epoch. The ETag is the file's SHA-256; ranges are served."""
    return download(
        request,
        deps,
        lambda: file_of(deps, job_id, f"{name}.safetensors"),
        media_type="application/octet-stream",
        filename=f"{job_id}-{name}.safetensors",
    )


@router.get("/jobs/{job_id}/examples", summary="Examples to try a network with", responses=problems(404, 409, 500, 503))
def examples(
    job_id: JobId, deps: Deps, limit: Annotated[int, Query(ge=1, le=100, description="How many examples.")] = 10
) -> Examples:
    """Give examples of the validation part with their labels: the network never saw them in training."""
    found(deps.store.jobs.get(job_id), job_id)
    evaluation = read_json(deps, job_id, "evaluation.json")
    if not evaluation:
        raise Conflict(f"job {job_id} has not finished an epoch yet; it has no validation examples")
    classes, is_table = evaluation.get("classes", USUAL.classes), evaluation.get("kind") == "table"
    labels, values = examples_of(evaluation, limit)
    return Examples(
        images=[] if is_table else values,
        rows=values if is_table else None,
        labels=labels,
        names=[classes[label] for label in labels],
        kept=len(evaluation["examples"]["labels"]),
    )
