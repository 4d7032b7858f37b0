"""POST /models: several versions as one, whose networks answer together."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool

from models.spec import TrainingSpec
from service.api.dependencies import Dependencies, Deps, json_only
from service.api.documents import DocumentRoute
from service.api.problems import problems
from service.api.routes.downloads import read_weights
from service.api.routes.idempotency import IdempotencyKey, answered, once
from service.api.routes.jobs.resolving import settled_terms
from service.api.routes.naming import require_name_of_model
from service.api.routes.on_demand import on_demand
from service.api.schemas.ensembles import MOST_MEMBERS, MOST_PARAMETERS, Combination
from service.api.schemas.models import VersionView
from service.edge.links import link
from service.errors import Conflict, Fault, Invalid
from service.store import owners
from service.store.engine import Row
from service.store.ensembles import Member
from service.store.errors import NoCheckpoint, NothingThere
from service.store.promotion import measured_on
from service.store.versions import WEIGHTS

router = APIRouter(tags=["models"], route_class=DocumentRoute)


@router.post(
    "/models",
    status_code=201,
    dependencies=[Depends(json_only)],
    summary="Make an ensemble",
    responses={
        200: {"model": VersionView, "description": "There is a version of these members already."},
        **problems(400, 409, 413, 415, 422, 500, 503, 507),
    },
)
async def combine(
    combination: Annotated[Combination, Body()],
    request: Request,
    response: Response,
    deps: Deps,
    idempotency_key: IdempotencyKey = None,
) -> VersionView:
    """Make a version whose members answer together, by the mean of their probabilities.

    A worker assesses it on the images that its members were validated with, which have to be the same for all. It is
    asked, promoted and rolled back as every version is, and stays when its members are deleted. Asked again for the
    same members, it is the same version: after a 503, ask again.
    """
    key = await run_in_threadpool(once, idempotency_key, request, deps, _made, combination)
    rows = await run_in_threadpool(_chosen, deps, combination)
    members: list[Member] = [(row.model, row.version) for row in rows]
    terms = await run_in_threadpool(settled_terms, deps, combination, rows[0].spec)

    def found() -> Row | None:
        return deps.store.ensembles.find(combination.name, members)

    def ask() -> bool:
        response.status_code = 201
        for member in members:
            read_weights(deps, *member)
        return deps.doorbell.ask_for_ensemble(deps.account, combination.name, members, terms)

    response.status_code = 200  # unless somebody has to be asked
    row = await on_demand(
        deps,
        found,
        ask,
        work="assess it",
        waiting="the ensemble was asked for but is not assessed yet",
    )
    status = response.status_code
    response.headers["Location"] = link(_path(row))
    await run_in_threadpool(deps.store.keys.keep, key, (status, row))
    return VersionView.of(row)


def _path(row: Row) -> str:
    return f"/models/{row.model}/versions/{row.version}"


def _made(done: tuple[int, Row]) -> dict[str, Any]:
    status, row = done
    return answered(status, VersionView.of(row), Location=_path(row))


def _chosen(deps: Dependencies, combination: Combination) -> Sequence[Row]:
    """Give the versions that are meant, if they can be one; raises a Problem."""
    require_name_of_model(combination.name, deps, "/name")
    if combination.members is None:
        rows = _of_sweep(deps, combination)
        fields = ["/sweep"] * len(rows)
    else:
        rows = [_version(deps, place, reference) for place, reference in enumerate(combination.members)]
        fields = [f"/members/{place}" for place in range(len(rows))]
    known: dict[Member, str] = {}
    parameters = 0
    for field, row in zip(fields, rows, strict=True):
        called = f"version {row.version} of model {row.model}"
        if row.members is not None:
            raise _wrong(field, f"{called} is an ensemble itself; name its members instead")
        if (row.model, row.version) in known:
            raise _wrong(field, f"{called} is named twice")
        if row.data_sha256 is None or measured_on(row.spec, row.data_sha256) != measured_on(
            rows[0].spec, rows[0].data_sha256
        ):
            raise _wrong(
                field,
                f"{called} was not validated on the same images as version {rows[0].version} of model {rows[0].model}; "
                "members need one data set, validation_fraction and split_seed, or there is nothing to assess them on",
            )
        known[row.model, row.version] = field
        parameters += TrainingSpec.model_validate(row.spec).parameters or _numbers(deps, row)
        if parameters > MOST_PARAMETERS:
            raise _wrong(
                field,
                f"with {called} its members have {parameters:,} parameters; choose fewer or smaller ones, "
                f"with at most {MOST_PARAMETERS:,}",
            )
    return rows


def _numbers(deps: Dependencies, row: Row) -> int:
    """Count the numbers in the file of a version's weights: how many inputs it has, is not told by its spec."""
    file = deps.store.files.get(owners.of_version(row.model, row.version), WEIGHTS)
    return 0 if file is None else int(file.size) // 4  # float32


def _of_sweep(deps: Dependencies, combination: Combination) -> Sequence[Row]:
    assert combination.sweep is not None, "the schema asks for one of the two"
    if deps.store.sweeps.get(combination.sweep) is None:
        raise _wrong("/sweep", f"there is no sweep {combination.sweep}")
    rows = deps.store.ensembles.of_sweep(combination.sweep)[: combination.best]
    if len(rows) < 2:
        raise Conflict(f"sweep {combination.sweep} has {len(rows)} versions; an ensemble needs two")
    if len(rows) > MOST_MEMBERS:
        detail = f"sweep {combination.sweep} has {len(rows):,} versions; choose up to {MOST_MEMBERS} of them by best"
        raise _wrong("/best", detail)
    return rows


def _version(deps: Dependencies, place: int, reference: str) -> Row:
    field = f"/members/{place}"
    try:
        shares = deps.store.references.look_up(reference).shares
    except NothingThere as nothing:
        raise _wrong(field, str(nothing)) from None
    except NoCheckpoint:
        raise _wrong(field, f"job {reference} has no version yet; wait until it has succeeded") from None
    target = shares[0][0]
    if len(shares) > 1:
        raise _wrong(field, f"{reference} points to several versions; name one of them")
    row = None
    if target.model is not None and target.version is not None:
        row = deps.store.models.version(target.model, target.version)
    if row is None:
        raise _wrong(field, f"job {reference} has no version yet; wait until it has succeeded")
    return row


def _wrong(field: str, detail: str) -> Invalid:
    return Invalid(detail, faults=[Fault(field, detail)])
