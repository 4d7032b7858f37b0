"""What faults have in common: they freeze, wait for successors, and submit jobs amid it all."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx

from tests.chaos.arena import Arena
from tests.waiting import wait_until


@contextmanager
def frozen(pid: int, *, at_most: float) -> Iterator[None]:
    """Keep a process stopped meanwhile, but not for ever: it may hold a lock that is waited for here."""
    thaw = threading.Timer(at_most, send, (pid, signal.SIGCONT))
    thaw.start()
    send(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        thaw.cancel()
        send(pid, signal.SIGCONT)


@contextmanager
def broker_away(arena: Arena) -> Iterator[None]:
    """Note that the broker is away meanwhile."""
    begun = time.monotonic()
    try:
        yield
    finally:
        arena.broker_away.append((begun, time.monotonic()))


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process, if it is still there."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def submit_some(arena: Arena, count: int = 3) -> None:
    """Submit jobs, each until it is answered."""
    for _ in range(count):
        arena.submit(arena.chance.choice(arena.specs), {"chaos": "amid"})


def wait_for_another(arena: Arena, words: str, former: int) -> None:
    """Wait until another process has the place of one that ended."""
    wait_until(lambda: arena.program(words) != former, timeout=60, what=f"another process of {words!r}")
    if words == "service.cli api":
        wait_until(lambda: _is_live(arena), timeout=60, what="the API to answer")


def _is_live(arena: Arena) -> bool:
    try:
        any_client = next(iter(arena.clients.values()))
        return any_client.get("/livez", timeout=2).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
