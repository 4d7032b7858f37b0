"""Pictures are decoded in turns, within bounds: who sends many waits, and nobody waits for them."""

import asyncio
import os
import struct
import sys
import threading
from collections.abc import Coroutine
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from service.errors import Invalid, TooMuch
from service.predict import pictures as of_requests
from service.predict.executors import DECODE, READ
from service.predict.pictures import MOST_PIXELS, MOST_WAITING, Pictures

BLANK = np.zeros((1, 784), np.uint8)


def header(side: int, name: int = 0) -> bytes:
    """Give what a PNG of this size begins with, and something to know it by."""
    return b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR" + struct.pack(">II", side, side) + struct.pack(">I", name)


def name_of(file: bytes) -> int:
    return int.from_bytes(file[-4:])


class Decoder:
    """Decodes nothing, one file after the other, as soon as it is let."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.let = threading.Semaphore(0)

    def __call__(self, file: bytes) -> NDArray[np.uint8]:
        assert self.let.acquire(timeout=30)
        self.seen.append(name_of(file))
        return BLANK


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, timeout=30))


def large(count: int, name: int) -> list[bytes]:
    return [header(1024, name)] * count


def test_a_small_request_is_next_however_many_pictures_wait_before_it() -> None:
    async def test() -> None:
        decoder = Decoder()
        pictures = Pictures()
        many = [pictures.put("one", large(100, number), decoder) for number in (1, 2)]
        same, other = pictures.put("one", large(1, 8), decoder), pictures.put("another", large(1, 9), decoder)
        decoder.let.release(6)
        await asyncio.gather(same, other)
        assert {8, 9} <= set(decoder.seen[:6])
        for one in many:
            one.cancel()
        decoder.let.release(200)

    run(test())


def test_clients_take_turns_and_none_gains_by_sending_more_requests() -> None:
    async def test() -> None:
        decoder = Decoder()
        pictures = Pictures()
        greedy = [pictures.put("greedy", large(10, 1), decoder) for _ in range(8)]
        modest = pictures.put("modest", large(4, 2), decoder)
        decoder.let.release(10)
        await modest
        assert decoder.seen[:9].count(2) == 4
        for one in greedy:
            one.cancel()
        decoder.let.release(100)

    run(test())


def test_pictures_of_a_request_that_nobody_waits_for_are_not_decoded() -> None:
    async def test() -> None:
        decoder = Decoder()
        pictures = Pictures()
        left, stays = pictures.put("one", large(50, 1), decoder), pictures.put("one", large(1, 2), decoder)
        left.cancel()
        decoder.let.release(60)
        await stays
        assert decoder.seen.count(1) <= 1
        assert pictures.waiting == 0

    run(test())


def test_each_picture_has_its_place_and_one_that_cannot_be_read_its_reason() -> None:
    def decode(file: bytes) -> NDArray[np.uint8]:
        if name_of(file) % 7 == 3:
            raise ValueError(f"number {name_of(file)}")
        return np.full((1, 784), name_of(file), np.uint8)

    async def test() -> None:
        images, unreadable = await Pictures().put("one", [header(28, number) for number in range(100)], decode)
        assert unreadable == {number: f"number {number}" for number in range(3, 100, 7)}
        assert images[:, 0].tolist() == [number for number in range(100) if number % 7 != 3]
        images, unreadable = await Pictures().put("one", [header(28, 3)], decode)
        assert (images.shape, unreadable) == ((0, 0), {0: "number 3"})

    run(test())


def test_an_error_that_nobody_foresaw_is_the_request_s_alone() -> None:
    def decode(file: bytes) -> NDArray[np.uint8]:
        if name_of(file):
            raise MemoryError
        return BLANK

    async def test() -> None:
        pictures = Pictures()
        bad, good = pictures.put("one", [header(28, 1)], decode), pictures.put("one", [header(28)], decode)
        with pytest.raises(MemoryError):
            await bad
        assert (await good)[0].shape == (1, 784)

    run(test())


@pytest.mark.parametrize("files", [large(257, 0), [header(28)] * 20_000, [b"no picture"] * 20_000])
def test_a_request_has_so_many_pixels_and_no_more(files: list[bytes]) -> None:
    async def test() -> None:
        with pytest.raises(Invalid, match=f"{MOST_PIXELS:,}"):
            Pictures().put("one", files, lambda _: BLANK)

    run(test())


def test_so_many_pictures_wait_and_of_one_client_half_as_many() -> None:
    async def test() -> None:
        decoder = Decoder()
        pictures = Pictures()
        whole = large(MOST_PIXELS // 1024**2, 1)
        waiting = [pictures.put("one", whole, decoder) for _ in range(MOST_WAITING // MOST_PIXELS // 2)]
        with pytest.raises(TooMuch) as refused:
            pictures.put("one", large(1, 1), decoder)
        assert refused.value.retry_after
        waiting += [pictures.put("another", whole, decoder) for _ in range(MOST_WAITING // MOST_PIXELS // 2)]
        with pytest.raises(TooMuch):
            pictures.put("third", large(1, 1), decoder)
        for one in waiting:
            one.cancel()
        await asyncio.sleep(0)
        assert pictures.waiting == 0
        fits = pictures.put("third", large(1, 1), decoder)
        decoder.let.release(2)
        await fits

    run(test())


def test_a_turn_ends_when_a_picture_took_longer_than_its_header_says() -> None:
    now = iter(range(100))
    decoded = of_requests._decoded(lambda _: BLANK, [header(28)] * 5, clock=lambda: float(next(now)))
    assert len(decoded) == 1
    assert len(of_requests._decoded(lambda _: BLANK, [header(28)] * 5, clock=lambda: 0.0)) == 5


def test_pictures_whose_turns_end_early_are_all_answered_in_their_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_requests, "_LONGEST_TURN", -1.0)

    def decode(file: bytes) -> NDArray[np.uint8]:
        if name_of(file) == 3:
            raise ValueError("no picture")
        return BLANK + np.uint8(name_of(file))

    async def test() -> None:
        images, unreadable = await Pictures().put("one", [header(28, number) for number in range(40)], decode)
        assert unreadable == {3: "no picture"}
        assert images[:, 0].tolist() == [number for number in range(40) if number != 3]

    run(test())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux knows priorities of threads")
def test_who_decodes_leaves_the_processor_to_who_answers() -> None:
    def priority() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    ours, decoding = READ.submit(priority).result(timeout=30), DECODE.submit(priority).result(timeout=30)
    assert decoding == min(ours + 10, 19) or ours > 10
