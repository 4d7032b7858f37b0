"""POST /datasets: a file as somebody has it becomes the next version of a data set."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any, BinaryIO

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from models.terms import Name
from service.api.dependencies import Dependencies, Deps
from service.api.problems import problems
from service.api.routes.datasets.form import FileOfForm
from service.api.routes.datasets.given_options import given
from service.api.routes.datasets.looked_up import require_upload
from service.api.routes.idempotency import IdempotencyKey, answered, once
from service.api.schemas.datasets import DataVersion
from service.artifacts import Draft
from service.disk.floor import Floor
from service.edge.head import length_in
from service.edge.links import link
from service.errors import Conflict, Fault, Invalid
from service.predict.receive import require_plain
from service.store import owners
from service.store.datasets import SENT
from service.store.engine import DatabaseError, Row, trouble
from service.store.errors import StoreError
from service.store.files import File
from service.store.keys import Key

router = APIRouter(tags=["data sets"])

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_FORM = {
    "schema": {
        "type": "object",
        "required": ["file"],
        "properties": {"file": {"type": "string", "format": "binary"}},
        "additionalProperties": False,
    }
}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {"text/csv": {"schema": {"type": "string"}}, "multipart/form-data": _FORM, "*/*": _BINARY},
    }
}


@router.post(
    "/datasets",
    status_code=202,
    summary="Upload a data set",
    openapi_extra=_BODY,
    responses={
        200: {"model": DataVersion, "description": "A version of these bytes and options was there already."},
        **problems(400, 409, 413, 415, 422, 503, 507),
    },
)
async def upload(
    request: Request,
    response: Response,
    deps: Deps,
    options: Annotated[dict[str, Any], Depends(given)],
    name: Annotated[Name, Query(description="What jobs shall call it.")],
    idempotency_key: IdempotencyKey = None,
) -> DataVersion:
    """Upload labelled examples, as a raw body of any media type, or as the part `file` of a form.

    A worker reads the file then: what it takes it for is told by the bytes, may be looked at
    (`/datasets/{name}/versions/{n}/reading`), and corrected by options. Other bytes, or options, under a known name are
    its next version; a job names `letters`, the newest that is ready, or `letters/3`.
    """
    require_plain(request.scope["headers"])
    require_upload(name)
    # As much as it says it has; a chunk that says nothing is asked about as it comes.
    deps.floor.require(more=length_in(request.headers.get("content-length", "").encode("latin-1")) or 0)
    with deps.artifacts.draft(owners.of_dataset(name), SENT) as draft:
        called = await _receive(request, draft.file, deps.floor)
        row, is_new = await run_in_threadpool(_kept, deps, name, draft, called, options, idempotency_key, request)
    response.status_code = 202 if is_new else 200
    response.headers["Location"] = link(_path(row))
    return DataVersion.of(row)


def _kept(
    deps: Dependencies,
    name: str,
    draft: Draft,
    called: str | None,
    options: dict[str, Any],
    idempotency_key: str | None,
    request: Request,
) -> tuple[Row, bool]:
    """Put a file that has come whole on record, unless it was there; gives its version, and if that is new."""
    file = draft.keep()
    try:
        key = once(idempotency_key, request, deps, uploaded, file.sha256)
        row, is_new = _added(deps, name, file, called, options, key)
    except DatabaseError as error:
        # After any other trouble it is unknown whether the record points to the file by now.
        if trouble(error) == "full":
            deps.artifacts.remove([file.key])
        raise
    except (StoreError, Conflict, Invalid):
        deps.artifacts.remove([file.key])
        raise
    if not is_new:
        deps.artifacts.remove([file.key])
    elif row.state == "reading":
        deps.doorbell.ring_for_readings([(name, row.version)])
    return row, is_new


def _added(
    deps: Dependencies, name: str, file: File, called: str | None, options: dict[str, Any], key: Key | None
) -> tuple[Row, bool]:
    if file.size == 0:
        detail = "the body is empty; send the file"
        raise Invalid(detail, faults=[Fault("", detail)])
    return deps.store.datasets.add(name, file, called, options, key=key)


def uploaded(done: tuple[Row, bool]) -> dict[str, Any]:
    """Give the answer to a request that made a version, or found it there, as it is kept."""
    row, is_new = done
    return answered(202 if is_new else 200, DataVersion.of(row), Location=_path(row))


def _path(row: Row) -> str:
    return f"/datasets/{row.dataset}/versions/{row.version}"


async def _receive(request: Request, file: BinaryIO, floor: Floor) -> str | None:
    """Write what comes into a file; gives what its sender calls it, if that is said."""
    content_type = request.headers.get("content-type", "")
    pieces: AsyncIterator[bytes] = request.stream()
    form = None
    if content_type.partition(";")[0].strip().lower() == "multipart/form-data":
        form = FileOfForm(pieces, content_type)
        pieces = form.pieces()
    async for piece in pieces:
        floor.require()
        await asyncio.to_thread(file.write, piece)
    return form.name if form is not None else None
