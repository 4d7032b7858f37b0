"""What is delivered to webhooks: seen and replayed by clients, and taken, sent and ended by whoever delivers.

At least once: what was taken is due again after a while, unless it was ended meanwhile. In order for each thing that
things happen to: nothing is taken before all that was put there earlier has arrived, or was given up.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, Connection, Select, delete, func, select, update

from service.store.engine import Database, Row, locked, now_ms
from service.store.outbox import put_test
from service.store.webhook_tables import deliveries, webhooks
from service.store.webhooks import able

DeliveryState = Literal["waiting", "delivered", "failed"]
DELIVERY_STATES: tuple[DeliveryState, ...] = get_args(DeliveryState)

TAKEN_MS = 30_000
"""For so long nobody else takes what was taken: three times as long as an attempt may last."""

PATIENCE_MS = 5 * 24 * 3600 * 1000
"""A webhook at which nothing has arrived for so long is disabled."""

_KEPT_MS = 7 * 24 * 3600 * 1000
_AT_A_TIME = 1_000
_LOOKED_AT = 100


@dataclass(frozen=True)
class Taken:
    """A delivery that is to be attempted now: what, to where, signed by which secrets."""

    number: int
    id: str
    webhook: int
    subject: str
    attempt: int
    url: str
    secrets: tuple[str, ...]
    body: str


@dataclass(frozen=True)
class Outcome:
    """What became of an attempt. Of one that failed, `again_ms` says how soon it is repeated, None that it is not.

    `is_gone`: the receiver said that it wants nothing more.
    """

    taken: Taken
    arrived: bool
    status: int | None = None
    problem: str | None = None
    response: str | None = None
    again_ms: int | None = None
    is_gone: bool = False


@dataclass(frozen=True)
class Deliveries:
    """The deliveries of a database."""

    database: Database

    def of(
        self, webhook: str, *, state: DeliveryState | None = None, before: int | None = None, limit: int
    ) -> Sequence[Row]:
        """List the deliveries of a webhook, the newest first; only those whose number is below `before`, if given."""
        query = _of(webhook).order_by(deliveries.c.number.desc()).limit(limit)
        query = query if state is None else query.where(deliveries.c.state == state)
        query = query if before is None else query.where(deliveries.c.number < before)
        with self.database.reader.connect() as connection:
            return connection.execute(query).all()

    def get(self, webhook: str, delivery_id: str) -> Row | None:
        """Look a delivery up."""
        with self.database.reader.connect() as connection:
            return connection.execute(_of(webhook).where(deliveries.c.id == delivery_id)).one_or_none()

    def replay(self, webhook: str, delivery_id: str) -> Row | None:
        """Let a delivery be sent once more, under its id and whatever became of it, at once; gives it, if it is there.

        One that waits is not waited for any more.
        """
        with self.database.writer.begin() as connection:
            this = deliveries.c.id == delivery_id
            row = locked(connection, select(deliveries).where(this)).one_or_none()
            hook = able(connection, webhook)
            if row is None or hook is None or row.webhook != hook.number:
                return None
            again = {"state": "waiting", "attempts": 0, "next_at": now_ms(), "ended_at": None}
            connection.execute(update(deliveries).where(this).values(again))
            return connection.execute(select(deliveries).where(this)).one()

    def replay_failed(self, webhook: str, *, most: int) -> tuple[int, bool] | None:
        """Let what was given up be sent once more, as `replay`, the oldest first and at most so many.

        Gives how many, and whether there is more; None without such a webhook.
        """
        with self.database.writer.begin() as connection:
            hook = able(connection, webhook)
            if hook is None:
                return None
            failed = (deliveries.c.webhook == hook.number) & (deliveries.c.state == "failed")
            query = select(deliveries.c.number).where(failed).order_by(deliveries.c.number)
            numbers = connection.scalars(query.limit(most + 1)).all()
            these = deliveries.c.number.in_(numbers[:most])
            again = {"state": "waiting", "attempts": 0, "next_at": now_ms(), "ended_at": None}
            connection.execute(update(deliveries).where(these).values(again))
            return len(numbers[:most]), len(numbers) > most

    def test(self, webhook: str) -> Row | None:
        """Put an event into the outbox of a webhook that only shows whether it arrives; gives its delivery."""
        with self.database.writer.begin() as connection:
            hook = able(connection, webhook)
            if hook is None:
                return None
            its_id = put_test(connection, hook)
            return connection.execute(select(deliveries).where(deliveries.c.id == its_id)).one()

    def take(self, room: Mapping[int, int], *, usual: int, of_account: int) -> list[Taken]:
        """Take what is due now, for each webhook at most as many as it has room for, of one that fails only one.

        `room` is for those of which something is under way, `usual` for the others; of all webhooks of an account
        together no more than `of_account` are under way. Those that do not fail come first.
        """
        with self.database.reader.connect() as connection:
            active = connection.execute(_DUE).all()
        left = dict.fromkeys((row.account for row in active), of_account)
        for row in active:
            left[row.account] -= usual - room.get(row.number, usual)
        due = [row for row in active if row.first is not None and row.first <= row.now and _room(row, room, usual) > 0]
        due = sorted(
            (row for row in due if left[row.account] > 0), key=lambda its: (bool(its.failing_since), its.first)
        )
        if not due:
            return []
        taken = list[Taken]()
        with self.database.writer.begin() as connection:
            for row in due:
                these = _take(connection, row, min(_room(row, room, usual), left[row.account]))
                left[row.account] -= len(these)
                taken += these
        return taken

    def end(self, outcomes: Sequence[Outcome]) -> None:
        """Note what became of attempts."""
        with self.database.writer.begin() as connection:
            for outcome in sorted(outcomes, key=lambda its: its.taken.number):
                _end(connection, outcome)

    def give_up(self) -> int:
        """Give up what waits for webhooks that were disabled; gives how much, some at a time as in `forget`."""
        disabled = webhooks.c.disabled_because
        waits = (deliveries.c.webhook == webhooks.c.number) & (deliveries.c.state == "waiting")
        with self.database.reader.connect() as connection:
            some = select(webhooks).where(disabled.is_not(None), select(deliveries.c.number).where(waits).exists())
            hook = connection.execute(some.limit(1)).one_or_none()
        if hook is None:
            return 0
        with self.database.writer.begin() as connection:
            its = (deliveries.c.webhook == hook.number) & (deliveries.c.state == "waiting")
            numbers = connection.scalars(select(deliveries.c.number).where(its).limit(_AT_A_TIME)).all()
            why = f"the webhook was disabled: {hook.disabled_because}"
            ended = {"state": "failed", "ended_at": now_ms(), "problem": why}
            connection.execute(update(deliveries).where(its, deliveries.c.number.in_(numbers)).values(ended))
        return len(numbers)

    def forget(self) -> int:
        """Remove what was delivered, or given up, long ago, and what is left of webhooks that are not there any more.

        Gives how many; some at a time, so that nobody waits long for it.
        """
        ended = deliveries.c.state.in_(("delivered", "failed"))
        old = ended & (deliveries.c.ended_at < now_ms() - _KEPT_MS)
        left = deliveries.c.webhook.not_in(select(webhooks.c.number))
        with self.database.reader.connect() as connection:
            numbers = connection.scalars(select(deliveries.c.number).where(old | left).limit(_AT_A_TIME)).all()
        if numbers:
            with self.database.writer.begin() as connection:
                connection.execute(delete(deliveries).where(deliveries.c.number.in_(numbers)))
        return len(numbers)


def _of(webhook: str) -> Select[Any]:
    return (
        select(deliveries).join(webhooks, webhooks.c.number == deliveries.c.webhook).where(webhooks.c.name == webhook)
    )


_FIRST = (
    select(func.min(deliveries.c.next_at))
    .where(deliveries.c.webhook == webhooks.c.number, deliveries.c.state == "waiting")
    .scalar_subquery()
)
# One look into the index for each webhook, however much waits.
_DUE = select(webhooks, _FIRST.label("first"), now_ms().label("now")).where(webhooks.c.disabled_because.is_(None))


def _room(webhook: Row, room: Mapping[int, int], usual: int) -> int:
    """Tell how many more may be sent to a webhook now: to one that fails, one at a time, until one has arrived."""
    left = room.get(webhook.number, usual)
    return left if webhook.failing_since is None else left - usual + 1


def _take(connection: Connection, webhook: Row, room: int) -> list[Taken]:
    if room <= 0:
        return []
    waiting = (deliveries.c.webhook == webhook.number) & (deliveries.c.state == "waiting")
    query = select(deliveries).where(waiting, deliveries.c.next_at <= now_ms())
    query = query.order_by(deliveries.c.next_at, deliveries.c.number).limit(_LOOKED_AT)
    due = locked(connection, query, skip_locked=True).all()
    earliest = select(func.min(deliveries.c.number)).where(
        waiting, deliveries.c.subject.in_({its.subject for its in due})
    )
    firsts = set(connection.scalars(earliest.group_by(deliveries.c.subject)))
    ready = [row for row in due if row.number in firsts]
    taken = ready[:room]
    sent = {"attempts": deliveries.c.attempts + 1, "attempted_at": now_ms(), "next_at": now_ms() + TAKEN_MS}
    these = deliveries.c.number.in_([row.number for row in taken])
    connection.execute(update(deliveries).where(these).values(sent))
    _put_off(connection, waiting, firsts - {row.number for row in ready[room:]})
    secrets = [webhook.secret]
    if webhook.previous_secret is not None and webhook.previous_until > webhook.now:
        secrets.append(webhook.previous_secret)
    to = {"webhook": webhook.number, "url": webhook.url, "secrets": tuple(secrets)}
    return [
        Taken(row.number, row.id, subject=row.subject, attempt=row.attempts + 1, body=row.body, **to) for row in taken
    ]


def _put_off(connection: Connection, waiting: ColumnElement[bool], firsts: Collection[int]) -> None:
    """Let what waits behind others of its subject be due when they are, so that it is not looked at again before."""
    ahead = select(deliveries.c.number, deliveries.c.subject, deliveries.c.next_at)
    for first in connection.execute(ahead.where(deliveries.c.number.in_(firsts))).all():
        behind = waiting & (deliveries.c.subject == first.subject) & (deliveries.c.number > first.number)
        late = update(deliveries).where(behind, deliveries.c.next_at < first.next_at).values(next_at=first.next_at)
        connection.execute(late)


def _end(connection: Connection, outcome: Outcome) -> None:
    taken = outcome.taken
    told = {"status": outcome.status, "problem": outcome.problem, "response": outcome.response}
    this = deliveries.c.number == taken.number
    ended: dict[str, Any] = {"ended_at": now_ms()}
    if outcome.arrived:
        ended["state"] = "delivered"
    else:  # unless somebody took it meanwhile, because this took too long
        this &= (deliveries.c.state == "waiting") & (deliveries.c.attempts == taken.attempt)
        ended = (
            {"next_at": now_ms() + outcome.again_ms} if outcome.again_ms is not None else {**ended, "state": "failed"}
        )
    if connection.execute(update(deliveries).where(this).values(**ended, **told)).rowcount == 0:
        return
    behind = (deliveries.c.webhook == taken.webhook) & (deliveries.c.subject == taken.subject)
    behind &= (deliveries.c.state == "waiting") & (deliveries.c.number > taken.number)
    if "state" in ended:
        connection.execute(update(deliveries).where(behind).values(next_at=now_ms()))
    hook = update(webhooks).where(webhooks.c.number == taken.webhook)
    if outcome.arrived:
        connection.execute(hook.where(webhooks.c.failing_since.is_not(None)).values(failing_since=None))
        return
    connection.execute(hook.where(webhooks.c.failing_since.is_(None)).values(failing_since=now_ms()))
    too_long = webhooks.c.failing_since < now_ms() - PATIENCE_MS
    why = "its receiver answered 410" if outcome.is_gone else "nothing arrived for five days"
    disabled = hook.where(webhooks.c.disabled_because.is_(None)).values(disabled_because=why)
    connection.execute(disabled if outcome.is_gone else disabled.where(too_long))
