"""Long bodies are held within bounds, a client's within its own, and given back however a request ends."""

import asyncio
import gc
import random
import tracemalloc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from service.errors import NotYet, TooLarge, UnsupportedMedia
from service.predict.arriving import Arriving
from service.predict.messages import ClientLeft
from service.predict.receive import LONG, MAX_BINARY_BYTES, MAX_BODY_BYTES, MAX_HELD_BYTES, RAW, Bodies, require_plain

MIB = 2**20


class Sender:
    """A client that sends pieces of a mebibyte, as many as it is told to, and then stalls."""

    def __init__(self, bodies: Bodies, address: str, **headers: str) -> None:
        self.pieces: asyncio.Queue[Any] = asyncio.Queue()
        scope = {"client": (address, 1)}
        about = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
        self.taken = asyncio.ensure_future(bodies.take(scope, about, self.pieces.get))

    async def send(self, count: int, *, is_last: bool = False) -> None:
        for left in range(count, 0, -1):
            more = not (is_last and left == 1)
            self.pieces.put_nowait({"type": "http.request", "body": bytes(MIB), "more_body": more})
        while not self.pieces.empty() and not self.taken.done():
            await asyncio.sleep(0)
        await asyncio.sleep(0)

    def leave(self) -> None:
        self.pieces.put_nowait({"type": "http.disconnect"})


def run(test: Callable[[Bodies], Any]) -> None:
    bodies = Bodies()
    asyncio.run(asyncio.wait_for(test(bodies), timeout=60))
    assert bodies.held == 0


def test_what_a_client_holds_back_keeps_no_other_s_body_out() -> None:
    async def test(bodies: Bodies) -> None:
        stalled = [Sender(bodies, "stalls") for _ in range(3)]
        await stalled[0].send(63)
        await stalled[1].send(32)  # a quarter beside one that is longer
        await stalled[2].send(1)
        with pytest.raises(NotYet) as refused:
            await stalled[2].taken
        assert refused.value.retry_after
        second = Sender(bodies, "stalls too")
        await second.send(40)  # together with the first it would leave nobody a quarter
        with pytest.raises(NotYet):
            await second.taken
        honest = Sender(bodies, "honest")
        await honest.send(32, is_last=True)
        body, held = await honest.taken
        assert len(body) == 32 * MIB
        bodies.give_back(held)
        for sender in stalled[:2]:
            sender.leave()
            with pytest.raises(ClientLeft):
                await sender.taken

    run(test)


def test_only_the_first_of_a_client_s_bodies_may_be_longer_than_a_quarter() -> None:
    async def test(bodies: Bodies) -> None:
        first, second = Sender(bodies, "one"), Sender(bodies, "one")
        await first.send(20)
        await second.send(12)
        await first.send(12)
        assert bodies.held == 44 * MIB
        third = Sender(bodies, "one")
        await third.send(1)
        with pytest.raises(NotYet):
            await third.taken
        await first.send(1)  # which is longer now, and left out
        await second.send(20)
        assert bodies.held == 65 * MIB
        await second.send(1)
        with pytest.raises(NotYet):
            await second.taken
        first.leave()
        with pytest.raises(ClientLeft):
            await first.taken

    run(test)


