"""Webhooks: where events of which kind are sent to, and the secret by which their receivers know that we sent them."""

import base64
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from service.addresses.receivers import read
from service.store.audit import note
from service.store.engine import Database, Row, locked, now_ms
from service.store.errors import TooManyWebhooks, WebhookDisabled
from service.store.keys import Key, claim, keep
from service.store.webhook_tables import deliveries, webhooks

MAX_WEBHOOKS = 100
"""Of one account: each event looks at all of them."""

_SECRET_BYTES = 32  # Standard Webhooks asks for 24 to 64


@dataclass(frozen=True)
class Webhooks:
    """The webhooks of a database."""

    database: Database

    def all(self) -> Sequence[Row]:
        """List the webhooks by name, each with how many deliveries wait."""
        with self.database.reader.connect() as connection:
            return connection.execute(_SHOWN.order_by(webhooks.c.name)).all()

    def get(self, name: str) -> Row | None:
        """Look a webhook up."""
        with self.database.reader.connect() as connection:
            return connection.execute(_SHOWN.where(webhooks.c.name == name)).one_or_none()

    def disabled(self, names: Collection[str]) -> dict[str, str | None]:
        """Tell of those of some webhooks that are there why they were disabled; None for those that were not."""
        with self.database.reader.connect() as connection:
            query = select(webhooks.c.name, webhooks.c.disabled_because).where(webhooks.c.name.in_(names))
            return {row.name: row.disabled_because for row in connection.execute(query)}

    def put(
        self, name: str, *, url: str, events: Sequence[str], labels: Mapping[str, str], model: str | None
    ) -> tuple[Row, str | None]:
        """Make a webhook, or change what one is; gives it, and its secret if it is new. One that was disabled is not.

        Raises TooManyWebhooks.
        """
        values: dict[str, Any] = {"url": url, "types": list(events), "labels": dict(labels), "model": model}
        values |= {"changed_at": now_ms(), "disabled_because": None, "failing_since": None}
        secret = None
        with self.database.writer.begin() as connection:
            if connection.execute(update(webhooks).where(webhooks.c.name == name).values(values)).rowcount == 0:
                if connection.execute(select(func.count()).select_from(webhooks)).scalar_one() >= MAX_WEBHOOKS:
                    raise TooManyWebhooks(MAX_WEBHOOKS)
                secret = _new_secret()
                connection.execute(insert(webhooks).values(name=name, secret=secret, created_at=now_ms(), **values))
            note(connection, "webhook.put", name, {"to": read(url).authority})
            return connection.execute(_SHOWN.where(webhooks.c.name == name)).one(), secret

    def rotate(self, name: str, *, keep_ms: int, key: Key | None = None) -> tuple[Row, str] | None:
        """Give a webhook another secret; that of before signs as well for so long. Gives it, and the new secret."""
        secret = _new_secret()
        with self.database.writer.begin() as connection:
            row = locked(connection, select(webhooks).where(webhooks.c.name == name)).one_or_none()
            if row is None:
                return None
            claim(connection, key)
            kept = {"previous_secret": row.secret, "previous_until": now_ms() + keep_ms}
            none = {"previous_secret": None, "previous_until": None}
            values = {"secret": secret, "changed_at": now_ms(), **(kept if keep_ms else none)}
            connection.execute(update(webhooks).where(webhooks.c.number == row.number).values(values))
            note(connection, "webhook.rotate", name)
            changed = connection.execute(_SHOWN.where(webhooks.c.number == row.number)).one()
            return keep(connection, key, (changed, secret))

    def delete(self, name: str) -> bool:
        """Delete a webhook; gives whether it was there. What was put into its outbox is removed later, bit by bit."""
        with self.database.writer.begin() as connection:
            was_there = bool(connection.execute(delete(webhooks).where(webhooks.c.name == name)).rowcount)
            if was_there:
                note(connection, "webhook.delete", name)
            return was_there


_WAITING = (
    select(func.count())
    .select_from(deliveries)
    .where(deliveries.c.webhook == webhooks.c.number, deliveries.c.state == "waiting")
    .scalar_subquery()
)
_SHOWN = select(webhooks, _WAITING.label("waiting"))


def able(connection: Connection, name: str) -> Row | None:
    """Look a webhook up to which something is to be sent; raises WebhookDisabled."""
    row = connection.execute(select(webhooks).where(webhooks.c.name == name)).one_or_none()
    if row is not None and row.disabled_because is not None:
        raise WebhookDisabled(name, row.disabled_because)
    return row


def _new_secret() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()}"
