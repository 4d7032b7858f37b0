"""A receiver of webhooks that fails and dies, and whoever delivers killed: all arrives, in order, where it belongs."""

import os
import signal
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import func, select, update

from service.store.engine import DatabaseError, now_ms
from service.store.job_ids import whole
from service.store.webhook_tables import deliveries
from tests.chaos.arena import Arena
from tests.chaos.hands import wait_for_another
from tests.chaos.invariants import Evidence
from tests.receivers import Message, Reply, receiving
from tests.waiting import wait_until

_NAME = "chaos"
_FAILS = 0.1
_PATIENCE_MS = 30_000


@contextmanager
def listening(arena: Arena) -> Iterator[None]:
    """Have all jobs told to a receiver, by a webhook of each account; it refuses one message in ten."""

    def answer(message: Message) -> Reply:
        if arena.chance.random() < _FAILS:
            return Reply(500)
        arena.heard.append(message)
        return Reply()

    with receiving() as receiver:
        receiver.answer = answer
        arena.receiver = receiver
        for account in arena.clients:
            hooks = arena.store.of(account).webhooks
            hooks.put(_NAME, url=f"{receiver.url}&account={account}", events=["job.*"], labels={}, model=None)
        yield


def kill_receiver(arena: Arena) -> None:
    """Have the receiver break off what it is being told, and be gone for a while: connections are refused."""
    assert arena.receiver is not None
    with arena.receiver.dead():
        time.sleep(arena.chance.uniform(0.5, 3.0))


def kill_deliverer(arena: Arena) -> None:
    """SIGKILL the worker for errands, which delivers as well."""
    deliverer = arena.program("--hostname errands@")
    os.kill(deliverer, signal.SIGKILL)
    wait_for_another(arena, "--hostname errands@", deliverer)


def deliver_all(arena: Arena, *, timeout: float) -> None:
    """Wait until nothing waits any more; what failed twice would wait for minutes, and is hurried."""

    def is_done() -> bool:
        later = deliveries.c.next_at > now_ms() + _PATIENCE_MS
        waits = deliveries.c.state == "waiting"
        try:
            with arena.store.database.writer.begin() as connection:
                connection.execute(update(deliveries).where(waits, later).values(next_at=now_ms()))
                return connection.scalar(select(func.count()).where(waits)) == 0
        except DatabaseError:
            return False

    wait_until(is_done, timeout=timeout, what="all webhooks to be delivered")


def untold(arena: Arena, evidence: Evidence) -> Iterator[str]:
    """What happened to jobs and did not arrive, not in its order, or at another account's URL."""
    arrived: dict[str, dict[str, str]] = defaultdict(dict)
    for message in arena.heard:
        account = message.path.rpartition("=")[2]
        arrived[whole(account, message.data["id"])].setdefault(message.id, message.type)
    for job in evidence.jobs:
        happened = [f"job.{event.data['state']}" for event in evidence.events[job.id] if event.type == "state"]
        if (heard := [*arrived[job.id].values()]) != happened:
            yield f"job {job.id}: {happened} happened, and {heard} arrived"
    for stranger in sorted(arrived.keys() - {job.id for job in evidence.jobs}):
        yield f"{stranger} was told, and is no job of that account"


def counted(arena: Arena) -> str:
    """Say how much arrived, and by how many attempts."""
    assert arena.receiver is not None
    events = {message.id for message in arena.heard}
    sent = len(arena.receiver.messages)
    return f"webhooks: {len(events):,} events arrived, {len(arena.heard):,} times, by {sent:,} messages"
