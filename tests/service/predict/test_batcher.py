"""What is put into a batch comes out as if it had been alone, whatever happens to the others."""

import asyncio
import threading
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models import inference
from service.errors import NotYet, TooMuch
from service.predict.batcher import LARGEST, Batcher, Pace
from tests.records import weights

QUICK, SLOW = Pace(0.0, 0.0), Pace(1.0, 0.0)
"""Paces at which batches are computed in the event loop, and in a thread."""

NETWORK = inference.read(weights(seed=1, hidden_sizes=(30, 20)))
BAD = 99


class BadRowError(Exception):
    pass


def probabilities(rows: NDArray[np.uint8]) -> NDArray[np.float32]:
    if (rows[:, 0] == BAD).any():
        raise BadRowError
    return NETWORK.probabilities(rows)


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, timeout=30))


class Gate:
    """Computes nothing until it is opened, and remembers every batch."""

    def __init__(self) -> None:
        self.entered, self.opened = threading.Event(), threading.Event()
        self.batches: list[list[list[int]]] = []

    def __call__(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        self.entered.set()
        assert self.opened.wait(30)
        self.batches.append(rows.tolist())
        return rows * 2

    async def until_entered(self) -> None:
        assert await asyncio.to_thread(self.entered.wait, 30)


callers = st.lists(
    st.tuples(st.integers(1, 9), st.sampled_from(["stays", "stays", "leaves", "is bad"])), min_size=1, max_size=12
)


@given(callers, st.sampled_from([QUICK, SLOW]), st.integers(0, 2**32 - 1))
def test_every_caller_gets_the_answer_to_its_own_images_whoever_leaves_or_fails(
    callers: list[tuple[int, str]], pace: Pace, seed: int
) -> None:
    """To 1e-6, not to the bit: a product of several rows sums in another order than that of one."""
    random = np.random.default_rng(seed)

    async def test() -> None:
        batcher = Batcher(probabilities, pace)
        waiting = []
        for count, fate in callers:
            rows = random.integers(0, BAD, (count, 784), dtype=np.uint8)
            if fate == "is bad":
                rows[0, 0] = BAD
            future = batcher.put(rows)
            if fate == "leaves":
                future.cancel()
            waiting.append((rows, fate, future))
            if random.random() < 0.3:
                await asyncio.sleep(0)
        for rows, fate, future in waiting:
            if fate == "leaves":
                assert future.cancelled()
            elif fate == "is bad":
                with pytest.raises(BadRowError):
                    await future
            else:
                np.testing.assert_allclose(await future, NETWORK.probabilities(rows), rtol=0, atol=1e-6)

    run(test())


def one(number: int) -> NDArray[np.int64]:
    return np.array([[number]])


def test_what_arrives_while_a_batch_is_computed_is_the_next_batch() -> None:
    async def test() -> None:
        gate = Gate()
        batcher = Batcher(gate, SLOW)
        first = batcher.put(one(1))
        await gate.until_entered()
        rest = [batcher.put(one(number)) for number in (2, 3, 4)]
        gate.opened.set()
        assert [(await future).tolist() for future in (first, *rest)] == [[[2]], [[4]], [[6]], [[8]]]
        assert gate.batches == [[[1]], [[2], [3], [4]]]

    run(test())


def test_who_has_left_is_not_computed() -> None:
    async def test() -> None:
        gate = Gate()
        batcher = Batcher(gate, SLOW)
        first = batcher.put(one(1))
        await gate.until_entered()
        leaving, staying = batcher.put(one(2)), batcher.put(one(3))
        leaving.cancel()
        gate.opened.set()
        await asyncio.gather(first, staying)
        assert gate.batches == [[[1]], [[3]]]

    run(test())


def test_a_batch_is_no_larger_than_it_may_be() -> None:
    async def test() -> None:
        gate = Gate()
        gate.opened.set()
        batcher = Batcher(gate, QUICK)
        futures = [batcher.put(np.zeros((LARGEST // 2, 1), int)) for _ in range(5)]
        await asyncio.gather(*futures)
        assert list(map(len, gate.batches)) == [LARGEST, LARGEST, LARGEST // 2]

    run(test())


def test_beyond_what_may_wait_a_caller_is_told_when_to_come_again() -> None:
    async def test() -> None:
        gate = Gate()
        batcher = Batcher(gate, Pace(0.0, 2.0))
        batcher.most_waiting = 3
        first = batcher.put(one(1))
        await gate.until_entered()
        rest = [batcher.put(one(number)) for number in range(3)]
        with pytest.raises(TooMuch, match="3 examples are waiting") as told:
            batcher.put(one(9))
        assert told.value.retry_after == 8
        admitted = batcher.put(one(10), admitted=True)
        gate.opened.set()
        await asyncio.gather(first, *rest, admitted)

    run(test())


def test_what_cannot_be_ready_in_time_is_refused_at_once() -> None:
    async def test() -> None:
        with pytest.raises(NotYet, match=r"within 0\.5 s"):
            Batcher(Gate(), SLOW).put(one(1), timeout=0.5)

    run(test())


def test_what_is_not_ready_in_time_fails_then_and_the_others_do_not() -> None:
    async def test() -> None:
        gate = Gate()
        batcher = Batcher(gate, Pace(0.002, 0.0))
        first = batcher.put(one(1))
        await gate.until_entered()
        late, patient = batcher.put(one(2), timeout=0.05), batcher.put(one(3), timeout=25)
        with pytest.raises(NotYet):
            await late
        gate.opened.set()
        assert [(await future).tolist() for future in (first, patient)] == [[[2]], [[6]]]
        assert gate.batches == [[[1]], [[3]]]

    run(test())


def test_one_stall_does_not_refuse_for_ever_who_is_in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is refused teaches nothing about how long batches take now."""
    clock = SimpleNamespace(now=0.0, stall=3600.0)

    def compute(rows: NDArray[np.int64]) -> NDArray[np.int64]:
        clock.now += clock.stall
        return rows * 2

    monkeypatch.setattr("service.predict.batcher.time", SimpleNamespace(perf_counter=lambda: clock.now))

    async def test() -> None:
        batcher = Batcher(compute, Pace(1e-4, 0.0))
        await batcher.put(one(1))
        clock.stall = 1e-4
        assert batcher.seconds(1) > 100
        for _ in range(500):
            assert (await batcher.put(one(2), timeout=20)).tolist() == [[4]]
        assert batcher.seconds(1) < 1e-3

    run(test())


def test_the_loop_goes_on_while_a_slow_batch_is_computed() -> None:
    async def test() -> None:
        gate = Gate()
        future = Batcher(gate, SLOW).put(one(1))
        await gate.until_entered()  # were it computed in the loop, nobody could open the gate
        gate.opened.set()
        assert (await future).tolist() == [[2]]

    run(test())


def test_a_pace_is_measured() -> None:
    calls: list[int] = []

    def compute(rows: NDArray[np.int64]) -> NDArray[np.int64]:
        calls.append(len(rows))
        return rows

    pace = Pace.of(compute, np.zeros((8, 1), int))
    assert sorted(set(calls)) == [1, 8]
    assert pace.batch_seconds >= 0
    assert pace.row_seconds >= 0
