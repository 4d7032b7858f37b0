"""Keys and tickets on the wire: what is asked for, and what is told of them."""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from service.access.scopes import Scope
from service.store.engine import Row, moment

_ACCOUNT = r"^[a-z0-9][a-z0-9-]{0,62}$"
AccountName = Annotated[str, Field(pattern=_ACCOUNT, examples=["acme"])]


def is_account_name(name: str) -> bool:
    """Whether an account may be called so."""
    return re.fullmatch(_ACCOUNT, name) is not None


class KeyAsked(BaseModel):
    """A key that is to be made."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$", examples=["ci"])]
    scopes: Annotated[
        list[Scope],
        Field(min_length=1, max_length=6, description="What it is for; each scope lets it do that, and nothing else."),
    ]
    account: AccountName = "default"
    days: Annotated[
        float | None, Field(gt=0, le=36_500, allow_inf_nan=False, description="After how many days it ends; never.")
    ] = None


class KeyView(BaseModel):
    """A key, but for what it proves itself by."""

    id: str
    account: str
    name: str
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    used_at: datetime | None = Field(description="When it was last used, as far as a minute.")

    @classmethod
    def of(cls, row: Row) -> "KeyView":
        """Give a key as it is on record."""
        at = {name: None if (ms := getattr(row, name)) is None else moment(ms) for name in _TIMES}
        return cls(id=row.id, account=row.account, name=row.name, scopes=row.scopes, **at)


class NewKey(KeyView):
    """A key that was just made; it is told this once."""

    key: str = Field(examples=["tf_9f86d081884c_..."])


class Keys(BaseModel):
    """Keys, the newest first."""

    data: list[KeyView]


class TicketAsked(BaseModel):
    """A ticket that is to be made."""

    model_config = ConfigDict(extra="forbid")

    path: str = Field(
        pattern=r"^/[^?#\x00-\x20]*$",
        max_length=1024,
        examples=["/jobs/0b9f0a7e/events"],
        description="The one path that it is for, as in the address, without a query.",
    )
    seconds: Annotated[int, Field(ge=1, le=3600, description="How long it is good.")] = 60


class TicketView(BaseModel):
    """A ticket: to be sent as `?ticket=` with GET, to its path, until it ends."""

    ticket: str
    path: str
    expires_at: datetime

    @classmethod
    def made(cls, ticket: str, path: str, until: int) -> "TicketView":
        """Give a ticket that was just made; `until` in seconds since 1970."""
        return cls(ticket=ticket, path=path, expires_at=datetime.fromtimestamp(until, UTC))


_TIMES = ("created_at", "expires_at", "revoked_at", "used_at")
