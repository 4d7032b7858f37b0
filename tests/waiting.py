"""Waiting for something to become true, without sleeping longer than it takes, and failing with words."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(look: Callable[[], T | None], *, timeout: float, what: str) -> T:
    """Look again and again until there is something truthy; fail, saying what was awaited, when there is not."""
    deadline = time.monotonic() + timeout
    pause = 0.01
    while not (found := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:g} s for {what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.25)
    return found
