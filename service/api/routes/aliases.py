"""/models/{name}/aliases: what they point to, and pointed to before; moved, rolled back, under If-Match."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Header, Path, Query, Request, Response

from models.terms import Name
from service.api.dependencies import Dependencies, Deps, json_only
from service.api.documents import DocumentRoute
from service.api.entity_tags import is_known, require_match, tags
from service.api.problems import problems
from service.api.routes.idempotency import IdempotencyKey, answered, once
from service.api.routes.models import ModelName, the_model
from service.api.routes.naming import require_name_of_model
from service.api.schemas.aliases import AliasView, DecisionView, History, MoveView, Pointing
from service.errors import Fault, Invalid, NotFound
from service.refusals import as_problem
from service.store.aliases import Condition
from service.store.engine import Row
from service.store.errors import NoSuchVersion

router = APIRouter(tags=["models"], route_class=DocumentRoute)

AliasName = Annotated[Name, Path(max_length=64, description="Name of an alias.")]


def _condition(
    request: Request,
    if_match: Annotated[  # noqa: ARG001 - described here, and read with all of its lines
        str | None, Header(description="Only if the alias has this revision, its ETag; `*`: only if it is there.")
    ] = None,
    if_none_match: Annotated[  # noqa: ARG001
        str | None,
        Header(description="Only if the alias has not this revision; `*`: only if there is no alias of this name."),
    ] = None,
) -> Condition:
    wanted = tags("If-Match", request.headers.getlist("if-match"))
    unwanted = tags("If-None-Match", request.headers.getlist("if-none-match"))
    return Condition(
        # Weak tags, and those that are none of ours, match nothing: RFC 9110, section 13.1.1.
        revisions=None if wanted is None or wanted.is_star else _revisions(wanted.strong),
        other_than=frozenset() if unwanted is None else _revisions(unwanted.strong | unwanted.weak),
        is_there=wanted is not None and wanted.is_star,
        is_new=unwanted is not None and unwanted.is_star,
    )


def _revisions(tags: frozenset[str]) -> frozenset[int]:
    return frozenset(int(tag) for tag in tags if re.fullmatch("[1-9][0-9]{0,8}", tag))


Conditional = Annotated[Condition, Depends(_condition)]


@router.get("/models/{name}/history", summary="What a model's aliases pointed to", responses=problems(404, 422, 503))
def history(
    name: ModelName, deps: Deps, limit: Annotated[int, Query(ge=1, le=1000, description="Moves, and decisions.")] = 100
) -> History:
    """List the moves of a model's aliases, the newest first: from where, to where, why and when.

    And what was decided on each of its versions: what it and the champion came to on which examples, and why it was not
    promoted.
    """
    the_model(deps, name)
    return History(
        data=[MoveView.of(row) for row in deps.store.aliases.history(name, limit=limit)],
        decisions=[DecisionView.of(row) for row in deps.store.models.decisions(name, limit=limit)],
    )


@router.get(
    "/models/{name}/aliases/{alias}",
    summary="Look at an alias",
    response_model=AliasView,
    responses={
        304: {"description": "The client has this revision already: one of the tags in `If-None-Match` is its ETag."},
        **problems(400, 404, 412, 422, 503),
    },
)
def alias(
    name: ModelName,
    alias: AliasName,
    request: Request,
    response: Response,
    deps: Deps,
    if_match: Annotated[  # noqa: ARG001 - described here, and read with all of its lines
        str | None, Header(description="Only if the alias has this revision, its ETag.")
    ] = None,
    if_none_match: Annotated[  # noqa: ARG001
        str | None, Header(description="The revision that the client knows, which is not sent again.")
    ] = None,
) -> Any:
    """Tell what an alias points to, and whether this API process serves it.

    The ETag is its revision: a 304 says that it points to the same, and nothing of how that is served.
    """
    row = deps.store.aliases.get(name, alias)
    if row is None:
        the_model(deps, name)
        raise _no_alias(name, alias)
    require_match(request.headers, str(row.revision))
    if is_known(request.headers, str(row.revision)):
        return Response(status_code=304, headers={"ETag": f'"{row.revision}"'})
    return _shown(row, response, deps)


@router.put(
    "/models/{name}/aliases/{alias}",
    dependencies=[Depends(json_only)],
    summary="Point an alias to a version",
    responses={
        201: {"model": AliasView, "description": "The alias is new."},
        **problems(400, 404, 412, 413, 415, 422, 503, 507),
    },
)
def put_alias(
    name: ModelName,
    alias: AliasName,
    pointing: Annotated[Pointing, Body()],
    request: Request,
    response: Response,
    deps: Deps,
    condition: Conditional,
    idempotency_key: IdempotencyKey = None,
) -> AliasView:
    """Let an alias point to a version, or divide the requests among several. `champion` answers for its model.

    Every API process follows within a second. 412 unless `If-Match` or `If-None-Match` hold.
    """

    def moved(done: tuple[Row, bool]) -> dict[str, Any]:
        row, is_new = done
        return _kept(201 if is_new else 200, row, deps)

    key = once(idempotency_key, request, deps, moved, pointing)
    deps.floor.require()  # rolling back is always possible, and so only as often as this
    the_model(deps, name)
    if deps.store.aliases.get(name, alias) is None:
        require_name_of_model(alias, deps, "#path/alias")
    try:
        row, is_new = deps.store.aliases.point(name, alias, pointing.targets, condition, key=key)
    except NoSuchVersion as none:
        detail = as_problem(none).detail
        field = "/version" if pointing.version is not None else f"/versions/{none.version}"
        field = "/shadow" if none.version == pointing.shadow else field
        raise Invalid(detail, faults=[Fault(field, detail)]) from None
    response.status_code = 201 if is_new else 200
    return _shown(row, response, deps)


@router.delete(
    "/models/{name}/aliases/{alias}",
    status_code=204,
    summary="Delete an alias",
    responses=problems(400, 404, 412, 422, 503, 507),
)
def delete_alias(name: ModelName, alias: AliasName, deps: Deps, condition: Conditional) -> None:
    """Delete an alias. Of a model without `champion` the newest version answers."""
    the_model(deps, name)
    if not deps.store.aliases.delete(name, alias, condition):
        raise _no_alias(name, alias)


@router.post(
    "/models/{name}/aliases/{alias}/rollback",
    summary="Roll an alias back",
    responses=problems(400, 404, 409, 412, 422, 503, 507),
)
def roll_back(
    name: ModelName,
    alias: AliasName,
    request: Request,
    response: Response,
    deps: Deps,
    condition: Conditional,
    idempotency_key: IdempotencyKey = None,
) -> AliasView:
    """Let an alias point to what it pointed to before; called again, to what it pointed to before that.

    Versions that were deleted are passed over. 409 if there is nothing to go back to.
    """
    key = once(idempotency_key, request, deps, lambda row: _kept(200, row, deps))
    the_model(deps, name)
    row = deps.store.aliases.roll_back(name, alias, condition, key=key)
    if row is None:
        raise _no_alias(name, alias)
    return _shown(row, response, deps)


def _shown(row: Row, response: Response, deps: Dependencies) -> AliasView:
    response.headers["ETag"] = f'"{row.revision}"'
    return _view(row, deps)


def _kept(status: int, row: Row, deps: Dependencies) -> dict[str, Any]:
    return answered(status, _view(row, deps), ETag=f'"{row.revision}"')


def _view(row: Row, deps: Dependencies) -> AliasView:
    name = f"{row.model}@{row.alias}"
    answering = {int(number) for number in row.targets["versions"]}
    refused, shadow = deps.predictor.refusal(name, answering), deps.predictor.shadow(name, answering)
    return AliasView.of(row, refused=refused, shadow=shadow)


def _no_alias(name: str, alias: str) -> NotFound:
    return NotFound(f"model {name} has no alias {alias}")
