"""/uploads/{id}: how far an upload has come, more of its bytes, and its end."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.concurrency import run_in_threadpool

from service.api.dependencies import Deps
from service.api.problems import problems
from service.api.routes.uploads.begin import BYTES
from service.api.routes.uploads.reception import receive, too_long
from service.api.routes.uploads.tus_headers import (
    OFFSETS,
    Checksum,
    Digest,
    Length,
    Offset,
    declared,
    is_of_offsets,
    number,
    spoken,
    told,
    understood,
)
from service.api.schemas.jobs import Identifier
from service.api.schemas.uploads import UploadView
from service.edge.head import length_in
from service.errors import Malformed, TooLarge, UnsupportedMedia
from service.predict.receive import require_plain

router = APIRouter(tags=["uploads"])

UploadId = Annotated[Identifier, Path(description="Id of an upload.")]


@router.get(
    "/uploads/{upload_id}",
    dependencies=[Depends(understood)],
    summary="How far an upload has come",
    responses={
        200: declared("Upload-Offset", "Upload-Length", "Upload-Expires", "Upload-Metadata", "Upload-Defer-Length"),
        **problems(404, 412, 422, 503),
    },
)
def look(upload_id: UploadId, response: Response, deps: Deps) -> UploadView:
    """Tell how many bytes of an upload are safe: as JSON, and in the headers of tus, which asks by HEAD."""
    row = deps.store.uploads.get(upload_id)
    response.headers.update(told(row))
    return UploadView.of(row)


@router.patch(
    "/uploads/{upload_id}",
    status_code=204,
    dependencies=[Depends(spoken)],
    summary="Go on with an upload",
    openapi_extra={"requestBody": {"required": True, "content": BYTES}},
    responses={
        204: declared("Upload-Offset", "Upload-Expires"),
        **problems(400, 404, 409, 412, 413, 415, 422, 423, 460, 500, 503, 507),
    },
)
async def proceed(
    upload_id: UploadId,
    request: Request,
    deps: Deps,
    upload_offset: Offset = None,
    upload_length: Length = None,
    upload_checksum: Checksum = None,
) -> Response:
    """Send more of a file, from where it has come to: whatever has come before a cut is kept.

    409 from any other place; `HEAD` tells which it is. Of two requests that write, the one that began last goes on, and
    the other gets 423: it may be a connection that was torn without anybody knowing yet. Who can send no `PATCH` sends
    a `POST` with `X-HTTP-Method-Override: PATCH`.
    """
    require_plain(request.scope["headers"])
    if not is_of_offsets(request):
        raise UnsupportedMedia(f"send the bytes as {OFFSETS}")
    if (offset := number(upload_offset)) is None:
        raise Malformed("say with Upload-Offset from where the bytes go on")
    length, digest = number(upload_length), Digest.of(upload_checksum)
    if (length or 0) > deps.settings.max_upload_bytes:
        raise TooLarge(f"an upload may have {deps.settings.max_upload_bytes:,} bytes (TENFOLD_MAX_UPLOAD_BYTES)")
    more = length_in(request.headers.get("content-length", "").encode("latin-1")) or 0
    deps.floor.require(more=more)
    turn = await run_in_threadpool(deps.store.uploads.take, upload_id, offset, length)
    most = turn.length if turn.length is not None else deps.settings.max_upload_bytes
    if offset + more > most:
        raise too_long(turn, most)
    row = await receive(request, deps, turn, digest)
    return Response(status_code=204, headers=told(row))


@router.delete(
    "/uploads/{upload_id}",
    status_code=204,
    dependencies=[Depends(understood)],
    summary="End an upload",
    responses=problems(404, 412, 422, 503, 507),
)
def end(upload_id: UploadId, deps: Deps) -> None:
    """End an upload, and remove its bytes, unless they have become a version's."""
    deps.artifacts.remove(deps.store.uploads.end(upload_id))
