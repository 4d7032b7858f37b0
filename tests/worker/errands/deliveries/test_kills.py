"""Whoever delivers may be killed before any statement or commit: all arrives, under one id and in order.

`kill -9` by the fuse of the chaos bench, before every so-manieth operation of delivering two events of a job, beginning
with one that is drawn: with EVERY = 1 before each.
"""

import asyncio
import multiprocessing
import os
import random
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from sqlalchemy import update

from service.addresses.receivers import Receivers
from service.settings import Settings
from service.store.shared_columns import EVERYONE
from service.store.store import Store
from service.store.webhook_tables import deliveries
from tests.chaos import fuse
from tests.receivers import Receiver, receiving
from tests.records import submit
from worker.errands.deliveries.deliverer import Deliverer
from worker.errands.deliveries.sender import Sender

_PROCESSES = multiprocessing.get_context("fork")
EVERY = 12


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def deliver(settings: Settings, at: int, mouth: Connection) -> None:
    """Deliver all that is due, in a process of its own that ends as it is told to."""
    code = 1
    try:
        store = Store.open(settings).of(EVERYONE)
        fuse.arm(at, Path(settings.home), told=lambda name: mouth.send_bytes(name.encode()))
        asyncio.run(deliverer(store).all())
        code = 0
    finally:
        os._exit(code)  # at an end of the usual kind it would wait for threads that only its parent has


def deliverer(store: Store) -> Deliverer:
    return Deliverer(lambda: store, Sender(Receivers(["127.0.0.1"])))


def delivered(settings: Settings, at: int) -> list[str]:
    """Deliver in a process that is killed before its operation number `at`; gives those that it came to."""
    ear, mouth = _PROCESSES.Pipe(duplex=False)
    process = _PROCESSES.Process(target=deliver, args=(settings, at, mouth))
    process.start()
    mouth.close()
    operations = []
    try:
        while ear.poll(60):
            operations.append(ear.recv_bytes().decode())
    except EOFError:
        pass
    process.join(60)
    assert process.exitcode == (-9 if len(operations) == at else 0)
    return operations


def happen(store: Store) -> list[str]:
    """Let a job be submitted and cancelled; gives the ids of what is to be delivered, in order."""
    job_id = submit(store)
    store.jobs.cancel(job_id)
    return [row.id for row in reversed(store.deliveries.of("ci", limit=2))]


def test_nothing_is_lost_and_nothing_overtakes_wherever_the_deliverer_is_killed(
    settings: Settings, store: Store, receiver: Receiver
) -> None:
    store.webhooks.put("ci", url=receiver.url, events=["job.*"], labels={}, model=None)
    at, is_whole = 1 + random.randrange(EVERY), False
    while not is_whole:
        queued, cancelled = happen(store)
        receiver.messages.clear()
        is_whole = len(delivered(settings, at)) < at
        with store.database.writer.begin() as connection:  # as after the time for which nobody else takes it
            connection.execute(update(deliveries).values(next_at=0))
        asyncio.run(deliverer(store).all())
        told = [message.id for message in receiver.messages]
        assert told in ([queued, cancelled], [queued, queued, cancelled], [queued, cancelled, cancelled]), at
        assert {row.state for row in store.deliveries.of("ci", limit=2)} == {"delivered"}, at
        at += EVERY
