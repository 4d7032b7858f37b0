"""/accounts: who shares this machine, with what weight, and what each may take of it."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from service.access.account_limits import Limits
from service.access.scopes import Scope
from service.api.dependencies import Dependencies, Deps, json_only
from service.api.problems import problems
from service.api.schemas.api_keys import AccountName
from service.store.account_errors import NoSuchAccount
from service.store.engine import Row, moment

router = APIRouter(tags=["access"])

Rate = Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=2**53)]
Name = Annotated[AccountName, Path()]


class LimitsView(BaseModel):
    """What an account may take; nothing is limited of which nothing is said."""

    model_config = ConfigDict(extra="forbid")

    rates: dict[Scope, Rate] = Field(default={}, description="Requests a second, by the scope that they take.")
    queued: Count | None = Field(default=None, description="Jobs that wait or are paused.")
    running: Count | None = Field(default=None, description="Jobs that are trained at a time.")
    stored_bytes: Count | None = Field(default=None, description="Bytes of its files, and of what it uploads.")
    bytes_a_day: Count | None = Field(default=None, description="Bytes of data that it sends within 24 hours.")

    def limits(self) -> Limits:
        """Give them as the record takes them."""
        return Limits.of(self.model_dump(exclude_none=True))


class Usage(BaseModel):
    """How much of that it takes now."""

    queued: int
    running: int
    stored_bytes: int
    bytes_a_day: int


class AccountAsked(BaseModel):
    """What is to hold of an account; what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    weight: Annotated[float, Field(ge=0.001, le=1000, allow_inf_nan=False)] | None = Field(
        default=None, description="Its share of the training processes, beside the weights of others who wait as well."
    )
    limits: LimitsView | None = Field(default=None, description="All of them, in place of those before.")


class AccountView(BaseModel):
    """An account."""

    name: str
    weight: float
    limits: LimitsView
    created_at: datetime


class AccountWithUsage(AccountView):
    """An account, and what it takes now."""

    usage: Usage


class Accounts(BaseModel):
    """Accounts by name."""

    data: list[AccountView]


@router.get("/accounts", summary="List accounts", responses=problems(503))
def accounts(deps: Deps) -> Accounts:
    """List who shares this machine."""
    return Accounts(data=[AccountView(**_told(row)) for row in deps.store.accounts.all()])


@router.get("/accounts/{name}", summary="Look at an account", responses=problems(404, 422, 503))
def account(name: Name, deps: Deps) -> AccountWithUsage:
    """Tell what an account may take, and how much of it it takes now."""
    row = deps.store.accounts.get(name)
    if row is None:
        raise NoSuchAccount(name)
    return _with_usage(row, deps)


@router.put(
    "/accounts/{name}",
    summary="Make or change an account",
    dependencies=[Depends(json_only)],
    responses={
        201: {"model": AccountWithUsage, "description": "The account is new."},
        **problems(400, 415, 422, 503, 507),
    },
)
def put(name: Name, asked: Annotated[AccountAsked, Body()], response: Response, deps: Deps) -> AccountWithUsage:
    """Make an account, or change one: what it may take, and its weight. Within a second it holds."""
    if deps.store.accounts.add(name):
        response.status_code = 201
    limits = None if asked.limits is None else asked.limits.limits()
    return _with_usage(deps.store.accounts.change(name, limits=limits, weight=asked.weight), deps)


def _told(row: Row) -> dict[str, object]:
    about = {"name": row.name, "weight": row.weight, "limits": LimitsView(**row.limits)}
    return {**about, "created_at": moment(row.created_at)}


def _with_usage(row: Row, deps: Dependencies) -> AccountWithUsage:
    return AccountWithUsage(**_told(row), usage=Usage(**deps.store.accounts.usage(row.name)))
