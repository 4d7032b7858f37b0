"""OPTIONS and POST /uploads: what is spoken here, and the beginning of an upload; and which there are."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from service.api.dependencies import Dependencies, Deps
from service.api.problems import problems
from service.api.resumable import VERSION
from service.api.routes.listing import Page
from service.api.routes.uploads.reception import receive, to_its_end
from service.api.routes.uploads.tus_headers import (
    ALGORITHMS,
    OFFSETS,
    Checksum,
    Deferred,
    Digest,
    Length,
    Metadata,
    declared,
    is_of_offsets,
    name_in,
    number,
    spoken,
    told,
)
from service.api.schemas.uploads import UploadPage, UploadView
from service.edge.head import length_in
from service.edge.links import link
from service.errors import Malformed, TooLarge, UnsupportedMedia
from service.predict.receive import require_plain
from service.store.engine import Row

router = APIRouter(tags=["uploads"])

EXTENSIONS = (
    "creation", "creation-defer-length", "creation-with-upload", "expiration", "termination", "checksum",
)  # fmt: skip
"""https://tus.io/protocols/resumable-upload#protocol-extensions"""

BYTES = {OFFSETS: {"schema": {"type": "string", "format": "binary"}}}


@router.options(
    "/uploads",
    status_code=204,
    summary="What is spoken here",
    responses={
        204: declared("Tus-Resumable", "Tus-Version", "Tus-Extension", "Tus-Max-Size", "Tus-Checksum-Algorithm")
    },
)
async def options(response: Response, deps: Deps) -> None:
    """Tell the version, the extensions and the bounds of tus, the protocol of uploads that go on after a cut."""
    response.headers["Tus-Version"] = VERSION
    response.headers["Tus-Extension"] = ",".join(EXTENSIONS)
    response.headers["Tus-Max-Size"] = str(deps.settings.max_upload_bytes)
    response.headers["Tus-Checksum-Algorithm"] = ",".join(ALGORITHMS)


@router.post(
    "/uploads",
    status_code=201,
    dependencies=[Depends(spoken)],
    summary="Begin an upload",
    openapi_extra={"requestBody": {"required": False, "content": BYTES}},
    responses={
        201: declared("Location", "Upload-Offset", "Upload-Length", "Upload-Expires", "Upload-Metadata"),
        **problems(400, 412, 413, 415, 422, 429, 460, 503, 507),
    },
)
async def begin(
    request: Request,
    deps: Deps,
    upload_length: Length = None,
    upload_defer_length: Deferred = None,
    upload_metadata: Metadata = None,
    upload_checksum: Checksum = None,
) -> Response:
    """Begin an upload; `Location` is where its bytes go by `PATCH`. The first of them may come along.

    It stays for `TENFOLD_UPLOAD_HOURS` after its last byte came, and becomes a version of a data set by
    `POST /datasets?name=&upload=`.
    """
    require_plain(request.scope["headers"])
    if "upload-concat" in request.headers:
        raise Malformed("parts of uploads are not joined here (concatenation is none of Tus-Extension); send it as one")
    length = number(upload_length)
    if (length is None) == (upload_defer_length is None):
        raise Malformed("say with Upload-Length how many bytes there are, or with Upload-Defer-Length: 1 that you will")
    if (length or 0) > deps.settings.max_upload_bytes:
        raise TooLarge(f"an upload may have {deps.settings.max_upload_bytes:,} bytes (TENFOLD_MAX_UPLOAD_BYTES)")
    described = upload_metadata or ""
    name, digest = name_in(described), Digest.of(upload_checksum)
    brings = _brings_something(request)
    deps.floor.require(more=length or 0)
    row = await run_in_threadpool(_begun, deps, length, name, described)
    if brings:
        try:
            turn = await run_in_threadpool(deps.store.uploads.take, row.id, 0)
            row = await receive(request, deps, turn, digest)
        except BaseException:
            # Nobody was told where it is: nobody could go on with it.
            with suppress(Exception):
                deps.artifacts.remove(await to_its_end(deps.store.uploads.end, row.id))
            raise
    return Response(status_code=201, headers={"Location": link(f"/uploads/{row.id}"), **told(row)})


def _begun(deps: Dependencies, length: int | None, name: str | None, described: str) -> Row:
    deps.artifacts.remove(deps.store.uploads.expire())  # they make room for others
    return deps.store.uploads.begin(length, name, described)


def _brings_something(request: Request) -> bool:
    """Whether bytes come along; raises UnsupportedMedia for what is no such bytes."""
    if is_of_offsets(request):
        return True
    size = length_in(request.headers.get("content-length", "0").encode("latin-1"))
    if size or "transfer-encoding" in request.headers:
        raise UnsupportedMedia(f"bytes that come along are {OFFSETS}")
    return False


@router.get("/uploads", summary="List uploads", responses=problems(422, 503))
def find(
    deps: Deps,
    after: Annotated[int | None, Query(ge=1, le=2**53, description="Where the page before ended; see `next`.")] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="Uploads on a page.")] = 20,
) -> UploadPage:
    """List uploads, the newest first, and tell what those take that are not used yet. Follow `next` for more."""

    def read(count: int) -> Sequence[Row]:
        return deps.store.uploads.find(after=after, limit=count)

    page = Page.of(read, limit=limit, path="/uploads")
    count, size = deps.store.uploads.weight()
    return UploadPage(
        data=[UploadView.of(row) for row in page.rows],
        open=count,
        most=deps.settings.open_uploads,
        bytes=size,
        has_more=page.has_more,
        next=page.next,
    )
