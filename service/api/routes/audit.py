"""/audit: who did what, as it was written down when it was done."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from service.api.dependencies import Deps
from service.api.problems import problems
from service.api.schemas.api_keys import AccountName
from service.store.engine import moment

router = APIRouter(tags=["access"])


class AuditEntry(BaseModel):
    """Something that was done."""

    number: int
    account: str = Field(description="Whose that is to which it was done.")
    actor: str | None = Field(
        description="The key by which; none where keys are not asked for, and of the command line."
    )
    action: str = Field(examples=["key.revoke"])
    subject: str
    data: dict[str, Any]
    at: datetime


class AuditList(BaseModel):
    """Entries, the last first."""

    data: list[AuditEntry]
    has_more: bool


@router.get("/audit", summary="Who did what, the last first", responses=problems(422, 503))
def audit(
    deps: Deps,
    of: Annotated[AccountName | None, Query(description="Only what was done to what this account has.")] = None,
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1, description="Only entries with a lower number.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> AuditList:
    """List who did what to keys and accounts, who shared, moved, cancelled and deleted what. The list only grows.

    Who submitted a job stands in its events, and here once it is deleted.
    """
    rows = deps.store.audit.find(of, before=before, limit=limit + 1)
    told = ("number", "account", "actor", "action", "subject", "data")
    data = [AuditEntry(**{name: getattr(row, name) for name in told}, at=moment(row.at)) for row in rows[:limit]]
    return AuditList(data=data, has_more=len(rows) > limit)
