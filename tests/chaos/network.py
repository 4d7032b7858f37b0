"""What is done to the connections between the parts: they are cut, held, slowed down, refused."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.chaos.arena import Arena
from tests.chaos.hands import broker_away, submit_some
from tests.chaos.proxy import Proxy
from tests.waiting import wait_until


def cut_connections(arena: Arena) -> None:
    """Reset every connection to database and broker again and again, wherever its transaction is."""
    before = sum(proxy.cut for proxy in arena.proxies.values())
    for _ in range(12):
        for proxy in arena.proxies.values():
            proxy.reset()
        time.sleep(arena.chance.uniform(0.02, 0.3))
    assert sum(proxy.cut for proxy in arena.proxies.values()) > before, "there was no connection to be cut"


def slow_connections(arena: Arena) -> None:
    """Let all data between the parts come 50 ms late, and one piece in a hundred reset its connection."""
    for proxy in arena.proxies.values():
        proxy.latency, proxy.resets = 0.05, 0.01
    try:
        submit_some(arena)
        time.sleep(5)
    finally:
        for proxy in arena.proxies.values():
            proxy.latency, proxy.resets = 0.0, 0.0


def part_workers_from_database(arena: Arena) -> None:
    """Let nothing through between workers and database for longer than a lease, while they hear the broker."""
    arena.training(least_epoch=1)
    held = {job.id: job.attempt for job in arena.jobs("running")}
    with _held(arena.proxies["workers' database"]):
        submit_some(arena)
        time.sleep(1.5 * arena.settings.lease_seconds)
    for job_id, attempt in held.items():
        wait_until(
            lambda job_id=job_id, attempt=attempt: (  # type: ignore[misc]
                arena.job(job_id).state not in {"queued", "running"} or arena.job(job_id).attempt != attempt
            ),
            timeout=60,
            what=f"job {job_id} to end or to be another's",
        )


def part_api_from_database(arena: Arena) -> None:
    """Let nothing through between API and database for some seconds."""
    with _held(arena.proxies["the API's database"]):
        time.sleep(arena.chance.uniform(1.0, 4.0))


def hold_broker(arena: Arena) -> None:
    """Let nothing through to and from the broker, whose connections stay open, for some seconds."""
    with broker_away(arena), _held(arena.proxies["broker"]):
        submit_some(arena)
        time.sleep(arena.chance.uniform(2.0, 6.0))


def refuse_broker(arena: Arena) -> None:
    """Refuse connections to the broker for so long as was asked for."""
    proxy = arena.proxies["broker"]
    with broker_away(arena):
        proxy.stop()
        until = time.monotonic() + arena.away_seconds
        try:
            while time.monotonic() < until:
                submit_some(arena, 1)
                time.sleep(0.2)
        finally:
            proxy.start()


@contextmanager
def _held(proxy: Proxy) -> Iterator[None]:
    proxy.hold()
    try:
        yield
    finally:
        proxy.release()


OF_THE_NETWORK = frozenset(
    {
        cut_connections,
        slow_connections,
        part_workers_from_database,
        part_api_from_database,
        hold_broker,
        refuse_broker,
    }
)
"""The faults that need proxies between the parts."""
