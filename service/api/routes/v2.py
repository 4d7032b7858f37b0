"""/v2: the Open Inference Protocol, https://github.com/kserve/open-inference-protocol, for clients of other servers."""

from codecs import BOM_UTF8
from collections.abc import Mapping, Sequence
from importlib.metadata import version as version_of
from reprlib import repr as shown
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.api.dependencies import Deps, admitted
from service.api.problems import problems
from service.api.serving import Serving
from service.errors import Invalid, Malformed, NotYet
from service.predict.receive import MAX_BODY_BYTES
from service.predict.served import Served
from service.protocols.asgi import Infer, answering, reference
from service.protocols.offers import offer_of

router = APIRouter(tags=["v2"], prefix="/v2")

EXTENSIONS = ["binary_tensor_data", "classification", "model_repository", "model_configuration", "statistics"]
_TRITONS = {"BYTES": "TYPE_STRING"}  # all others have the same name behind TYPE_
_WRONG = problems(400, 404, 409, 413, 415, 429, 500, 503)
_UNUSABLE = problems(400, 404, 409, 500, 503)


async def _infer_of(request: Request) -> Infer:
    serving: Serving = request.app.state.serving
    return serving.of(admitted(request)).infer


Answering = Annotated[Infer, Depends(_infer_of)]


async def version_in_path(version: str) -> None:
    """Have the description name the version that a path holds; whom it is delegated to reads it there."""


class Delegated(Response):
    """What `service.protocols.asgi` answers."""

    def __init__(self, infer: Infer) -> None:
        super().__init__()
        self._infer = infer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request."""
        await self._infer(scope, receive, send)


async def asked_for(deps: Deps, model: str, version: str | None = None) -> Served:
    """Give the network that is asked for."""
    return await deps.predictor.find(reference(model, version))


def names(deps: Deps) -> list[str]:
    """Give the names of all models."""
    return [model.name for model in deps.store.models.all()]


@router.get("/health/live", summary="Does the server answer?")
async def live() -> dict[str, bool]:
    """Answer without touching anything else."""
    return {"live": True}


@router.get("/health/ready", summary="Can the server answer predictions?", responses=problems(503))
def ready(deps: Deps) -> dict[str, bool]:
    """Tell whether models can be found; 503 if the database does not answer."""
    if not deps.store.database.is_alive():
        raise NotYet("the database does not answer", retry_after=1)
    return {"live": True, "ready": True}


@router.get("/", include_in_schema=False)
@router.get("", summary="Which server, and what of the protocol it knows")
async def server() -> dict[str, Any]:
    """Tell name, version and extensions."""
    return {"name": "tenfold", "version": version_of("tenfold"), "extensions": EXTENSIONS}


@router.get("/models", summary="Names of models", responses=problems(503))
def models(deps: Deps) -> dict[str, list[str]]:
    """List the models. A job's id, and `name@alias`, are answered as well."""
    return {"models": names(deps)}


@router.get("/models/stats", summary="Counts and times of all models")
async def all_statistics(infer: Answering) -> dict[str, Any]:
    """Give the statistics of the models that this process has been asked for since it began."""
    return {"model_stats": infer.statistics.all()}


@router.get("/models/{model}/versions/{version}", summary="Inputs and outputs of a version", responses=_UNUSABLE)
@router.get("/models/{model}", summary="Inputs and outputs of a model", responses=_UNUSABLE)
async def metadata(deps: Deps, model: str, version: str | None = None) -> dict[str, Any]:
    """Describe the tensors: `pixels`, or one for each column of a table; -1 is as many examples as you like.

    Other numeric datatypes are understood too, as are pictures' files in BYTES, and a table of numbers as one tensor.
    """
    served = await asked_for(deps, model, version)
    version, offer = answering(served), offer_of(served)
    about = {"name": model, "platform": "tenfold", "inputs": offer.inputs, "outputs": offer.outputs.described}
    return {**about, "versions": [version]} if version else about


@router.get("/models/{model}/versions/{version}/ready", summary="Does a version answer?", responses=_UNUSABLE)
@router.get("/models/{model}/ready", summary="Does a model answer?", responses=_UNUSABLE)
async def model_ready(deps: Deps, model: str, version: str | None = None) -> dict[str, Any]:
    """Load the model if it is not yet loaded, and say so."""
    await asked_for(deps, model, version)
    return {"name": model, "ready": True}