def test_a_body_may_be_as_long_as_any_if_it_is_the_client_s_first() -> None:
    async def test(bodies: Bodies) -> None:
        sender = Sender(bodies, "one")
        await sender.send(MAX_BODY_BYTES // MIB, is_last=True)
        body, held = await sender.taken
        assert (len(body), bodies.held) == (MAX_BODY_BYTES, MAX_BODY_BYTES)
        bodies.give_back(held)

    run(test)


def test_all_together_hold_no_more_than_there_may_be() -> None:
    async def test(bodies: Bodies) -> None:
        senders = [Sender(bodies, str(number)) for number in range(4)]
        for sender in senders:
            await sender.send(MAX_HELD_BYTES // MIB // 4)
        late = Sender(bodies, "late")
        await late.send(1)
        with pytest.raises(NotYet):
            await late.taken
        for sender in senders:
            sender.taken.cancel()
        await asyncio.gather(*(sender.taken for sender in senders), return_exceptions=True)
        again = Sender(bodies, "late")
        await again.send(1, is_last=True)
        bodies.give_back((await again.taken)[1])

    run(test)


def test_what_was_announced_is_not_held_before_it_comes() -> None:
    async def test(bodies: Bodies) -> None:
        sender = Sender(bodies, "one", content_length=str(MAX_BODY_BYTES))
        await sender.send(1)
        assert bodies.held == MIB
        sender.leave()
        with pytest.raises(ClientLeft):
            await sender.taken

    run(test)


@pytest.mark.parametrize("length", [str(MAX_BODY_BYTES + 1), ""])
def test_a_body_that_is_too_long_is_let_go(length: str) -> None:
    async def test(bodies: Bodies) -> None:
        sender = Sender(bodies, "one", content_length=length)
        await sender.send(MAX_BODY_BYTES // MIB + 1)
        with pytest.raises(TooLarge):
            await sender.taken

    run(test)


def test_short_bodies_do_not_count_and_long_ones_do_even_in_one_piece() -> None:
    async def test(bodies: Bodies) -> None:
        for size, counts in ((LONG, False), (LONG + 1, True)):

            async def receive(size: int = size) -> Any:
                return {"type": "http.request", "body": bytes(size)}

            body, held = await bodies.take({}, {}, receive)
            assert (len(body), bodies.held) == (size, size if counts else 0)
            bodies.give_back(held)

    run(test)


CODINGS = [
    [b"gzip"],
    [b"br"],
    [b"GZIP"],
    [b"gzip, identity"],
    [b"identity", b"gzip"],
    [b"gzip", b"identity"],
    [b"identity, deflate", b""],
]


@pytest.mark.parametrize("lines", CODINGS)
def test_a_body_in_a_coding_is_refused_whichever_line_says_so(lines: list[bytes]) -> None:
    with pytest.raises(UnsupportedMedia):
        require_plain([(b"content-encoding", line) for line in lines])
    require_plain([(b"content-type", b"gzip"), *[(b"content-encoding", b" Identity,")] * 2])


def in_place(pieces: list[Any], **headers: str) -> tuple[bytes | memoryview, int]:
    """Give a body of raw bytes where it was put together, and what was held of it."""
    bodies = Bodies()
    about = {b"content-type": RAW} | {name.replace("_", "-").encode(): its.encode() for name, its in headers.items()}
    left = iter(pieces)

    async def receive() -> Any:
        return next(left)

    async def take() -> tuple[bytes | memoryview, int]:
        body, held = await bodies.begin({}, about, receive)
        try:
            return await body.whole() if isinstance(body, Arriving) else body, bodies.held
        finally:
            bodies.give_back(held)

    try:
        return asyncio.run(take())
    finally:
        assert bodies.held == 0


def cut(body: bytes, size: int) -> list[Any]:
    """Give the messages in which a body comes, in pieces of a size."""
    starts = range(0, len(body), size)
    return [
        {"type": "http.request", "body": body[start : start + size], "more_body": start + size < len(body)}
        for start in starts
    ]


@pytest.mark.parametrize("size", [700_001, MIB, 256_000, 5 * MIB])
@pytest.mark.parametrize("is_told", [True, False])
def test_a_long_body_of_raw_bytes_is_the_same_where_it_was_put_together(size: int, is_told: bool) -> None:
    body = random.Random(size).randbytes(3 * MIB + 5)
    given, held = in_place(cut(body, size), **({"content_length": str(len(body))} if is_told else {}))
    assert (given, held) == (body, len(body))


def test_whoever_sends_more_than_was_told_is_refused_and_whoever_leaves_is_let_go() -> None:
    pieces = cut(bytes(3 * MIB), 700_001)
    with pytest.raises(TooLarge):
        in_place(pieces, content_length=str(2 * MIB))
    with pytest.raises(ClientLeft):
        in_place([*pieces[:2], {"type": "http.disconnect"}], content_length=str(3 * MIB))


def test_nothing_is_held_any_more_of_a_body_whose_client_left_on_its_way() -> None:
    async def test(bodies: Bodies) -> None:
        sender = Sender(bodies, "one", content_length=str(4 * MIB), content_type=RAW.decode())
        await sender.send(2)
        assert bodies.held == 2 * MIB
        sender.leave()
        with pytest.raises(ClientLeft):
            await sender.taken

    run(test)


def test_memory_is_taken_for_a_body_once_some_of_it_has_come() -> None:
    async def test(bodies: Bodies) -> None:
        tracemalloc.start()
        try:
            senders = [
                Sender(bodies, str(number), content_length=str(MAX_BINARY_BYTES), content_type=RAW.decode())
                for number in range(40)
            ]
            for sender in senders:
                sender.pieces.put_nowait({"type": "http.request", "body": bytes(LONG), "more_body": True})
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert bodies.held == 40 * LONG
            assert tracemalloc.get_traced_memory()[0] < 20 * MIB
        finally:
            tracemalloc.stop()
        for sender in senders:
            sender.leave()
        await asyncio.gather(*(sender.taken for sender in senders), return_exceptions=True)

    run(test)


def test_memory_of_a_body_that_failed_on_its_way_is_free_at_once() -> None:
    def hold(_more: int) -> None:
        raise NotYet("full", retry_after=1)

    async def receive() -> Any:
        return {"type": "http.request", "body": bytes(8), "more_body": True}

    async def fail() -> weakref.ref[Arriving]:
        body = Arriving(bytearray(8), 64, receive, hold)
        for error in (NotYet, ClientLeft):  # and of the second time it is enough to know that it failed
            with pytest.raises(error):
                await body.whole()
        return weakref.ref(body)

    gc.disable()  # which, in a process that answers little, may come late
    try:
        assert asyncio.run(fail())() is None
    finally:
        gc.enable()


def test_who_asks_first_is_not_told_to_send_what_is_too_long() -> None:
    async def receive() -> Any:
        pytest.fail("whoever waits for the body says that it may come")

    async def test(bodies: Bodies) -> None:
        headers = {b"expect": b"100-continue", b"content-type": RAW, b"content-length": b"%d" % (MAX_BINARY_BYTES + 1)}
        with pytest.raises(TooLarge):
            await bodies.begin({}, headers, receive)

    run(test)
