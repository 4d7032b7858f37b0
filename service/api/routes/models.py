"""/models: what was learned, under names: versions, aliases that point to them, and what these pointed to before."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Header, Path, Query, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from models.card import markdown
from models.spec import Name
from service.api.dependencies import Given, Parts
from service.api.problems import problems
from service.api.routes.jobs.submit import json_only
from service.api.schemas.ensembles import Pointing
from service.api.schemas.models import (
    AliasView,
    History,
    Lineage,
    LineageList,
    ModelList,
    ModelSummary,
    MoveView,
    VersionPage,
    VersionView,
)
from service.errors import Conflict, Damaged, Fault, Invalid, NotFound, PreconditionFailed
from service.store.engine import Row
from service.store.registry import Condition, InUse, NoSuchVersion, NothingBefore, WrongRevision
from service.store.states import owner_of as owner_of_job
from service.store.versions import owner_of

router = APIRouter(tags=["models"])

ModelName = Annotated[Name, Path(description="Name of a model.")]
Version = Annotated[int, Path(ge=1, le=2**31 - 1, description="Number of a version.")]
AliasName = Annotated[Name, Path(max_length=64, description="Name of an alias.")]
_TAG = re.compile(r'"(\d{1,9})"')


def _condition(
    if_match: Annotated[
        str | None, Header(description="Only if the alias has this revision, its ETag; `*`: only if it is there.")
    ] = None,
    if_none_match: Annotated[
        str | None, Header(pattern=r"^\*$", description="`*`: only if there is no alias of this name.")
    ] = None,
) -> Condition:
    there = None if if_none_match is None else False
    if if_match is None:
        return Condition(there=there)
    if if_match.strip() == "*" and there is None:
        return Condition(there=True)
    # Entity tags that are none of ours match nothing: RFC 9110, section 13.1.1. Nor does what is to be there and not.
    return Condition(revisions=frozenset(int(tag) for tag in _TAG.findall(if_match)), there=there)


Conditional = Annotated[Condition, Depends(_condition)]


@router.get("/models", summary="List models", responses=problems(503))
def find(parts: Given) -> ModelList:
    """List the models by name, with their aliases."""
    aliases = parts.store.models.aliases()
    rows = parts.store.models.all()
    return ModelList(data=[ModelSummary.of(row, [its for its in aliases if its.model == row.name]) for row in rows])


@router.get("/models/{name}", summary="Look at a model", responses=problems(404, 422, 503))
def get(name: ModelName, parts: Given) -> ModelSummary:
    """Tell which versions and aliases a model has."""
    return ModelSummary.of(_found(parts, name), parts.store.models.aliases(name))


@router.get("/models/{name}/versions", summary="List versions, the newest first", responses=problems(404, 422, 503))
def versions(
    name: ModelName,
    parts: Given,
    after: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="Where the page before ended; `next`.")] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="Versions on a page.")] = 20,
) -> VersionPage:
    """List the versions of a model. Follow `next` for more."""
    _found(parts, name)
    rows = parts.store.models.versions(name, before=after, limit=limit + 1)
    page, has_more = rows[:limit], len(rows) > limit
    following = f"/models/{name}/versions?limit={limit}&after={page[-1].version}" if has_more else None
    return VersionPage(data=[VersionView.of(row) for row in page], has_more=has_more, next=following)


@router.get("/models/{name}/versions/{version}", summary="Look at a version", responses=problems(404, 422, 503))
def version(name: ModelName, version: Version, parts: Given) -> VersionView:
    """Tell what a version is, how good, and whether it was promoted."""
    return VersionView.of(the_version(parts, name, version))


@router.delete(
    "/models/{name}/versions/{version}",
    status_code=204,
    summary="Delete a version",
    responses=problems(404, 409, 422, 503),
)
def delete_version(name: ModelName, version: Version, parts: Given) -> None:
    """Delete a version and its files; its number is not given again. 409 while an alias points to it."""
    row = the_version(parts, name, version)
    try:
        unreferenced = parts.store.models.delete(name, version)
    except InUse as use:
        raise Conflict(
            f"the alias {use.alias} points to version {version} of model {name}; move it with "
            f"PUT /models/{name}/aliases/{use.alias}, or delete it, first"
        ) from None
    parts.artifacts.remove(unreferenced or ())
    for folder in (
        owner_of(name, version),
        f"models/{name}",
        *([] if row.job_id is None else [owner_of_job(row.job_id)]),
    ):
        parts.artifacts.remove_folder(folder)


@router.get(
    "/models/{name}/versions/{version}/card",
    summary="The card of a version",
    response_class=JSONResponse,
    responses={200: {"content": {"text/markdown": {}}}, **problems(404, 422, 500, 503)},
)
def card(name: ModelName, version: Version, parts: Given, accept: Annotated[str, Header()] = "*/*") -> Response:
    """Give what a network is, what it was trained on, how good it is and what it is not for.

    JSON, or a page for those who accept `text/markdown`. 404 if there is none, because its assessment failed, or the
    version is from before there were any.
    """
    row = the_version(parts, name, version)
    file = parts.store.files.get(owner_of(name, version), "card.json")
    if file is None:
        why = row.facts.get("no_card_because", "it is from before there were any")
        raise NotFound(f"version {version} of model {name} has no card: {why}")
    try:
        found: dict[str, Any] = json.loads(parts.artifacts.read(file.key, file.sha256))
    except (ValueError, FileNotFoundError) as error:
        raise Damaged(f"the card of version {version} of model {name} can not be used: {error}") from error
    if "text/markdown" in accept.lower():
        return PlainTextResponse(markdown(found), media_type="text/markdown", headers={"Vary": "Accept"})
    return JSONResponse(found, headers={"Vary": "Accept"})


@router.get(
    "/models/{name}/versions/{version}/lineage", summary="Where a version comes from", responses=problems(404, 422, 503)
)
def lineage(name: ModelName, version: Version, parts: Given) -> Lineage:
    """Follow a version to its checkpoint, its job, the spec and the data; also when the job was deleted."""
    row = the_version(parts, name, version)
    return _lineage(parts, row)


@router.get("/models/{name}/lineage", summary="Where a model comes from", responses=problems(404, 422, 503))
def lineages(
    name: ModelName, parts: Given, limit: Annotated[int, Query(ge=1, le=100, description="Versions.")] = 20
) -> LineageList:
    """Follow the newest versions of a model to their jobs, specs and data."""
    _found(parts, name)
    rows = parts.store.models.versions(name, limit=limit)
    return LineageList(data=[_lineage(parts, row) for row in rows])


@router.get("/models/{name}/history", summary="What a model's aliases pointed to", responses=problems(404, 422, 503))
def history(
    name: ModelName, parts: Given, limit: Annotated[int, Query(ge=1, le=1000, description="Moves.")] = 100
) -> History:
    """List the moves of a model's aliases, the newest first: from where, to where, why and when."""
    _found(parts, name)
    return History(data=[MoveView.of(row) for row in parts.store.models.history(name, limit=limit)])


