"""/datasets/{name}/versions: look at what was read, read it anew, cancel, delete."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Header, Query, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field

from models.data.reading.markdown import markdown
from service.api.dependencies import Deps, json_only
from service.api.documents import DocumentRoute
from service.api.following.prefer import Prefer, seconds_to_wait
from service.api.gate import own_pages_only
from service.api.problems import problems
from service.api.routes.datasets.given_options import checked
from service.api.routes.datasets.looked_up import (
    RETRY_SECONDS,
    DatasetName,
    Number,
    require_upload,
    settled,
    the_set,
    the_version,
)
from service.api.routes.datasets.upload import uploaded
from service.api.routes.downloads import conditions, download, file_of_type
from service.api.routes.field_masks import Shown, as_list
from service.api.routes.idempotency import IdempotencyKey, answered, once
from service.api.routes.listing import Page
from service.api.schemas.datasets import DataVersion, DataVersionPage, why
from service.api.schemas.models import VersionPage, VersionView
from service.edge.links import link
from service.errors import Conflict, NotFound, NotYet
from service.store import owners
from service.store.datasets import SENT
from service.store.engine import Row

router = APIRouter(tags=["data sets"], route_class=DocumentRoute)

MAX_BODY_BYTES = 64 * 2**10


class ReadAgain(BaseModel):
    """Which file is to be read anew, and how."""

    model_config = ConfigDict(extra="forbid")

    version: int = Field(
        alias="from", strict=True, ge=1, le=2**31 - 1, description="The version whose file it is.", examples=[3]
    )
    options: dict[str, Any] = Field(
        default={},
        max_length=100,
        description="Options, as `POST /datasets` takes them in `options`; others are those of that version.",
        examples=[{"label": "species"}],
    )


@router.get(
    "/datasets/{name}/versions",
    summary="List versions, the newest first",
    response_model=DataVersionPage,
    responses=as_list(404, 503),
)
def find(
    name: DatasetName,
    deps: Deps,
    shown: Shown,
    after: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="Where the page before ended; `next`.")] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="Versions on a page.")] = 20,
) -> Response:
    """List the versions of a data set. Follow `next` for more."""
    the_set(deps, name)

    def read(count: int) -> Sequence[Row]:
        return deps.store.datasets.versions(name, before=after, limit=count)

    page = Page.of(read, limit=limit, path=f"/datasets/{name}/versions", cursor="version")
    data = [DataVersion.of(row) for row in page.rows]
    return shown.answer(DataVersionPage(data=data, has_more=page.has_more, next=page.next))


@router.post(
    "/datasets/{name}/versions",
    status_code=202,
    dependencies=[Depends(json_only)],
    max_body_size=MAX_BODY_BYTES,
    summary="Read a file anew",
    responses={
        200: {"model": DataVersion, "description": "A version of this file and these options was there already."},
        **problems(400, 404, 409, 413, 415, 422, 503, 507),
    },
)
def read_again(
    name: DatasetName,
    asked: Annotated[ReadAgain, Body()],
    request: Request,
    response: Response,
    deps: Deps,
    idempotency_key: IdempotencyKey = None,
) -> DataVersion:
    """Read the file of a version with other options; what comes of it is the next version."""
    require_upload(name)
    key = once(idempotency_key, request, deps, uploaded, asked)
    options = checked(asked.options, ("body", "options"))
    the_version(deps, name, asked.version)
    deps.floor.require()
    row, is_new = deps.store.datasets.read_again(name, asked.version, options, key=key)
    if is_new:
        deps.doorbell.ring_for_readings([(deps.account, name, row.version)])
    response.status_code = 202 if is_new else 200
    response.headers["Location"] = link(f"/datasets/{name}/versions/{row.version}")
    return DataVersion.of(row)


@router.get(
    "/datasets/{name}/versions/{version}",
    dependencies=[Depends(own_pages_only)],
    summary="Look at a version",
    responses=problems(403, 404, 422, 503, 507),
)
async def get(
    name: DatasetName,
    version: Number,
    response: Response,
    deps: Deps,
    wait: Annotated[
        float | None,
        Query(ge=0, description="Seconds to wait at most while an upload is read; else `TENFOLD_MAX_WAIT_SECONDS`."),
    ] = None,
    prefer: Prefer = None,
) -> DataVersion:
    """Tell what a version is, and what was read; while it is being read, how far that has come, after a while.

    Of an upload, `wait=0` answers at once.
    """
    wait = seconds_to_wait(prefer, deps, response) if wait is None else wait
    row = await settled(deps, name, version, wait=wait)
    if row.state == "reading":
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    return DataVersion.of(row)


@router.post(
    "/datasets/{name}/versions/{version}/cancel",
    status_code=202,
    summary="Cancel a reading",
    responses=problems(404, 409, 422, 503, 507),
)
def cancel(
    name: DatasetName, version: Number, request: Request, deps: Deps, idempotency_key: IdempotencyKey = None
) -> DataVersion:
    """Cancel a reading that waits, or stop one that is under way. Cancelling it twice is no error; 409 if it ended."""
    key = once(idempotency_key, request, deps, lambda row: answered(202, DataVersion.of(row)))
    the_version(deps, name, version)
    row = deps.store.datasets.cancel(name, version, key=key)
    if row is None:
        raise NotFound(f"the data set {name!r} has no version {version}")
    return DataVersion.of(row)


@router.get(
    "/datasets/{name}/versions/{version}/reading",
    dependencies=[Depends(own_pages_only)],
    summary="What a file was taken for",
    response_class=JSONResponse,
    responses={200: {"content": {"text/markdown": {}}}, **problems(403, 404, 409, 422, 503, 507)},
)
async def reading(name: DatasetName, version: Number, deps: Deps, accept: Annotated[str, Header()] = "*/*") -> Response:
    """Give what the file was taken for and why, its classes, and what was left out, dropped and noticed.

    JSON, or a page for those who accept `text/markdown`. 409 while there is none because of how the reading went.
    """
    row = await settled(deps, name, version)
    if row.state == "reading":
        raise NotYet(f"version {version} of the data set {name!r} is being read; ask again", retry_after=RETRY_SECONDS)
    if row.state != "ready":
        raise Conflict(why(row) or f"version {version} of the data set {name!r} has {row.state}")
    if row.reading is None:
        raise NotFound(
            f"version {version} of the data set {name!r} has no reading: it is built in, or was uploaded before there "
            "were any"
        )
    if "text/markdown" in accept.lower():
        page = markdown(row.reading, title=f"{name}/{version}")
        return PlainTextResponse(page, media_type="text/markdown", headers={"Vary": "Accept"})
    return JSONResponse(row.reading, headers={"Vary": "Accept"})


@router.get(
    "/datasets/{name}/versions/{version}/file",
    dependencies=[Depends(conditions)],
    summary="Download the file as it was sent",
    response_class=Response,
    responses=file_of_type("application/octet-stream", 404, 422, 500, 503),
)
def file(name: DatasetName, version: Number, request: Request, deps: Deps) -> Response:
    """Download the file of a version: of one that was appended, what was appended alone.

    The ETag is its SHA-256; ranges are served.
    """
    row = the_version(deps, name, version)

    def sent() -> Row:
        found = deps.store.files.get(owners.of_data(name, version), SENT)
        if found is None:
            raise NotFound(
                f"the file of version {version} of the data set {name!r} is not kept: it is built in, or was uploaded "
                "before files were"
            )
        return found

    called = row.file_name or f"{name}-{version}"
    return download(request, deps, sent, media_type="application/octet-stream", filename=called)


@router.get(
    "/datasets/{name}/versions/{version}/models",
    summary="What learned from a version",
    response_model=VersionPage,
    responses=as_list(404, 503),
)
def learned(
    name: DatasetName,
    version: Number,
    deps: Deps,
    shown: Shown,
    after: Annotated[
        str | None,
        Query(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*/[1-9][0-9]{0,8}$",
            max_length=138,
            description="Where the page before ended; see `next`.",
        ),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="Versions on a page.")] = 20,
) -> Response:
    """List the versions of models that learned from a version of a data set, by model and number."""
    the_version(deps, name, version)
    model, _, number = (after or "").partition("/")
    place = (model, int(number)) if after else None
    rows = deps.store.datasets.learned(name, version, after=place, limit=limit + 1)
    some, has_more = rows[:limit], len(rows) > limit
    path = f"/datasets/{name}/versions/{version}/models?limit={limit}"
    following = link(f"{path}&after={some[-1].model}/{some[-1].version}") if has_more else None
    data = [VersionView.of(row) for row in some]
    return shown.answer(VersionPage(data=data, has_more=has_more, next=following))


@router.delete(
    "/datasets/{name}/versions/{version}",
    status_code=204,
    summary="Delete a version",
    responses=problems(404, 409, 422, 503, 507),
)
def delete(name: DatasetName, version: Number, deps: Deps) -> None:
    """Delete a version and its files; its number is not given again. 409 while a job that has not ended needs it.

    Models that learned from it go on answering. What needs its examples is possible no more: to repeat or verify a job,
    or to go on from one, and to draw its mistakes; each says then that the version was deleted.
    """
    require_upload(name)
    the_version(deps, name, version)
    unreferenced = deps.store.datasets.delete(name, version)
    deps.artifacts.remove(unreferenced or ())
    for folder in (owners.of_data(name, version), owners.of_dataset(name)):
        deps.artifacts.remove_folder(folder)
