"""/datasets: what there is to train on."""

import asyncio
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Annotated, Any, BinaryIO

import numpy as np
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from numpy.typing import NDArray

from models.data.builtin import BUILTIN
from models.data.csv import read
from models.spec import Name
from service.api.dependencies import Dependencies, Deps
from service.api.gate import own_pages_only
from service.api.problems import problems
from service.api.routes.downloads import conditions, download, file_of_type
from service.api.routes.idempotency import IdempotencyKey, answered, once
from service.api.routes.on_demand import NobodyToAsk, on_demand
from service.api.schemas.datasets import Dataset, DatasetList
from service.disk.floor import Floor
from service.edge.head import length_in
from service.edge.links import link
from service.errors import Conflict, Invalid, NotFound, NotYet, UnsupportedMedia
from service.predict.receive import require_plain
from service.store import owners
from service.store.engine import DatabaseError, Row, trouble
from service.store.errors import StoreError
from service.store.keys import Key

router = APIRouter(tags=["data sets"])

DatasetName = Annotated[Name, Path(description="Name of a data set.")]
_CSV_BODY = {"requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "string"}}}}}


@router.get("/datasets", summary="List data sets", responses=problems(503))
def find(deps: Deps) -> DatasetList:
    """List the built-in and the uploaded data sets."""
    rows = {row.name: row for row in deps.store.datasets.all()}
    return DatasetList(data=[Dataset.of(name, rows.get(name)) for name in sorted({*BUILTIN, *rows})])


@router.get(
    "/datasets/{name}",
    dependencies=[Depends(own_pages_only)],
    summary="Look at a data set",
    responses=problems(403, 404, 422, 503, 507),
)
async def get(name: DatasetName, response: Response, deps: Deps) -> Dataset:
    """Tell the shape of a data set, its class counts, mean and deviation.

    A worker looks at a data set when somebody first asks, and downloads it if need be; while that takes longer than
    a request should, the state is `pending`: ask again.
    """
    row: Row | None
    try:
        row = await _described(deps, name)
    except NobodyToAsk:
        raise
    except NotYet as not_yet:
        response.headers["Retry-After"] = str(not_yet.retry_after)
        row = await run_in_threadpool(deps.store.datasets.get, name)
    return Dataset.of(name, row)


@router.get(
    "/datasets/{name}/samples.png",
    dependencies=[Depends(own_pages_only), Depends(conditions)],
    summary="A picture of a data set",
    response_class=Response,
    responses=file_of_type("image/png", 403, 404, 409, 422, 503, 507),
)
async def samples(name: DatasetName, request: Request, deps: Deps) -> Response:
    """Give a picture of 64 random examples, 8 x 8, each with its label."""
    row = await _described(deps, name)
    if row.state == "failed":
        raise Conflict(row.error)

    def picture() -> Row:
        file = deps.store.files.get(owners.of_dataset(name), "samples.png")
        if file is None:
            raise NotFound(f"there is no data set called {name!r}")
        return file

    return await run_in_threadpool(download, request, deps, picture, media_type="image/png")


@router.post(
    "/datasets",
    status_code=201,
    summary="Upload a data set",
    openapi_extra=_CSV_BODY,
    responses=problems(409, 413, 415, 422, 503, 507),
)
async def upload(
    request: Request,
    response: Response,
    deps: Deps,
    name: Annotated[Name, Query(description="What jobs shall call it.")],
    idempotency_key: IdempotencyKey = None,
) -> Dataset:
    """Upload labelled images as CSV: a label 0-9 and 784 pixels 0-255 on each line, with or without a header line."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "text/csv":
        raise UnsupportedMedia("send text/csv")
    require_plain(request.scope["headers"])
    if idempotency_key is None:  # otherwise it may be this one, which is known by its bytes
        await run_in_threadpool(_require_new, deps, name)
    # As much as it says it has; a chunk that says nothing is asked about as it comes.
    deps.floor.require(more=length_in(request.headers.get("content-length", "").encode("latin-1")) or 0)
    with deps.artifacts.unnamed() as file:
        digest = await _receive(request.stream(), file, deps.floor)
        key = await run_in_threadpool(once, idempotency_key, request, deps, _uploaded, digest)
        row = await run_in_threadpool(_keep, deps, name, file, key)
    response.headers["Location"] = link(f"/datasets/{name}")
    return Dataset.of(name, row)


@router.delete(
    "/datasets/{name}",
    status_code=204,
    summary="Delete an upload",
    responses=problems(404, 409, 422, 503, 507),
)
def delete(name: DatasetName, deps: Deps) -> None:
    """Delete an uploaded data set. Jobs that were trained on it stay; 409 while one waits for it or trains on it."""
    if name in BUILTIN:
        raise Conflict(f"{name!r} is built in")
    files = deps.store.datasets.delete(name)
    if files is None:
        raise NotFound(f"there is no data set called {name!r}")
    deps.artifacts.remove(files)


async def _described(deps: Dependencies, name: str) -> Row:
    """Give a data set that a worker has looked at, with or without success."""

    def settled() -> Row | None:
        row = deps.store.datasets.get(name)
        return row if row is not None and row.state != "pending" else None

    await run_in_threadpool(_forget_failure, deps, name)
    return await on_demand(
        deps,
        settled,
        lambda: deps.doorbell.ask_for_description(name),
        work="look",
        waiting=f"data set {name!r} was asked for but not looked at yet",
    )


def _forget_failure(deps: Dependencies, name: str) -> None:
    """Have a data set looked at anew where that has failed, and put on record one that is built in."""
    row = deps.store.datasets.get(name)
    if row is None and name not in BUILTIN:
        raise NotFound(f"there is no data set called {name!r}; GET /datasets lists them")
    if row is None:
        deps.store.datasets.add(name, "builtin")
    elif row.state == "failed":
        deps.store.datasets.describe_again(row)


def _uploaded(row: Row) -> dict[str, Any]:
    return answered(201, Dataset.of(row.name, row), Location=f"/datasets/{row.name}")


def _require_new(deps: Dependencies, name: str, key: Key | None = None) -> None:
    if deps.store.datasets.exists(name):
        if key is not None:  # it may have been added under it meanwhile
            deps.store.keys.look_up(key)
        raise Conflict(f"there is a data set called {name!r} already; choose another name")


async def _receive(chunks: AsyncIterator[bytes], file: BinaryIO, floor: Floor) -> str:
    """Write what comes into a file; gives its SHA-256."""
    digest = sha256()
    async for chunk in chunks:
        floor.require()
        digest.update(chunk)
        await asyncio.to_thread(file.write, chunk)
    await asyncio.to_thread(file.seek, 0)  # writes what is still held
    return digest.hexdigest()


def _keep(deps: Dependencies, name: str, file: BinaryIO, key: Key | None) -> Row:
    _require_new(deps, name, key)
    try:
        table: NDArray[np.uint8] = read(file)
    except ValueError as error:
        raise Invalid(str(error)) from None
    deps.floor.require(more=table.nbytes)
    stored = deps.artifacts.write_with(owners.of_dataset(name), "table.npy", lambda target: _save(table, target))
    try:
        if not deps.store.datasets.add(name, "upload", [stored], key=key):
            _require_new(deps, name, key)
    except DatabaseError as error:
        # After any other trouble it is unknown whether the record points to the file by now.
        if trouble(error) == "full":
            deps.artifacts.remove([stored.key])
        raise
    except (StoreError, Conflict):
        deps.artifacts.remove([stored.key])
        raise
    deps.doorbell.ask_for_description(name)
    row = deps.store.datasets.get(name)
    assert row is not None
    return row


def _save(table: NDArray[np.uint8], file: BinaryIO) -> None:
    """Write what numpy.save writes; that would not tell a full disk from any other trouble."""
    np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(table))
    file.write(np.ascontiguousarray(table).data)
