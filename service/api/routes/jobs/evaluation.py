"""/jobs/{id}/evaluation: what was measured on the validation part, as numbers."""

from hashlib import sha256
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response

from models.evaluated.kept import Evaluation
from service.api.dependencies import Deps
from service.api.entity_tags import is_known, require_match
from service.api.problems import problems
from service.api.routes.jobs.lookup import JobId, found, read_json
from service.api.schemas.evaluation import EvaluationView
from service.errors import Conflict, Damaged

router = APIRouter(tags=["what is recorded of a job"])


@router.get(
    "/jobs/{job_id}/evaluation",
    summary="How good a job's network is, by class",
    response_model=EvaluationView,
    responses={304: {"description": "The client has it already."}, **problems(400, 404, 409, 412, 422, 500, 503)},
)
def evaluation(
    job_id: JobId,
    request: Request,
    deps: Deps,
    if_match: Annotated[  # noqa: ARG001 - read below, as a header may come in several lines
        str | None, Header(description="Only if it has one of these ETags.")
    ] = None,
    if_none_match: Annotated[  # noqa: ARG001
        str | None, Header(description="ETags of what the client has: one of these is not sent again.")
    ] = None,
) -> Response:
    """Give what was measured on the validation part after the last epoch.

    Accuracy, balanced accuracy, macro F1 and log loss; precision, recall and F1 of each class by its name; who was
    confused with whom; and of two classes ROC and precision by recall, with their areas. 409 before the first epoch.
    """
    found(deps.store.jobs.get(job_id), job_id)
    document = read_json(deps, job_id, "evaluation.json")
    if not document:
        raise Conflict(f"job {job_id} has not finished an epoch yet; nothing was measured")
    try:
        body = EvaluationView.of(Evaluation.parse(document)).model_dump_json().encode()
    except (KeyError, TypeError, ValueError) as error:
        raise Damaged(f"evaluation.json of job {job_id} cannot be used: {error!r}") from error
    tag = sha256(body).hexdigest()
    headers = {"ETag": f'"{tag}"', "Cache-Control": "no-cache"}
    require_match(request.headers, tag)
    if is_known(request.headers, tag):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)
