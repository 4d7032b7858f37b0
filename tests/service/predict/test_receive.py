"""Long bodies are held within bounds, a client's within its own, and given back however a request ends."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from service.errors import NotYet, TooLarge, UnsupportedMedia
from service.predict.receive import LONG, MAX_BODY_BYTES, MAX_HELD_BYTES, Bodies, ClientLeft, require_plain

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
