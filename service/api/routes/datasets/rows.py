"""/datasets/{name}/versions/{n}/rows and /images: the examples of a version, one by one."""

from hashlib import sha256
from typing import Annotated
from urllib.parse import urlencode

import numpy as np
from fastapi import APIRouter, Header, Path, Query, Request, Response
from numpy.typing import NDArray

from models.data import shown
from models.data.builtin import BUILTIN
from models.data.examples import Examples
from models.data.schema import Images
from models.data.schema import read as schema_of
from models.data.stored import Stored, is_array
from models.images import to_png
from service.api.dependencies import Dependencies, Deps
from service.api.entity_tags import is_known, require_match
from service.api.problems import problems
from service.api.routes.datasets.looked_up import DatasetName, Number, the_version
from service.api.schemas.rows import ExamplePage, ExampleView
from service.edge.links import link
from service.errors import Conflict, Damaged, Fault, Invalid, NotFound
from service.store import owners

router = APIRouter(tags=["data sets"])

MOST_CELLS = 100_000
"""Of a page: one of wide rows is shorter than was asked for."""

_PARTS = ("train", "validation", "test")


@router.get(
    "/datasets/{name}/versions/{number}/rows",
    summary="The examples of a data set",
    responses=problems(404, 409, 422, 500, 503),
)
def rows(
    name: DatasetName,
    number: Number,
    deps: Deps,
    after: Annotated[int, Query(ge=-1, le=2**31 - 1, description="Where the page before ended; `next`.")] = -1,
    limit: Annotated[int, Query(ge=1, le=100, description="Examples on a page.")] = 20,
    label: Annotated[str | None, Query(max_length=1000, description="Only those of the class of this name.")] = None,
) -> ExamplePage:
    """List the examples of a version as they were read, in their order: rows by the names of their columns.

    Of pictures, each has its own URL. A page of wide rows may be shorter than `limit`: follow `next`.
    """
    version = f"/datasets/{name}/versions/{number}"
    return page_of(_examples(deps, name, number), version, after=after, limit=limit, label=label)


def page_of(examples: Examples, version: str, *, after: int, limit: int, label: str | None) -> ExamplePage:
    """Give a page of the examples of the version at this path; raises Invalid for a class that there is not."""
    schema = examples.schema
    places = np.arange(len(examples.labels)) if label is None else _of_class(examples, label)
    rest = places[np.searchsorted(places, after, side="right") :]
    if not isinstance(schema, Images):
        limit = min(limit, max(MOST_CELLS // len(schema.columns), 1))
    page = rest[:limit]
    values = [None] * len(page) if isinstance(schema, Images) else list(shown.rows(examples.values[page], schema))
    data = [
        ExampleView(
            row=row,
            label=schema.classes[examples.labels[row]],
            part=None if examples.parts is None else _PARTS[examples.parts[row]],
            values=its,
            image=link(f"{version}/images/{row}.png") if its is None else None,
        )
        for row, its in zip(page.tolist(), values, strict=True)
    ]
    following = {"limit": limit, "after": int(page[-1]) if len(page) else after}
    query = urlencode(following if label is None else {"label": label} | following)
    has_more = len(rest) > len(page)
    return ExamplePage(data=data, has_more=has_more, next=link(f"{version}/rows?{query}") if has_more else None)


@router.get(
    "/datasets/{name}/versions/{number}/images/{row}.png",
    summary="A picture of a data set",
    response_class=Response,
    responses={
        200: {"content": {"image/png": {}}},
        304: {"description": "The client has it already."},
        **problems(400, 404, 409, 412, 422, 500, 503),
    },
)
def image(
    name: DatasetName,
    number: Number,
    row: Annotated[int, Path(ge=0, le=2**31 - 1, description="Its place in the version, from 0.")],
    request: Request,
    deps: Deps,
    if_match: Annotated[  # noqa: ARG001 - read below, as a header may come in several lines
        str | None, Header(description="Only if it has one of these ETags.")
    ] = None,
    if_none_match: Annotated[  # noqa: ARG001
        str | None, Header(description="ETags of what the client has: one of these is not sent again.")
    ] = None,
) -> Response:
    """Give a picture at its own size: the lowest number of the data set's scale is black, the greatest one white."""
    examples = _examples(deps, name, number)
    schema = examples.schema
    if not isinstance(schema, Images):
        raise Conflict(f"{name}/{number} is a table and has no pictures; its rows are at .../{number}/rows")
    if row >= len(examples.labels):
        raise NotFound(f"{name}/{number} has {len(examples.labels):,} pictures, the first of which is 0")
    png = to_png(shown.pictures(examples.values[[row]], schema)[0])
    tag = sha256(png).hexdigest()
    headers = {"ETag": f'"{tag}"', "Cache-Control": "no-cache"}
    require_match(request.headers, tag)
    if is_known(request.headers, tag):
        return Response(status_code=304, headers=headers)
    return Response(png, media_type="image/png", headers=headers)


def _of_class(examples: Examples, label: str) -> NDArray[np.intp]:
    classes = examples.schema.classes
    if label not in classes:
        some = ", ".join(repr(name) for name in classes[:10]) + (", ..." if len(classes) > 10 else "")
        detail = f"there is no class called {label[:100]!r}; they are {some}"
        raise Invalid(f"label: {detail}", faults=[Fault("#query/label", detail)])
    return np.flatnonzero(examples.labels == classes.index(label))


def _examples(deps: Dependencies, name: str, number: int) -> Examples:
    """Map the examples of a version; raises NotFound, Conflict where there are none to look at, and Damaged."""
    try:
        return _stored(deps, name, number).load()
    except (OSError, ValueError) as error:
        raise Damaged(f"the examples of {name}/{number} cannot be used: {error}") from error


def _stored(deps: Dependencies, name: str, number: int) -> Stored:
    if name in BUILTIN:
        raise Conflict(
            f"{name!r} is built in, and its examples are not kept here; /datasets/{name}/samples.png shows some"
        )
    version = the_version(deps, name, number)
    if version.state != "ready":
        raise Conflict(f"{name}/{number} has no examples: it is {version.state}")
    files = [file for file in deps.store.files.of(owners.of_data(name, number)) if is_array(file.name)]
    return Stored(tuple((file.name, deps.artifacts.path(file.key)) for file in files), schema_of(version.schema))
