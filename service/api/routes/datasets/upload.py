"""POST /datasets: a file as somebody has it becomes the next version of a data set."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from models.terms import Name
from service.api.dependencies import Dependencies, Deps
from service.api.problems import problems
from service.api.routes.datasets.form import Part
from service.api.routes.datasets.given_options import given
from service.api.routes.datasets.incoming import described, incoming, receive
from service.api.routes.datasets.looked_up import require_upload
from service.api.routes.datasets.sent_before import used
from service.api.routes.datasets.together import called, kept
from service.api.routes.idempotency import IdempotencyKey, answered, once
from service.api.schemas.datasets import DataVersion
from service.api.schemas.jobs import Identifier
from service.artifacts import Draft
from service.edge.head import length_in
from service.edge.links import link
from service.errors import Conflict, Fault, Invalid, NoRoom
from service.predict.receive import require_plain
from service.store import owners
from service.store.datasets import SENT
from service.store.engine import DatabaseError, Row, trouble
from service.store.errors import StoreError
from service.store.files import File
from service.store.keys import Key

router = APIRouter(tags=["data sets"])


@router.post(
    "/datasets",
    status_code=202,
    summary="Upload a data set",
    openapi_extra=described(required=False),
    responses={
        200: {
            "model": DataVersion,
            "description": "A version of these bytes and options was there already, or has them.",
        },
        **problems(400, 404, 409, 413, 415, 422, 500, 503, 507),
    },
)
async def upload(
    request: Request,
    response: Response,
    deps: Deps,
    options: Annotated[dict[str, Any], Depends(given)],
    name: Annotated[Name, Query(description="What jobs shall call it.")],
    upload_id: Annotated[
        Identifier | None,
        Query(
            alias="upload",
            description="Id of an upload that is whole: its file is taken, and the body is empty. It may be used again "
            "until it expires.",
        ),
    ] = None,
    append: Annotated[
        bool,
        Query(description="Whether the examples follow those of the newest version that is ready, if there is one."),
    ] = False,
    idempotency_key: IdempotencyKey = None,
) -> DataVersion:
    """Upload labelled examples, as a raw body of any media type, as the part `file` of a form, or by `POST /uploads`.

    Files that belong together, as images and their labels, come in one ZIP, or as several parts of one form: `file` for
    each, or `images` and `labels`; they are kept as a ZIP of them.

    A worker reads the file then: what it takes it for is told by the bytes, may be looked at
    (`/datasets/{name}/versions/{n}/reading`), and corrected by options. Other bytes, or options, under a known name are
    its next version; a job names `letters`, the newest that is ready, or `letters/3`.

    With `append` the next version has the examples of the one before, and then those of the file, which is read by the
    same options and must fit. Bytes that it has already, read by those options, are not added again, however often
    they are sent. 409 while a version is being read.
    """
    require_plain(request.scope["headers"])
    require_upload(name)
    if upload_id is not None:
        await _require_empty(request)
        row, is_new = await run_in_threadpool(
            _of_upload, deps, name, upload_id, options, append, idempotency_key, request
        )
        return _answer(response, row, is_new)
    # As much as it says it has; a chunk that says nothing is asked about as it comes.
    deps.floor.require(more=length_in(request.headers.get("content-length", "").encode("latin-1")) or 0)
    with deps.artifacts.draft(owners.of_dataset(name), SENT) as draft:
        pieces, parts = incoming(request)
        await receive(pieces, draft.file, deps.floor)
        row, is_new = await run_in_threadpool(
            _kept, deps, name, draft, parts(), options, append, idempotency_key, request
        )
    return _answer(response, row, is_new)


def _answer(response: Response, row: Row, is_new: bool) -> DataVersion:
    response.status_code = 202 if is_new else 200
    response.headers["Location"] = link(_path(row))
    return DataVersion.of(row)


async def _require_empty(request: Request) -> None:
    async for piece in request.stream():
        if piece:
            detail = "upload names a file that was sent before, and the body is one too; send one of them"
            raise Invalid(detail, faults=[Fault("", detail)])


def _of_upload(
    deps: Dependencies,
    name: str,
    upload_id: str,
    options: dict[str, Any],
    append: bool,
    idempotency_key: str | None,
    request: Request,
) -> tuple[Row, bool]:
    """Make the file of an upload a version's, unless it was there; gives that, and if it is new."""
    # Its id stands in the query, and what it holds does not change any more: no digest has to be part of the key.
    key = once(idempotency_key, request, deps, uploaded)
    deps.floor.require()
    row, is_new = used(deps, name, upload_id, options, key, append=append)
    if is_new:
        deps.doorbell.ring_for_readings([(deps.account, name, row.version)])
    return row, is_new


def _kept(
    deps: Dependencies,
    name: str,
    draft: Draft,
    parts: Sequence[Part],
    options: dict[str, Any],
    append: bool,
    idempotency_key: str | None,
    request: Request,
) -> tuple[Row, bool]:
    """Put a file that has come whole on record, unless it was there; gives its version, and if that is new."""
    file = kept(deps.artifacts, owners.of_dataset(name), draft, parts, deps.floor)
    try:
        key = once(idempotency_key, request, deps, uploaded, file.sha256)
        row, is_new = _added(deps, name, file, called(parts), options, append, key)
    except DatabaseError as error:
        # After any other trouble it is unknown whether the record points to the file by now.
        if trouble(error) == "full":
            deps.artifacts.remove([file.key])
        raise
    except (StoreError, Conflict, Invalid, NoRoom):
        deps.artifacts.remove([file.key])
        raise
    if not is_new:
        deps.artifacts.remove([file.key])
    elif row.state == "reading":
        deps.doorbell.ring_for_readings([(deps.account, name, row.version)])
    return row, is_new


def _added(
    deps: Dependencies,
    name: str,
    file: File,
    called: str | None,
    options: dict[str, Any],
    append: bool,
    key: Key | None,
) -> tuple[Row, bool]:
    if file.size == 0:
        detail = "the body is empty; send the file"
        raise Invalid(detail, faults=[Fault("", detail)])
    return deps.store.datasets.add(name, file, called, options, append=append, key=key)


def uploaded(done: tuple[Row, bool]) -> dict[str, Any]:
    """Give the answer to a request that made a version, or found it there, as it is kept."""
    row, is_new = done
    return answered(202 if is_new else 200, DataVersion.of(row), Location=_path(row))


def _path(row: Row) -> str:
    return f"/datasets/{row.dataset}/versions/{row.version}"
