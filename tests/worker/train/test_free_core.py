"""Whether an epoch is evaluated beside the next one: by how busy the machine was."""

from collections.abc import Iterator, Sequence

import pytest

from worker.train.free_core import FreeCore, Spent, spent


def told(counts: Sequence[Spent | None], *, threads: int = 1, available: int = 2) -> list[bool]:
    left: Iterator[Spent | None] = iter(counts)
    free = FreeCore(threads, available=available, count=lambda: next(left))
    return [free() for _ in counts[1:]]


BEGAN = Spent(0, 0, 0)


@pytest.mark.parametrize(
    ("then", "free"),
    [
        (Spent(1, 0.99, 1), True),
        (Spent(1, 0.6, 1.4), True),
        (Spent(1, 0.2, 1.8), True),
        (Spent(1, 0.3, 1), False),
        (Spent(1, 0, 0.7), False),
        (Spent(1, 0, 1.3), False),
    ],
    ids=["alone", "alone and beside", "alone, and much beside", "another program", "too many", "another began"],
)
def test_a_core_is_free_if_as_much_was_to_spare_as_an_evaluation_takes(then: Spent, free: bool) -> None:
    assert told([BEGAN, then]) == [free]


def test_two_threads_need_twice_as_much() -> None:
    assert told([BEGAN, Spent(1, 0.7, 2)], threads=2, available=4) == [False]
    assert told([BEGAN, Spent(1, 1.1, 2)], threads=2, available=4) == [True]


def test_with_too_few_cores_none_is_free_whatever_was_to_spare() -> None:
    assert told([BEGAN, Spent(1, 1, 1)], available=1) == [False]


def test_in_a_moment_too_short_to_tell_it_stays_as_it_was() -> None:
    assert told([BEGAN, Spent(0.05, 0.05, 0.05)]) == [False], "nothing is known yet"
    assert told([BEGAN, Spent(1, 1, 1), Spent(1.05, 1, 1.05), Spent(1.3, 1, 1.3)]) == [True, True, False]


def test_where_nobody_knows_enough_cores_suffice() -> None:
    assert told([None, None]) == [True]
    assert told([None, None], available=1) == [False]


def test_this_machine_tells() -> None:
    before, after = spent(), spent()
    assert before is None or (after is not None and after.wall >= before.wall and after.own >= before.own)