@router.get("/models/{name}/aliases/{alias}", summary="Look at an alias", responses=problems(404, 422, 503))
def alias(name: ModelName, alias: AliasName, response: Response, parts: Given) -> AliasView:
    """Tell what an alias points to, and whether this API process serves it. The ETag is its revision."""
    row = parts.store.models.alias(name, alias)
    if row is None:
        _found(parts, name)
        raise _no_alias(name, alias)
    return _shown(row, response, parts)


@router.put(
    "/models/{name}/aliases/{alias}",
    dependencies=[Depends(json_only)],
    summary="Point an alias to a version",
    responses={
        201: {"model": AliasView, "description": "The alias is new."},
        **problems(400, 404, 412, 413, 415, 422, 503),
    },
)
def put_alias(
    name: ModelName,
    alias: AliasName,
    pointing: Annotated[Pointing, Body()],
    response: Response,
    parts: Given,
    condition: Conditional,
) -> AliasView:
    """Let an alias point to a version, or divide the requests among several. `champion` answers for its model.

    Every API process follows within a second. 412 unless `If-Match` or `If-None-Match` hold.
    """
    _found(parts, name)
    try:
        with _worded(name, alias):
            row, is_new = parts.store.models.set_alias(name, alias, pointing.targets, condition)
    except NoSuchVersion as none:
        detail = f"model {name} has no version {none.version}"
        field = "/version" if pointing.version is not None else f"/versions/{none.version}"
        field = "/shadow" if none.version == pointing.shadow else field
        raise Invalid(detail, faults=[Fault(field, detail)]) from None
    response.status_code = 201 if is_new else 200
    return _shown(row, response, parts)


@router.delete(
    "/models/{name}/aliases/{alias}",
    status_code=204,
    summary="Delete an alias",
    responses=problems(404, 412, 422, 503),
)
def delete_alias(name: ModelName, alias: AliasName, parts: Given, condition: Conditional) -> None:
    """Delete an alias. Of a model without `champion` the newest version answers."""
    _found(parts, name)
    with _worded(name, alias):
        if not parts.store.models.delete_alias(name, alias, condition):
            raise _no_alias(name, alias)


@router.post(
    "/models/{name}/aliases/{alias}/rollback", summary="Roll an alias back", responses=problems(404, 409, 412, 422, 503)
)
def roll_back(name: ModelName, alias: AliasName, response: Response, parts: Given, condition: Conditional) -> AliasView:
    """Let an alias point to what it pointed to before; called again, to what it pointed to before that.

    Versions that were deleted are passed over. 409 if there is nothing to go back to.
    """
    _found(parts, name)
    try:
        with _worded(name, alias):
            row = parts.store.models.roll_back(name, alias, condition)
    except NothingBefore:
        raise Conflict(f"the alias {alias} of model {name} has nothing to go back to") from None
    if row is None:
        raise _no_alias(name, alias)
    return _shown(row, response, parts)


@contextmanager
def _worded(name: str, alias: str) -> Iterator[None]:
    """Word it when a condition does not hold."""
    try:
        yield
    except WrongRevision as wrong:
        now = "it is not there" if wrong.revision is None else f'its ETag is now "{wrong.revision}"'
        raise PreconditionFailed(
            f"the alias {alias} of model {name} is not as the request expects: {now}; look at it, and decide anew"
        ) from None


def _shown(row: Row, response: Response, parts: Parts) -> AliasView:
    response.headers["ETag"] = f'"{row.revision}"'
    name = f"{row.model}@{row.alias}"
    answering = {int(number) for number in row.targets["versions"]}
    refused, shadow = parts.predictor.refusal(name, answering), parts.predictor.shadow(name, answering)
    return AliasView.of(row, refused=refused, shadow=shadow)


def _found(parts: Parts, name: str) -> Row:
    row = parts.store.models.get(name)
    if row is None:
        raise NotFound(f"there is no model called {name}")
    return row


def the_version(parts: Parts, name: str, version: int) -> Row:
    """Look a version up; raises NotFound."""
    row = parts.store.models.version(name, version)
    if row is None:
        _found(parts, name)
        raise NotFound(f"model {name} has no version {version}")
    return row


def _lineage(parts: Parts, row: Row) -> Lineage:
    return Lineage.of(row, None if row.job_id is None else parts.store.jobs.get(row.job_id))


def _no_alias(name: str, alias: str) -> NotFound:
    return NotFound(f"model {name} has no alias {alias}")
