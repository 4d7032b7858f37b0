"""A worker that does not hear is noticed, and nobody else."""

import pytest

from tests.doubles import Clock
from worker.watchdog import Watchdog


@pytest.mark.parametrize(
    ("rings", "idle", "heard", "deaf"),
    [
        (3, True, False, True),
        (0, True, False, False),
        (None, True, False, False),
        (3, False, False, False),
        (3, True, True, False),
    ],
)
def test_a_worker_is_deaf_when_rings_wait_and_it_has_nothing_to_do(
    rings: int | None, idle: bool, heard: bool, deaf: bool
) -> None:
    clock = Clock()
    watchdog = Watchdog(patience=60, clock=clock)
    for clock.now in range(0, 60, 2):
        assert not watchdog.is_deaf(rings_waiting=rings, idle=idle)
    if heard:
        watchdog.heard()
    clock.now = 61
    assert watchdog.is_deaf(rings_waiting=rings, idle=idle) is deaf


def test_who_was_not_asked_for_long_knows_nothing_of_the_time_between() -> None:
    clock = Clock()
    watchdog = Watchdog(patience=60, clock=clock)
    for clock.now in (0.0, 2.0, 300.0, 302.0):
        assert not watchdog.is_deaf(rings_waiting=3, idle=True)


def test_rings_that_wait_only_now_and_then_are_no_proof_of_deafness() -> None:
    clock = Clock()
    watchdog = Watchdog(patience=60, clock=clock)
    for clock.now in range(0, 80, 2):
        rings = 0 if clock.now == 40 else 1
        assert not watchdog.is_deaf(rings_waiting=rings, idle=True)
