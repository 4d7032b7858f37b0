"""/invocations, /ping and /v1: the protocols of MLflow, SageMaker, TensorFlow Serving and KServe V1."""

from typing import Any

from fastapi import APIRouter, Depends
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.responses import Response

from service.api.dependencies import Deps
from service.api.problems import problems
from service.api.routes.v2 import Answering, Delegated, usual, version_in_path
from service.errors import NotYet
from service.predict.receive import MAX_BODY_BYTES
from service.protocols.asgi import INVOCATIONS

router = APIRouter(tags=["scoring"])

_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
}
_CSV: dict[str, Any] = {"requestBody": {"required": True, "content": {**_BODY["requestBody"]["content"]}}}
_CSV["requestBody"]["content"]["text/csv"] = {"schema": {"type": "string"}}


class _WithoutVerb(StringConvertor):
    """A model's name in a path that may go on with a verb: what stands behind the colon is none of it."""

    regex = "[^/:]+"


register_url_convertor("without_verb", _WithoutVerb())


@router.get("/ping", summary="Is the container well?", responses=problems(503))
def ping(deps: Deps) -> dict[str, str]:
    """Answer 200 while predictions can be answered: SageMaker's health check."""
    if not deps.store.database.is_alive():
        raise NotYet("the database does not answer", retry_after=1)
    return {"status": "ok"}


@router.post(
    INVOCATIONS,
    summary="Read digits with the usual model",
    max_body_size=MAX_BODY_BYTES,
    openapi_extra=_CSV,
    responses=problems(400, 404, 409, 413, 415, 429, 500, 503),
)
async def invocations(infer: Answering) -> Response:
    """Answer MLflow's and SageMaker's request: `inputs`, `instances` or `dataframe_split` in JSON, or CSV.

    It is answered by whoever answers `/predict` where no model is named.
    An image is 784 numbers from 0 to 255, flat or in 28 rows; the answer has `digit`, `logits` and `probabilities` of
    each under `predictions`.
    """
    return Delegated(infer)


_V1: dict[str, Any] = {
    "summary": "Read digits",
    "max_body_size": MAX_BODY_BYTES,
    "openapi_extra": _BODY,
    "responses": problems(400, 404, 409, 413, 415, 429, 500, 503),
}


@router.post("/v1/models/{model}/versions/{version}:predict", dependencies=[Depends(version_in_path)], **_V1)
@router.post("/v1/models/{model}:predict", **_V1)
async def predict(infer: Answering, model: str) -> Response:  # noqa: ARG001
    """Answer TensorFlow Serving's and KServe's V1 request, `instances`: as /invocations does, with a model by name."""
    return Delegated(infer)


@router.get(
    "/v1/models/{model:without_verb}", summary="Does a model answer?", responses=problems(400, 404, 409, 500, 503)
)
async def status(deps: Deps, model: str) -> dict[str, Any]:
    """Load the model if it is not yet loaded, and say so, as KServe and as TensorFlow Serving do."""
    await usual(deps, model)
    state = {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    return {"name": model, "ready": True, "model_version_status": [state]}