@router.get("/models/{model}/versions/{version}/config", summary="Settings of a version", responses=_UNUSABLE)
@router.get("/models/{model}/config", summary="Settings of a model", responses=_UNUSABLE)
async def config(deps: Deps, model: str, version: str | None = None) -> dict[str, Any]:
    """Describe the model as Triton does; dimensions are without that of the batch, and `classes` a list in JSON."""
    served = await asked_for(deps, model, version)
    offer = offer_of(served)

    def tensors(described: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        return [
            {
                "name": one["name"],
                "data_type": _TRITONS.get(one["datatype"], f"TYPE_{one['datatype']}"),
                "dims": one["shape"][1:] or [1],
            }
            for one in described
        ]

    return {
        "name": model,
        "platform": "tenfold",
        "backend": "tenfold",
        "max_batch_size": served.batcher.largest,
        "input": tensors(offer.inputs),
        "output": tensors(offer.outputs.described),
        "dynamic_batching": {},
        "parameters": {"classes": {"string_value": orjson.dumps(offer.outputs.classes).decode()}},
    }


@router.get("/models/{model}/versions/{version}/stats", summary="Counts of a version", responses=_UNUSABLE)
@router.get("/models/{model}/stats", summary="Counts and times of a model", responses=_UNUSABLE)
async def statistics(deps: Deps, infer: Answering, model: str, version: str | None = None) -> dict[str, Any]:
    """Give counts and nanoseconds since this process began; computing includes waiting for the batch."""
    infer.statistics.know(model, answering(await deps.predictor.find(reference(model, version))))
    return {"model_stats": infer.statistics.of(model, version)}


@router.post("/repository/{repository}/index", include_in_schema=False)
@router.post("/repository/index", summary="List the repository", responses=problems(503))
def index(deps: Deps) -> list[dict[str, str]]:
    """List the models; all of them are ready, as one that is not loaded is loaded when it is asked for."""
    return [{"name": name, "state": "READY", "reason": ""} for name in names(deps)]


@router.post("/repository/models/{model}/load", summary="Load a model", responses={**problems(413), **_UNUSABLE})
async def load(request: Request, deps: Deps, model: str) -> dict[str, Any]:
    """Load it, or say why not. Files and settings are not taken: models come from jobs."""
    parameters = await _parameters(request)
    if parameters:
        raise Invalid(f"parameters {shown(list(parameters))} are not served; models come from jobs")
    await deps.predictor.find(reference(model))
    return {"name": model, "load": True}


@router.post(
    "/repository/models/{model}/unload",
    summary="Drop a model from memory",
    responses={**problems(413), **_UNUSABLE},
)
async def unload(request: Request, deps: Deps, model: str) -> dict[str, Any]:
    """Drop it from this process's memory; nothing is deleted, and who asks for it next loads it again."""
    await _parameters(request)
    await deps.predictor.find(reference(model))
    deps.predictor.forget(reference(model))
    return {"name": model, "unload": True}


async def _parameters(request: Request) -> dict[str, Any]:
    body = await request.body()
    try:
        parameters = orjson.loads(body.removeprefix(BOM_UTF8)).get("parameters") or {} if body.strip() else {}
    except (orjson.JSONDecodeError, AttributeError):
        raise Malformed("the body is to be a JSON object, or nothing") from None
    if not isinstance(parameters, dict):
        raise Invalid("parameters are to be an object")
    return parameters


_TENSORS = {
    "requestBody": {
        "required": True,
        "content": {
            media: {"schema": {"type": "object" if media.endswith("json") else "string"}}
            for media in ("application/json", "application/octet-stream")
        },
    }
}
_INFER: dict[str, Any] = {
    "summary": "Predict",
    "max_body_size": MAX_BODY_BYTES,
    "openapi_extra": _TENSORS,
    "responses": _WRONG,
}


@router.post("/models/{model}/versions/{version}/infer", dependencies=[Depends(version_in_path)], **_INFER)
@router.post("/models/{model}/infer", **_INFER)
async def infer(infer: Answering, model: str) -> Response:  # noqa: ARG001
    """Predict pictures from one tensor of any name, or rows of a table from a tensor for each column.

    Pictures are `[n,28,28]`, or of the model's size, flat, with a channel before or behind, or BYTES of files; see the
    model's metadata. JSON, or JSON followed by raw tensors (`Inference-Header-Content-Length`); with the length 0, a
    byte for each pixel. With the parameter `scale` of `unit`, pixels are from 0 to 1. Answers the outputs asked for, in
    that order, or `logits`, `probabilities` and `digit` or `label`; notes on a table's cells are in the parameters.
    """
    return Delegated(infer)
