"""/models: what was learned, under names: versions, their cards, and where they come from."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from models.card import markdown
from models.terms import Name
from service.api.dependencies import Dependencies, Deps
from service.api.problems import problems
from service.api.routes.field_masks import Shown, as_list
from service.api.routes.listing import Page
from service.api.schemas.evaluations import on_card
from service.api.schemas.models import Lineage, LineageList, ModelList, ModelSummary, VersionPage, VersionView
from service.errors import Damaged, NotFound
from service.store import owners
from service.store.engine import Row

router = APIRouter(tags=["models"])

ModelName = Annotated[Name, Path(description="Name of a model.")]
Version = Annotated[int, Path(ge=1, le=2**31 - 1, description="Number of a version.")]

_ON_CARD = 5
"""So many evaluations, the latest, are shown on a card."""


@router.get("/models", summary="List models", response_model=ModelList, responses=as_list(503))
def find(deps: Deps, shown: Shown) -> Response:
    """List the models by name, with their aliases."""
    aliases = deps.store.aliases.all()
    rows = deps.store.models.all()
    models = [ModelSummary.of(row, [its for its in aliases if its.model == row.name]) for row in rows]
    return shown.answer(ModelList(data=models))


@router.get("/models/{name}", summary="Look at a model", responses=problems(404, 422, 503))
def get(name: ModelName, deps: Deps) -> ModelSummary:
    """Tell which versions and aliases a model has."""
    return ModelSummary.of(the_model(deps, name), deps.store.aliases.all(name))


@router.delete("/models/{name}", status_code=204, summary="Delete a model", responses=problems(404, 409, 422, 503, 507))
def delete(
    name: ModelName,
    deps: Deps,
    force: Annotated[bool, Query(description="Delete its aliases as well, by which it answers.")] = False,
) -> None:
    """Delete a model with its versions and their files; those that a job shares stay with the job.

    409 while it has aliases, unless `force` says that they are to go too. Its version numbers are not given again, nor
    are the revisions of its aliases: a model of this name goes on with the next ones, and knows its history. Jobs that
    are still to become versions of it make it anew.
    """
    the_model(deps, name)
    numbers = deps.store.models.numbers(name)
    unreferenced = deps.store.models.delete_all(name, force=force)
    if unreferenced is None:
        raise NotFound(f"there is no model called {name}")
    deps.artifacts.remove(unreferenced)
    for folder in (*(owners.of_version(name, number) for number in numbers), owners.of_model(name)):
        deps.artifacts.remove_folder(folder)


@router.get(
    "/models/{name}/versions",
    summary="List versions, the newest first",
    response_model=VersionPage,
    responses=as_list(404, 503),
)
def versions(
    name: ModelName,
    deps: Deps,
    shown: Shown,
    after: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="Where the page before ended; `next`.")] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="Versions on a page.")] = 20,
) -> Response:
    """List the versions of a model. Follow `next` for more."""
    the_model(deps, name)
    page = Page.of(
        lambda count: deps.store.models.versions(name, before=after, limit=count),
        limit=limit,
        path=f"/models/{name}/versions",
        cursor="version",
    )
    data = [VersionView.of(row) for row in page.rows]
    return shown.answer(VersionPage(data=data, has_more=page.has_more, next=page.next))


@router.get("/models/{name}/versions/{version}", summary="Look at a version", responses=problems(404, 422, 503))
def version(name: ModelName, version: Version, deps: Deps) -> VersionView:
    """Tell what a version is, how good, and whether it was promoted."""
    return VersionView.of(the_version(deps, name, version))


@router.delete(
    "/models/{name}/versions/{version}",
    status_code=204,
    summary="Delete a version",
    responses=problems(404, 409, 422, 503, 507),
)
def delete_version(name: ModelName, version: Version, deps: Deps) -> None:
    """Delete a version and its files; its number is not given again. 409 while an alias points to it."""
    row = the_version(deps, name, version)
    unreferenced = deps.store.models.delete(name, version)
    deps.artifacts.remove(unreferenced or ())
    for folder in (
        owners.of_version(name, version),
        owners.of_model(name),
        *([] if row.job_id is None else [owners.of_job(row.job_id)]),
    ):
        deps.artifacts.remove_folder(folder)


@router.get(
    "/models/{name}/versions/{version}/card",
    summary="The card of a version",
    response_class=JSONResponse,
    responses={200: {"content": {"text/markdown": {}}}, **problems(404, 422, 500, 503)},
)
def card(name: ModelName, version: Version, deps: Deps, accept: Annotated[str, Header()] = "*/*") -> Response:
    """Give what a network is, what it was trained on, how good it is and what it is not for.

    And what its latest evaluations came to, if there are any. JSON, or a page for those who accept `text/markdown`.
    404 if there is none, because its assessment failed, or the version is from before there were any.
    """
    row = the_version(deps, name, version)
    file = deps.store.files.get(owners.of_version(name, version), "card.json")
    if file is None:
        why = row.facts.get("no_card_because", "it is from before there were any")
        raise NotFound(f"version {version} of model {name} has no card: {why}")
    try:
        found: dict[str, Any] = json.loads(deps.artifacts.read(file.key, file.sha256))
    except (ValueError, FileNotFoundError) as error:
        raise Damaged(f"the card of version {version} of model {name} cannot be used: {error}") from error
    if measured := deps.store.evaluations.latest(name, version, _ON_CARD):
        found["evaluations"] = [on_card(row) for row in measured]
    if "text/markdown" in accept.lower():
        return PlainTextResponse(markdown(found), media_type="text/markdown", headers={"Vary": "Accept"})
    return JSONResponse(found, headers={"Vary": "Accept"})


@router.get(
    "/models/{name}/versions/{version}/lineage", summary="Where a version comes from", responses=problems(404, 422, 503)
)
def lineage(name: ModelName, version: Version, deps: Deps) -> Lineage:
    """Follow a version to its checkpoint, its job, the spec and the data; also when the job was deleted."""
    row = the_version(deps, name, version)
    return _lineage(deps, row)


@router.get("/models/{name}/lineage", summary="Where a model comes from", responses=problems(404, 422, 503))
def lineages(
    name: ModelName, deps: Deps, limit: Annotated[int, Query(ge=1, le=100, description="Versions.")] = 20
) -> LineageList:
    """Follow the newest versions of a model to their jobs, specs and data."""
    the_model(deps, name)
    rows = deps.store.models.versions(name, limit=limit)
    return LineageList(data=[_lineage(deps, row) for row in rows])


def the_model(deps: Dependencies, name: str) -> Row:
    """Look a model up; raises NotFound."""
    row = deps.store.models.get(name)
    if row is None:
        raise NotFound(f"there is no model called {name}")
    return row


def the_version(deps: Dependencies, name: str, version: int) -> Row:
    """Look a version up; raises NotFound."""
    row = deps.store.models.version(name, version)
    if row is None:
        the_model(deps, name)
        raise NotFound(f"model {name} has no version {version}")
    return row


def _lineage(deps: Dependencies, row: Row) -> Lineage:
    return Lineage.of(row, None if row.job_id is None else deps.store.jobs.get(row.job_id))
