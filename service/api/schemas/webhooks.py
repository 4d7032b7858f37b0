"""Shapes on the wire: webhooks, their secrets, and what is delivered to them."""

import json
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from models.terms import LabelValue, Name
from service.addresses import receivers
from service.edge.links import link
from service.store.deliveries import DeliveryState
from service.store.engine import Row, moment
from service.store.outbox import EventType

Wanted = Literal[EventType, "job.*", "sweep.*", "data.*", "version.*", "alias.*"]
ALL: tuple[Wanted, ...] = ("job.*", "sweep.*", "data.*", "version.*", "alias.*")


def _readable(url: str) -> str:
    receivers.read(url)
    return url


class WebhookSpec(BaseModel):
    """Where what is to be told to whom; unknown fields are refused."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [{"url": "https://example.com/tenfold", "events": ["job.*"], "labels": {"team": "vision"}}]
        },
    )

    url: Annotated[str, Field(max_length=receivers.LONGEST_URL), AfterValidator(_readable)] = Field(
        description="Where to: https, on port 443 of a host on the public internet, or what `TENFOLD_WEBHOOK_ALLOW` "
        "allows besides. Redirects are not followed.",
        examples=["https://example.com/tenfold"],
    )
    events: tuple[Wanted, ...] = Field(
        default=ALL,
        max_length=32,
        description="What is told; `job.*` stands for all that begins so. An empty list: only of jobs and sweeps whose "
        "spec names this webhook.",
        examples=[["job.succeeded", "job.failed", "alias.moved"]],
    )
    labels: dict[Name, LabelValue] = Field(
        default_factory=dict,
        max_length=16,
        description="Only of what has all of these labels: jobs, sweeps, and versions that jobs became.",
        examples=[{"team": "vision"}],
    )
    model: Name | None = Field(
        default=None,
        description="Only of this model, its versions and aliases, and of jobs and sweeps that are for it.",
        examples=["letters"],
    )


class WebhookView(BaseModel):
    """A webhook, and how it does."""

    name: str = Field(examples=["ci"])
    url: str = Field(examples=["https://example.com/tenfold"])
    events: list[str] = Field(examples=[["job.*"]])
    labels: dict[str, str]
    model: str | None
    state: Literal["active", "failing", "disabled"] = Field(
        description="`failing`: the last attempt did not arrive; from then on one is made at a time, until one does. "
        "`disabled`: nothing is sent, and nothing is kept to be sent, until it is put again."
    )
    failing_since: datetime | None
    disabled_because: str | None = Field(examples=["its receiver answered 410"])
    waiting: int = Field(description="Deliveries that have not arrived yet, and have not been given up.")
    previous_secret_until: datetime | None = Field(description="Until then two secrets sign: see `rotate`.")
    created_at: datetime
    changed_at: datetime
    links: dict[str, str]

    @classmethod
    def of(cls, row: Row) -> "WebhookView":
        """Show a row of the table `webhooks`."""
        failing, until = row.failing_since, row.previous_until
        return cls(
            name=row.name,
            url=row.url,
            events=row.types,
            labels=row.labels,
            model=row.model,
            state="disabled" if row.disabled_because else "active" if failing is None else "failing",
            failing_since=failing and moment(failing),
            disabled_because=row.disabled_because,
            waiting=row.waiting,
            previous_secret_until=until and moment(until),
            created_at=moment(row.created_at),
            changed_at=moment(row.changed_at),
            links={"self": link(f"/webhooks/{row.name}"), "deliveries": link(f"/webhooks/{row.name}/deliveries")},
        )


class WebhookWithSecret(WebhookView):
    """A webhook with its secret, which is told this once."""

    secret: str | None = Field(
        default=None,
        description="By it receivers check that a message is ours, as Standard Webhooks has it. Told where it is new, "
        "and never again.",
        examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw6rC8wq2k0uA="],
    )

    @classmethod
    def with_secret(cls, row: Row, secret: str | None) -> "WebhookWithSecret":
        """Show a row of the table `webhooks`, and its secret if it is new."""
        return cls(**WebhookView.of(row).model_dump(), secret=secret)


class WebhookList(BaseModel):
    """All webhooks, by name."""

    data: list[WebhookView]


class DeliveryView(BaseModel):
    """One event on its way to a webhook, and how far it has come."""

    id: str = Field(
        description="The `webhook-id` of every attempt: who has dealt with it need not do so again.",
        examples=["msg_5f0c2a3b9d1e4f67a8b90c1d2e3f4a5b"],
    )
    type: str = Field(examples=["job.succeeded"])
    state: DeliveryState = Field(description="`failed`: it was given up; `replay` sends it again.")
    attempts: int = Field(description="So many were made, or are under way, since it was last begun with.")
    created_at: datetime = Field(description="When it happened.")
    attempted_at: datetime | None
    next_attempt_at: datetime | None = Field(description="Not before then; of what waits alone.")
    ended_at: datetime | None
    status: int | None = Field(description="What the receiver answered last, if it did.", examples=[204])
    problem: str | None = Field(description="Why the last attempt failed.", examples=["it answered 503"])
    response: str | None = Field(description="The first 2 KiB of the last answer.")
    payload: dict[str, Any] = Field(description="The body that is sent.")

    @classmethod
    def of(cls, row: Row) -> "DeliveryView":
        """Show a row of the table `deliveries`."""
        return cls(
            id=row.id,
            type=row.type,
            state=row.state,
            attempts=row.attempts,
            created_at=moment(row.created_at),
            attempted_at=row.attempted_at and moment(row.attempted_at),
            next_attempt_at=moment(row.next_at) if row.state == "waiting" else None,
            ended_at=row.ended_at and moment(row.ended_at),
            status=row.status,
            problem=row.problem,
            response=row.response,
            payload=json.loads(row.body),
        )


class DeliveryPage(BaseModel):
    """Some deliveries, the newest first."""

    data: list[DeliveryView]
    has_more: bool
    next: str | None = Field(description="URL of the next page.")


class Replayed(BaseModel):
    """How many deliveries are sent again."""

    replayed: int
    has_more: bool = Field(description="More have failed: ask again for the next ones.")
