"""What happens is put into the outbox of each webhook that asked for it, in the transaction in which it happens.

Only changes of state are: an epoch of a small job takes milliseconds, and who wants to see each follows its events.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pydantic_core import to_json
from sqlalchemy import Connection, Select, insert, select

from service.store.engine import Row, moment, now_ms
from service.store.webhook_tables import deliveries, webhooks

EventType = Literal[
    "job.queued",
    "job.running",
    "job.paused",
    "job.succeeded",
    "job.failed",
    "job.cancelled",
    "sweep.running",
    "sweep.succeeded",
    "sweep.failed",
    "sweep.cancelled",
    "data.reading",
    "data.ready",
    "data.failed",
    "data.cancelled",
    "version.made",
    "version.refused",
    "alias.moved",
]
"""What webhooks are told; a job, a sweep and a version of a data set by the state in which it is then."""

EVENT_TYPES: tuple[EventType, ...] = get_args(EventType)

TEST = "webhook.test"
"""The type of what is sent only to see whether it arrives."""


@dataclass(frozen=True)
class Happening:
    """One event as webhooks are told of it: to what it happened, and by what they may have asked for it.

    `account` is whose it is. `models` are those that it is about. A filter by labels, or by a model, lets nothing pass
    that has none. `named` is a webhook that is told whatever it asked for.
    """

    account: str

    type: EventType
    subject: str
    data: Mapping[str, Any]
    labels: Mapping[str, str] | None = None
    models: Collection[str] = ()
    named: str | None = None


def listening(connection: Connection, accounts: Select[Any] | Sequence[str]) -> Sequence[Row]:
    """Give the webhooks of accounts that may be told: mostly there are none, and nothing else is to be looked up."""
    its = webhooks.c.account.in_(accounts)
    return connection.execute(select(webhooks).where(its, webhooks.c.disabled_because.is_(None))).all()


def put(connection: Connection, those: Sequence[Row], happenings: Sequence[Happening]) -> None:
    """Put events into the outboxes of those of some webhooks that asked for them."""
    wanted = [(webhook, event) for event in happenings for webhook in those if _wants(webhook, event)]
    if wanted:
        now: int = connection.execute(select(now_ms())).scalar_one()
        rows = [_row(webhook.number, event.type, event.subject, event.data, now) for webhook, event in wanted]
        connection.execute(insert(deliveries), rows)


def put_test(connection: Connection, webhook: Row) -> str:
    """Put an event into the outbox of a webhook that only shows whether it arrives; gives its id."""
    now: int = connection.execute(select(now_ms())).scalar_one()
    row = _row(webhook.number, TEST, TEST, {"webhook": webhook.name}, now)
    connection.execute(insert(deliveries).values(row))
    return str(row["id"])


def _row(webhook: int, kind: str, subject: str, data: Mapping[str, Any], now: int) -> dict[str, Any]:
    return {
        "id": f"msg_{uuid.uuid4().hex}",
        "webhook": webhook,
        "type": kind,
        "subject": subject,
        # As Standard Webhooks has it; kept as text, because it is the same bytes that are signed in every attempt.
        "body": to_json({"type": kind, "timestamp": moment(now), "data": data}).decode(),
        "state": "waiting",
        "attempts": 0,
        "created_at": now,
        "next_at": now,
    }


def _wants(webhook: Row, event: Happening) -> bool:
    if webhook.account != event.account:
        return False
    if event.named is not None and event.named == webhook.name:
        return True
    if not {event.type, f"{event.type.partition('.')[0]}.*"} & set(webhook.types):
        return False
    if webhook.model is not None and webhook.model not in event.models:
        return False
    its = event.labels or {}
    return all(its.get(key) == value for key, value in webhook.labels.items())
