"""Compressed bodies: undone piece by piece, and what they are inflated to counts as held of their client."""

import asyncio
import gzip
import zlib
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from service.artifacts import Artifacts
from service.errors import Malformed, TooLarge
from service.predict.pictures import Pictures
from service.predict.receive import MAX_HELD_BYTES, Bodies
from service.protocols.asgi import Infer
from service.protocols.requests import inflated
from service.store.store import Store
from tests.records import succeeded

RAW = gzip.compress(bytes(1_400 * 784))
HEADERS = [(b"content-encoding", b"gzip"), (b"inference-header-content-length", b"0")]


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: which database it is makes no difference to what is predicted."""
    return sqlite_url


async def ask(infer: Infer, client: str, body: bytes) -> Any:
    sent: list[Any] = []

    async def receive() -> Any:
        if body in given:
            await asyncio.Event().wait()  # whoever asks stays
        given.append(body)
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        sent.append(message)

    given: list[bytes] = []
    await infer({"path": "/v2/models/default/infer", "headers": HEADERS, "client": (client, 1)}, receive, send)
    return sent[0]["status"]


def test_what_a_body_is_inflated_to_is_held_of_its_client(api: TestClient, store: Store, artifacts: Artifacts) -> None:
    succeeded(store, artifacts)
    bodies = Bodies()
    infer = Infer(api.app.state.dependencies.predictor, bodies, Pictures())  # type: ignore[attr-defined]
    stalled: asyncio.Queue[Any] = asyncio.Queue()
    stalled.put_nowait({"type": "http.request", "body": bytes(MAX_HELD_BYTES // 4 - 2**20), "more_body": True})

    async def check() -> None:
        taken = asyncio.ensure_future(bodies.take({"client": ("one", 1)}, {}, stalled.get))
        while not bodies.held:
            await asyncio.sleep(0)
        before = bodies.held
        assert await ask(infer, "one", RAW) == 503
        assert await ask(infer, "another", RAW) == 200
        assert bodies.held == before
        taken.cancel()
        await asyncio.gather(taken, return_exceptions=True)
        assert await ask(infer, "one", RAW) == 200
        assert bodies.held == 0

    api.portal.call(check)  # type: ignore[union-attr]


def test_bodies_are_inflated_piece_by_piece() -> None:
    noise = np.random.default_rng(0).bytes(2**20 + 1)
    for plain in (b"", b"x", bytes(3 * 2**20), noise + bytes(2**20)):
        for encoding, packed in {b"gzip": gzip.compress(plain, 1), b"deflate": zlib.compress(plain, 1)}.items():
            pieces = list(inflated(packed, encoding, len(plain)))
            assert b"".join(pieces) == plain
            assert all(0 < len(piece) <= 2**20 for piece in pieces)
            for wrong in (packed[:-1], packed + b"x", packed + bytes(2**21)):
                with pytest.raises(Malformed):
                    list(inflated(wrong, encoding, len(plain)))
            if plain:
                with pytest.raises(TooLarge):
                    list(inflated(packed, encoding, len(plain) - 1))
