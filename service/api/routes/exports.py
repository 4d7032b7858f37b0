"""/models/{name}/versions/{version}/export.{form}: a version as a file for programs of others."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.concurrency import run_in_threadpool

from service.api.dependencies import Dependencies, Deps
from service.api.gate import own_pages_only
from service.api.routes.downloads import conditions, download, file_of_type, read_weights
from service.api.routes.models import ModelName, Version, the_version
from service.api.routes.on_demand import REFUSED_SECONDS, on_demand, taken_back
from service.errors import Conflict, NotFound
from service.store import owners
from service.store.engine import Row
from service.store.files import REFUSED
from service.store.versions import WEIGHTS, exported

router = APIRouter(tags=["models"])

Form = Annotated[
    Literal["safetensors", "onnx", "pt2"],
    Path(description="`safetensors`: the weights. `onnx`: for any runtime. `pt2`: for `torch.export.load`."),
]


@router.get(
    "/models/{name}/versions/{version}/export.{form}",
    dependencies=[Depends(own_pages_only), Depends(conditions)],
    summary="A version as a file",
    response_class=Response,
    responses=file_of_type("application/octet-stream", 403, 404, 409, 422, 500, 503, 507),
)
async def export(name: ModelName, version: Version, form: Form, request: Request, deps: Deps) -> Response:
    """Download a version for programs of others. ONNX and pt2 are written by a worker when somebody first asks.

    Both give `logits` and the calibrated `probabilities`, float32 `[n, classes]`, and ONNX `label`, the names. Of
    pictures both take `pixels`, `[n, height, width]` or `[n, height, width, 3]`, on their scale: uint8 where that is
    0 to 255 in whole steps, else float32. Of a table ONNX takes an input `[n, 1]` for each column: float64 for numbers,
    NaN where missing, and texts for the others, empty where missing; pt2 takes `rows`, float64 `[n, columns]`, with
    the places of levels. An ONNX file is offered once ONNX Runtime has given with it what this service gives. 409 if
    it can not be written, and why. The ETag is the file's SHA-256; ranges are served.
    """
    row = await run_in_threadpool(the_version, deps, name, version)
    if row.members is not None:
        raise Conflict(f"version {version} of model {name} is an ensemble; export its members, one by one")
    owner, file = owners.of_version(name, version), WEIGHTS if form == "safetensors" else exported(form)
    if form != "safetensors":
        await _written(deps, name, version, form)

    def pointer() -> Row:
        found = deps.store.files.get(owner, file)
        if found is None:
            raise NotFound(f"model {name} has no version {version}")
        return found

    return await run_in_threadpool(
        download,
        request,
        deps,
        pointer,
        media_type="application/octet-stream",
        filename=f"{name}-{version}.{form}",
    )


async def _written(deps: Dependencies, name: str, version: int, form: str) -> None:
    """Wait until a worker has written the file; raises Conflict with its reason if it could not."""
    owner = owners.of_version(name, version)

    def look() -> Row | None:
        files, file = deps.store.files, exported(form)
        return files.get(owner, file) or files.refusal(owner, file, seconds=REFUSED_SECONDS)

    def ask() -> bool:
        read_weights(deps, name, version)
        return deps.doorbell.ask_for_export(deps.account, name, version, form)

    found = await on_demand(
        deps,
        look,
        ask,
        work="write it",
        waiting="the file was asked for but is not written yet",
    )
    if found.name.endswith(REFUSED):
        why = await run_in_threadpool(taken_back, deps, found)
        raise Conflict(f"version {version} of model {name} cannot be written as {form}: {why}")
