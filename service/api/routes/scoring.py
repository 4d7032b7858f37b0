"""/invocations, /ping and /v1: the protocols of MLflow, SageMaker, TensorFlow Serving and KServe V1."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Depends
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.responses import Response

from service.api.dependencies import Deps
from service.api.problems import problems
from service.api.routes.v2 import Answering, Delegated, asked_for, version_in_path
from service.errors import NotYet
from service.predict.receive import MAX_BODY_BYTES
from service.protocols.asgi import INVOCATIONS, answering
from service.protocols.offers import offer_of

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
    summary="Predict with the usual model",
    max_body_size=MAX_BODY_BYTES,
    openapi_extra=_CSV,
    responses=problems(400, 404, 409, 413, 415, 429, 500, 503),
)
async def invocations(infer: Answering) -> Response:
    """Answer MLflow's and SageMaker's request: a frame (`dataframe_split`, `dataframe_records`), lists, or CSV.

    It is answered by whoever answers `/predict` where no model is named. Columns of a table go by their names, pictures
    are lists of numbers or `{"b64": ...}`, under `inputs` or `instances`. The answer has `label`, `logits` and
    `probabilities` of each under `predictions`, `digit` where there are digits, and `notes` where there are some.
    """
    return Delegated(infer)


_V1: dict[str, Any] = {
    "summary": "Predict",
    "max_body_size": MAX_BODY_BYTES,
    "openapi_extra": _BODY,
    "responses": problems(400, 404, 409, 413, 415, 429, 500, 503),
}


@router.post("/v1/models/{model}/versions/{version}:predict", dependencies=[Depends(version_in_path)], **_V1)
@router.post("/v1/models/{model}:predict", **_V1)
async def predict(infer: Answering, model: str) -> Response:  # noqa: ARG001
    """Answer TensorFlow Serving's and KServe's V1 request, `instances`: as /invocations does, with a model by name."""
    return Delegated(infer)


_UNUSABLE = problems(400, 404, 409, 500, 503)


@router.get(
    "/v1/models/{model:without_verb}/versions/{version:without_verb}",
    summary="Does a version answer?",
    responses=_UNUSABLE,
)
@router.get("/v1/models/{model:without_verb}", summary="Does a model answer?", responses=_UNUSABLE)
async def status(deps: Deps, model: str, version: str | None = None) -> dict[str, Any]:
    """Load the model if it is not yet loaded, and say so, as KServe and as TensorFlow Serving do."""
    answers = answering(await asked_for(deps, model, version)) or "1"
    state = {"version": answers, "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    return {"name": model, "ready": True, "model_version_status": [state]}


@router.get(
    "/v1/models/{model:without_verb}/versions/{version:without_verb}/metadata",
    summary="Signature of a version",
    responses=_UNUSABLE,
)
@router.get("/v1/models/{model:without_verb}/metadata", summary="Signature of a model", responses=_UNUSABLE)
async def signature(deps: Deps, model: str, version: str | None = None) -> dict[str, Any]:
    """Describe what goes in and what comes out, as TensorFlow Serving does."""
    served = await asked_for(deps, model, version)
    offer = offer_of(served)
    return {
        "model_spec": {"name": model, "signature_name": "", "version": answering(served)},
        "metadata": {
            "signature_def": {
                "signature_def": {
                    "serving_default": {
                        "inputs": {one["name"]: _tensor_info(one) for one in offer.inputs},
                        "outputs": {one["name"]: _tensor_info(one) for one in offer.outputs.described},
                        "method_name": "tensorflow/serving/predict",
                    }
                }
            }
        },
    }


_DTYPES = {
    "UINT8": "DT_UINT8",
    "FP32": "DT_FLOAT",
    "FP64": "DT_DOUBLE",
    "INT64": "DT_INT64",
    "BOOL": "DT_BOOL",
    "BYTES": "DT_STRING",
}


def _tensor_info(described: Mapping[str, Any]) -> dict[str, Any]:
    sizes = [{"size": str(size), "name": ""} for size in described["shape"]]
    shape = {"dim": sizes, "unknown_rank": False}
    return {"dtype": _DTYPES[described["datatype"]], "tensor_shape": shape, "name": described["name"]}
