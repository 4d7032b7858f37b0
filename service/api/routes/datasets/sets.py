"""/datasets: what there is to train on, and what is in it."""

from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool

from models.data.builtin import BUILTIN
from service.api.dependencies import Dependencies, Deps
from service.api.following.prefer import Prefer, seconds_to_wait
from service.api.gate import own_pages_only
from service.api.problems import problems
from service.api.routes.datasets.looked_up import RETRY_SECONDS, DatasetName, Number, require_upload, settled
from service.api.routes.downloads import conditions, download, file_of_type
from service.api.routes.field_masks import Shown, as_list
from service.api.routes.on_demand import NobodyToAsk
from service.api.schemas.datasets import Dataset, DatasetList, why
from service.errors import Conflict, NotFound, NotYet
from service.store import owners
from service.store.engine import Row

router = APIRouter(tags=["data sets"])


@router.get("/datasets", summary="List data sets", response_model=DatasetList, responses=as_list(503))
def find(deps: Deps, shown: Shown) -> Response:
    """List the built-in and the uploaded data sets."""
    rows = {row.dataset: row for row in deps.store.datasets.all()}
    ready = deps.store.datasets.ready()
    names = sorted({*BUILTIN, *rows})
    return shown.answer(DatasetList(data=[Dataset.of(name, rows.get(name), ready.get(name)) for name in names]))


@router.get(
    "/datasets/{name}",
    dependencies=[Depends(own_pages_only)],
    summary="Look at a data set",
    responses=problems(403, 404, 422, 503, 507),
)
async def get(name: DatasetName, response: Response, deps: Deps, prefer: Prefer = None) -> Dataset:
    """Tell the shape of a data set, its class counts, mean and deviation, as the newest version that is ready has them.

    A worker looks at a built-in data set when somebody first asks, and downloads it if need be, and reads an upload at
    once; while that takes longer than a request should, the state is `reading`: ask again.
    """
    row: Row | None
    try:
        row = await settled(deps, name, wait=seconds_to_wait(prefer, deps, response))
    except NobodyToAsk:
        raise
    except NotYet:
        row = await run_in_threadpool(deps.store.datasets.get, name)
    if row is None or row.state == "reading":
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    ready = await run_in_threadpool(deps.store.datasets.ready, name)
    return Dataset.of(name, row, ready.get(name))


@router.get(
    "/datasets/{name}/samples.png",
    dependencies=[Depends(own_pages_only), Depends(conditions)],
    summary="A picture of a data set",
    response_class=Response,
    responses=file_of_type("image/png", 403, 404, 409, 422, 503, 507),
)
async def samples(name: DatasetName, request: Request, deps: Deps) -> Response:
    """Give a picture of 64 random examples, 8 x 8, each with its label, of the newest version that could be read."""
    row = await settled(deps, name)
    if row.state not in {"ready", "reading"}:
        row = (await run_in_threadpool(deps.store.datasets.ready, name)).get(name, row)
    return await _picture(deps, row, request)


@router.get(
    "/datasets/{name}/versions/{version}/samples.png",
    dependencies=[Depends(own_pages_only), Depends(conditions)],
    summary="A picture of a version",
    response_class=Response,
    responses=file_of_type("image/png", 403, 404, 409, 422, 503, 507),
)
async def samples_of(name: DatasetName, version: Number, request: Request, deps: Deps) -> Response:
    """Give a picture of 64 random examples, 8 x 8, each with its label."""
    return await _picture(deps, await settled(deps, name, version), request)


async def _picture(deps: Dependencies, row: Row, request: Request) -> Response:
    if row.state == "reading":
        raise NotYet(
            f"version {row.version} of the data set {row.dataset!r} is being read; ask again", retry_after=RETRY_SECONDS
        )
    if row.state != "ready":
        raise Conflict(why(row) or f"version {row.version} of the data set {row.dataset!r} has {row.state}")

    def picture() -> Row:
        file = deps.store.files.get(owners.of_data(row.dataset, row.version), "samples.png")
        if file is None:
            raise NotFound(f"there is no picture of version {row.version} of the data set {row.dataset!r}")
        return file

    return await run_in_threadpool(download, request, deps, picture, media_type="image/png")


@router.delete(
    "/datasets/{name}",
    status_code=204,
    summary="Delete an upload",
    responses=problems(404, 409, 422, 503, 507),
)
def delete(name: DatasetName, deps: Deps) -> None:
    """Delete an uploaded data set with all its versions. Jobs that were trained on it stay; 409 while one needs it."""
    require_upload(name)
    folders = [owners.of_data(name, row.version) for row in deps.store.datasets.versions(name, limit=100_000)]
    files = deps.store.datasets.delete(name)
    if files is None:
        raise NotFound(f"there is no data set called {name!r}")
    deps.artifacts.remove(files)
    for folder in (*folders, owners.of_dataset(name)):
        deps.artifacts.remove_folder(folder)
