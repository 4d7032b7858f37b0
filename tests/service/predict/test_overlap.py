"""Of many images, one batch is encoded while the next is being computed; what is there in time is answered."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np
import orjson
import pytest
from numpy.typing import NDArray

from service.artifacts import Artifacts
from service.predict import responses
from service.predict.asgi import Predict
from service.predict.batcher import LARGEST, Batcher, Pace
from service.predict.pictures import Pictures
from service.predict.predictor import Predictor
from service.predict.receive import Bodies
from service.predict.schemas import MAX_IMAGES
from service.predict.served import Served
from service.store.store import Store
from tests.records import succeeded


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: which database it is makes no difference to what is predicted."""
    return sqlite_url


def ask(
    predictor: Predictor, body: bytes, *, query: bytes = b"", accept: bytes = b"*/*"
) -> tuple[Coroutine[Any, Any, None], list[dict[str, Any]]]:
    """Give what answers one request, and the messages that it will have sent."""
    headers = [(b"content-type", b"application/octet-stream"), (b"accept", accept)]
    left, sent = [{"type": "http.request", "body": body}], list[dict[str, Any]]()

    async def receive() -> Any:
        return left.pop() if left else await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    return Predict(predictor, Bodies(), Pictures())({"query_string": query, "headers": headers}, receive, send), sent


def batched_by(compute: Callable[[NDArray[Any]], NDArray[Any]], served: Served) -> None:
    """Have scores computed otherwise, at a pace at which batches go to a thread."""
    object.__setattr__(served, "batcher", Batcher(compute, Pace(1.0, 0.0)))


@pytest.mark.parametrize("count", [MAX_IMAGES, LARGEST + 1, 2 * LARGEST - 1])
def test_each_batch_is_computed_while_the_one_before_is_encoded(
    store: Store, artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    succeeded(store, artifacts)
    batches, met = list[int](), list[bool]()
    meeting = threading.Barrier(2)
    together = responses.together

    def meet() -> None:
        """Wait until both sides are here: one encodes while the other computes, or this fails."""
        meeting.wait(timeout=30)
        met.append(True)

    def compute(rows: NDArray[Any]) -> NDArray[Any]:
        if batches:
            meet()
        batches.append(len(rows))
        return np.zeros((len(rows), 2, 10), np.float32)

    def noting(*arguments: Any) -> list[bytes]:
        if len(met) // 2 < count // LARGEST:
            meet()
        return together(*arguments)

    monkeypatch.setattr(responses, "together", noting)

    async def test() -> None:
        predictor = Predictor(store, artifacts)
        batched_by(compute, await predictor.find(None))
        answering, sent = ask(predictor, b"\0\xff" * (count * 392))
        await answering
        assert len(orjson.loads(b"".join(piece["body"] for piece in sent[1:]))["predictions"]) == count

    asyncio.run(asyncio.wait_for(test(), timeout=60))
    assert sum(batches) == count
    assert len(met) == 2 * (count // LARGEST)


def test_what_was_computed_in_time_is_answered_before_it_is_told_that_the_rest_is_late(
    store: Store, artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    succeeded(store, artifacts)
    clock = [time.monotonic()]
    monkeypatch.setattr("service.predict.compute.monotonic", lambda: clock[0])

    def compute(rows: NDArray[Any]) -> NDArray[Any]:
        clock[0] += 1000.0
        return np.zeros((len(rows), 2, 10), np.float32)

    async def test() -> None:
        predictor = Predictor(store, artifacts)
        batched_by(compute, await predictor.find(None))
        answering, sent = ask(predictor, b"\0\xff" * (2000 * 392), query=b"timeout=500", accept=b"application/x-ndjson")
        await answering
        *predictions, problem = map(orjson.loads, b"".join(message.get("body", b"") for message in sent).splitlines())
        assert len(predictions) == LARGEST
        assert problem["status"] == 503
        assert "would not be ready within 0 s" in problem["detail"]

    asyncio.run(asyncio.wait_for(test(), timeout=60))
