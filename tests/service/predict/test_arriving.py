"""Of a long body of raw bytes, images are computed while others are still coming; the answer is what it would be."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import numpy as np
import orjson
import pytest
from numpy.typing import NDArray

from service.artifacts import Artifacts
from service.predict.asgi import Predict
from service.predict.batcher import Batcher, Pace
from service.predict.pictures import Pictures
from service.predict.predictor import Predictor
from service.predict.receive import Bodies
from service.store.store import Store
from tests import pixels as made
from tests.records import succeeded

COUNT, PIECE = 2000, 2**17


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: which database it is makes no difference to what is predicted."""
    return sqlite_url


@pytest.fixture
def predictor(store: Store, artifacts: Artifacts) -> Predictor:
    succeeded(store, artifacts)
    return Predictor(store, artifacts)


def images(blank: int | None = None) -> bytes:
    pixels = made.images(COUNT, 3).reshape(COUNT, 784)
    pixels[:, 0], pixels[:, 1] = 0, 255
    if blank is not None:
        pixels[blank] = 7
    return pixels.tobytes()


def cut(body: bytes, size: int = PIECE) -> Iterator[dict[str, Any]]:
    for start in range(0, len(body), size):
        more = start + size < len(body)
        yield {"type": "http.request", "body": body[start : start + size], "more_body": more}


class Request:
    """One request about images, whose messages come when `receive` gives them."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor, self.bodies, self.read = predictor, Bodies(), 0
        self.sent = list[dict[str, Any]]()

    async def ask(
        self, messages: AsyncIterator[dict[str, Any]], length: int, *, query: bytes = b"", accept: bytes = b"*/*"
    ) -> None:
        async def receive() -> Any:
            async for message in messages:
                self.read += len(message.get("body", b""))
                return message
            return await asyncio.Event().wait()

        async def send(message: Any) -> None:
            self.sent.append(message)

        headers = [(b"content-type", b"application/octet-stream"), (b"accept", accept)]
        headers.append((b"content-length", b"%d" % length))
        scope = {"query_string": query, "headers": headers}
        await asyncio.wait_for(Predict(self.predictor, self.bodies, Pictures())(scope, receive, send), timeout=60)
        assert self.bodies.held == 0

    @property
    def answer(self) -> tuple[int, bytes]:
        return self.sent[0]["status"], b"".join(message["body"] for message in self.sent[1:])


async def at_once(body: bytes, size: int = PIECE) -> AsyncIterator[dict[str, Any]]:
    for message in cut(body, size):
        yield message


def asked(predictor: Predictor, body: bytes, size: int = PIECE, **options: bytes) -> tuple[int, bytes]:
    async def ask() -> tuple[int, bytes]:
        request = Request(predictor)
        await request.ask(at_once(body, size), len(body), **options)
        assert request.read == len(body)
        return request.answer

    return asyncio.run(ask())


@pytest.mark.parametrize("accept", [b"application/json", b"text/csv", b"application/x-ndjson"])
@pytest.mark.parametrize("query", [b"", b"top_k=2&details=true"])
def test_an_answer_is_the_same_however_its_images_have_come(predictor: Predictor, accept: bytes, query: bytes) -> None:
    body = images()
    in_pieces = asked(predictor, body, query=query, accept=accept)
    assert in_pieces[0] == 200
    assert in_pieces == asked(predictor, body, len(body), query=query, accept=accept)


def test_the_first_images_are_computed_while_the_last_are_still_to_come(predictor: Predictor) -> None:
    body = images()

    async def test() -> None:
        begun, loop = asyncio.Event(), asyncio.get_running_loop()
        served = await predictor.find(None)

        def compute(rows: NDArray[Any]) -> NDArray[Any]:
            loop.call_soon_threadsafe(begun.set)
            return np.zeros((len(rows), 2, 10), np.float32)

        object.__setattr__(served, "batcher", Batcher(compute, Pace(1.0, 0.0)))

        async def messages() -> AsyncIterator[dict[str, Any]]:
            for message in cut(body):
                if not message["more_body"]:
                    await begun.wait()
                yield message

        request = Request(predictor)
        await request.ask(messages(), len(body))
        assert len(orjson.loads(request.answer[1])["predictions"]) == COUNT

    asyncio.run(test())


@pytest.mark.parametrize("accept", [b"application/json", b"application/x-ndjson"])
@pytest.mark.parametrize("blank", [0, 700, COUNT - 1])
def test_a_blank_image_is_told_by_its_number_wherever_it_stands(
    predictor: Predictor, blank: int, accept: bytes
) -> None:
    status, problem = asked(predictor, images(blank), accept=accept)
    assert status == 422
    assert f"number {blank + 1} of 2,000 images" in orjson.loads(problem)["detail"]


@pytest.mark.parametrize(
    ("change", "query", "status"),
    [
        (lambda body: body[:-1], b"", 422),
        (lambda body: body, b"model=nobody", 404),
        (lambda body: body, b"scale=unit", 422),
        (lambda body: body, b"timeout=0.000001", 503),
    ],
    ids=["of no whole number of images", "for no model", "of shares", "late"],
)
def test_what_cannot_be_answered_is_refused_once_it_is_there(
    predictor: Predictor, change: Callable[[bytes], bytes], query: bytes, status: int
) -> None:
    assert asked(predictor, change(images()), query=query)[0] == status


def test_whoever_leaves_on_the_way_is_told_nothing(predictor: Predictor) -> None:
    async def messages() -> AsyncIterator[dict[str, Any]]:
        for message in list(cut(images()))[:-2]:
            yield message
        yield {"type": "http.disconnect"}

    async def test() -> None:
        request = Request(predictor)
        await request.ask(messages(), COUNT * 784)
        assert request.sent == []

    asyncio.run(test())


def test_the_time_that_an_answer_may_take_begins_when_all_images_are_there(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, body = [1000.0], images()
    monkeypatch.setattr("service.predict.asgi.monotonic", lambda: clock[0])
    monkeypatch.setattr("service.predict.compute.monotonic", lambda: clock[0])

    async def messages() -> AsyncIterator[dict[str, Any]]:
        for message in cut(body):
            clock[0] += 100.0
            yield message

    async def test() -> None:
        request = Request(predictor)
        await request.ask(messages(), len(body), query=b"timeout=60")
        assert request.answer[0] == 200

    asyncio.run(test())
