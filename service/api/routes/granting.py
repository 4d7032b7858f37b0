"""/models/{name}/shares and /datasets/{name}/shares: with which accounts something is shared, and for what."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Body, Depends, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from service.api.dependencies import Dependencies, Deps, json_only
from service.api.problems import problems
from service.api.routes.datasets.looked_up import DatasetName, require_upload, the_set
from service.api.routes.models import ModelName, the_model
from service.api.schemas.api_keys import AccountName
from service.errors import NotFound
from service.store.engine import moment
from service.store.grants import Kind

router = APIRouter(tags=["access"])

Grantee = Annotated[AccountName, Path(description="The account that it is shared with.")]


class ModelShare(BaseModel):
    """For what a model is shared."""

    model_config = ConfigDict(extra="forbid")

    right: Literal["read", "predict"] = Field(
        default="predict", description="`predict`: to ask it; `read`: to look at it as well, and have its weights."
    )


class ShareView(BaseModel):
    """That something is shared."""

    account: str
    right: Literal["read", "predict"]
    since: datetime


class Shares(BaseModel):
    """With whom something is shared, by account."""

    data: list[ShareView]


@router.get("/models/{name}/shares", summary="With whom a model is shared", responses=problems(404, 422, 503))
def of_model(name: ModelName, deps: Deps) -> Shares:
    """List the accounts that may ask, or read, a model."""
    the_model(deps, name)
    return _shares(deps, "model", name)


@router.put(
    "/models/{name}/shares/{account}",
    status_code=204,
    summary="Share a model",
    dependencies=[Depends(json_only)],
    responses=problems(400, 404, 415, 422, 503, 507),
)
def share_model(name: ModelName, account: Grantee, share: Annotated[ModelShare, Body()], deps: Deps) -> Response:
    """Share a model with an account, which then asks `owner:name`, and `owner:name@alias`; repeated, it is the same."""
    the_model(deps, name)
    deps.store.grants.give("model", name, account, share.right)
    return Response(status_code=204)


@router.delete(
    "/models/{name}/shares/{account}",
    status_code=204,
    summary="Share a model no more",
    responses=problems(404, 422, 503, 507),
)
def unshare_model(name: ModelName, account: Grantee, deps: Deps) -> None:
    """Share a model no more with an account: within a second it finds nothing there."""
    _take_back(deps, "model", name, account)


@router.get("/datasets/{name}/shares", summary="With whom a data set is shared", responses=problems(404, 422, 503))
def of_data(name: DatasetName, deps: Deps) -> Shares:
    """List the accounts that may read a data set."""
    the_set(deps, name)
    return _shares(deps, "dataset", name)


@router.put(
    "/datasets/{name}/shares/{account}",
    status_code=204,
    summary="Share a data set",
    responses=problems(404, 409, 422, 503, 507),
)
def share_data(name: DatasetName, account: Grantee, deps: Deps) -> Response:
    """Share a data set with an account, which then reads it as `owner:name`: its versions, rows and files."""
    require_upload(name)
    the_set(deps, name)
    deps.store.grants.give("dataset", name, account, "read")
    return Response(status_code=204)


@router.delete(
    "/datasets/{name}/shares/{account}",
    status_code=204,
    summary="Share a data set no more",
    responses=problems(404, 422, 503, 507),
)
def unshare_data(name: DatasetName, account: Grantee, deps: Deps) -> None:
    """Share a data set no more with an account."""
    _take_back(deps, "dataset", name, account)


def _shares(deps: Dependencies, kind: Kind, name: str) -> Shares:
    rows = deps.store.grants.of(kind, name)
    return Shares(data=[ShareView(account=row.grantee, right=row.right, since=moment(row.created_at)) for row in rows])


def _take_back(deps: Dependencies, kind: Kind, name: str, account: str) -> None:
    if not deps.store.grants.take_back(kind, name, account):
        raise NotFound(f"{name} is not shared with {account}")
