"""Predictions of many examples, a batch at a time: one is written while the next is computed and more are read."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from http import HTTPStatus

import numpy as np

from service.errors import NotYet
from service.predict import responses
from service.predict.arriving import Arriving
from service.predict.compute import computed
from service.predict.details import tell
from service.predict.inputs.arrays import Arrays
from service.predict.inputs.taken import Taken
from service.predict.messages import ClientLeft, Receive
from service.predict.reply import Send, encode_problem
from service.predict.schemas import PredictQuery
from service.predict.served import PROBABILITIES, Scores, Served
from service.predict.shadow import Shadow
from service.security import CAREFUL

Each = Callable[..., list[bytes]]
"""Writes predictions of examples, by their probabilities [B, C] and perhaps details of each; perhaps in one piece."""

_LINES = [(b"content-type", b"application/x-ndjson")]


async def predictions(
    served: Served,
    taken: Taken,
    query: PredictQuery,
    receive: Receive,
    deadline: float | None,
    shadow: Shadow | None,
    each: Each,
    *,
    with_details: bool,
    arriving: Arriving | None = None,
) -> AsyncIterator[list[bytes]]:
    """Yield predictions batch by batch; while one is encoded here, the next is being computed in a thread.

    Of examples that are still arriving, those of a batch are waited for, and looked at, before they are computed.
    """
    pixels, largest = taken.rows, served.batcher.largest
    leaving = receive if arriving is None else arriving.leaving

    def compute(start: int) -> asyncio.Future[Scores]:
        batch = pixels[start : start + largest]
        return asyncio.ensure_future(computed(served, batch, leaving, deadline, shadow, admitted=start > 0))

    async def wait_for(start: int) -> None:
        if arriving is not None:
            assert isinstance(served.input, Arrays), "raw bytes are pictures"
            batch = pixels[start : start + largest]
            await arriving.until((start + len(batch)) * pixels.shape[1])
            served.input.require_shown(batch, start, len(pixels))

    async def encode(start: int, scores: Scores) -> list[bytes]:
        rows = np.ascontiguousarray(scores[:, PROBABILITIES])
        if not with_details:
            return each(rows)
        batch = pixels[start : start + largest]
        told = await asyncio.to_thread(tell, served, query, batch, rows, taken.notes, start)
        return each(rows, told)

    if not len(pixels):
        return
    await wait_for(0)
    computing, too_late = compute(0), None
    try:
        for start in range(largest, len(pixels), largest):
            await wait_for(start)
            scores = await computing
            try:
                computing = compute(start)
            except NotYet as error:  # which is no reason to keep back what is there
                too_late = error
            yield await encode(start - largest, scores)
            if too_late is not None:
                raise too_late
        yield await encode((len(pixels) - 1) // largest * largest, await computing)
    finally:
        computing.cancel()


async def with_unreadable(
    batches: AsyncIterator[list[bytes]], unreadable: Mapping[int, str], written: Callable[[str], bytes]
) -> AsyncIterator[list[bytes]]:
    """Put an error into the place of each file that could not be read."""
    place = 0

    def due() -> list[bytes]:
        nonlocal place
        errors = []
        while place in unreadable:
            errors.append(written(unreadable[place]))
            place += 1
        return errors

    async for batch in batches:
        merged = []
        for prediction in batch:
            merged += [*due(), prediction]
            place += 1
        yield merged
    yield due()


async def stream(batches: AsyncIterator[list[bytes]], model: bytes, send: Send, path: str) -> None:
    """Send predictions as lines; the answer begins once the first of them are there."""
    batch = await anext(batches)
    await send({"type": "http.response.start", "status": HTTPStatus.OK, "headers": [*_LINES, *CAREFUL]})
    last = b""
    try:
        while True:
            await send({"type": "http.response.body", "body": responses.lines(batch, model), "more_body": True})
            batch = await anext(batches)
    except StopAsyncIteration:
        pass
    except ClientLeft:
        raise
    except Exception as error:  # noqa: BLE001 - the answer has begun: its last line says why there are no more
        _, problem, _ = encode_problem(error, path)
        last = problem + b"\n"
    await send({"type": "http.response.body", "body": last})
