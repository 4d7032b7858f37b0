"""Answers POST /predict as plain ASGI: what most requests need and no more, because it takes longer than predicting."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from functools import lru_cache
from http import HTTPStatus
from time import monotonic
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
import orjson
from pydantic import ValidationError

from service.errors import MEDIA_TYPE, TOO_LARGE, NotYet, TooLarge, document, invalid
from service.predict import responses
from service.predict.batcher import LARGEST, Rows
from service.predict.cache import PROBABILITIES, Scores, Served
from service.predict.compute import ClientLeft, Receive, computed
from service.predict.details import are_wanted, tell
from service.predict.fast_path import Header, Pending, pending
from service.predict.predictor import Predictor
from service.predict.reply import as_problem
from service.predict.requests import is_short, reader
from service.predict.schemas import PredictQuery
from service.predict.shadow import Shadow
from service.security import CAREFUL

logger = logging.getLogger(__name__)

PATH = "/predict"
MAX_BODY_BYTES = 64 * 2**20
MAX_BINARY_BYTES = 8 * 2**20  # of raw bytes or one PNG

MAX_HELD_BYTES = 2 * MAX_BODY_BYTES
"""Bytes of long bodies that one process holds at a time; whoever comes then is told to come again."""

Send = Callable[[Any], Awaitable[None]]

_DIGITS = 10  # of a length; int refuses thousands of them, and who reads counts anyway

_JSON = (b"content-type", b"application/json")
_LINES = (b"content-type", b"application/x-ndjson")
_PROBLEM = (b"content-type", MEDIA_TYPE.encode())


class Predict:
    """Answers predictions; of the scope it looks at headers and query string.

    Errors are worded as those of all routes are. Which requests may come here without passing the middlewares of the
    API is the API's to say.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._held = 0

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers: dict[bytes, bytes] = dict(scope["headers"])
        held = 0
        try:
            body, held = await self.take(headers, receive)
            await self._answer(scope["query_string"], headers, body, receive, send)
        except ClientLeft:
            return
        except Exception as error:  # noqa: BLE001 - whoever sent the request is told, and so is the log
            problem = as_problem(error)
            after = () if problem.retry_after is None else [(b"retry-after", b"%d" % problem.retry_after)]
            await _send(send, problem.status, _PROBLEM, _document(error), after)
        finally:
            self.give_back(held)

    def start(self, scope: Any, headers: Mapping[bytes, bytes], body: bytes) -> Pending | None:
        """Start to answer one image, asked for without options, by a network that is at hand; see FastPathProtocol."""
        kind = headers.get(b"content-type", b"").decode("latin-1")
        in_lines = b"ndjson" in headers.get(b"accept", b"")
        # Several images would have been read for nothing.
        if scope["query_string"] or in_lines or b'"images' in body or not is_short(kind, body):
            return None
        asked = reader(kind)(body)
        served = None if asked.several else self._predictor.at_hand(asked.model)
        if served is None:
            return None

        def word(scores: Scores) -> tuple[Iterable[Header], bytes]:
            return (_JSON,), responses.one(scores[0, PROBABILITIES], served.model_json)

        return pending(served, asked.pixels, self._predictor.along_with(asked.model), word)

    async def take(self, headers: Mapping[bytes, bytes], receive: Receive) -> tuple[bytes, int]:
        """Give a whole body, and how many bytes of it count as held until they are given back."""
        message = await receive()
        body: bytes = message.get("body", b"")
        if message.get("more_body") or len(body) > MAX_BINARY_BYTES or message["type"] == "http.disconnect":
            body = await self._rest(message, headers, receive)
            return body, len(body)
        return body, 0

    def give_back(self, held: int) -> None:
        """Make room for other long bodies."""
        self._held -= held

    async def _answer(
        self, query_string: bytes, headers: Mapping[bytes, bytes], body: bytes, receive: Receive, send: Send
    ) -> None:
        query = _query(query_string)
        deadline = None if query.timeout is None else monotonic() + query.timeout
        kind = headers.get(b"content-type", b"").decode("latin-1")
        read = reader(kind)
        asked = read(body) if is_short(kind, body) else await asyncio.to_thread(read, body)
        reference = asked.model or query.model
        served = await self._predictor.find(reference)
        shadow = self._predictor.along_with(reference)
        in_lines = b"ndjson" in headers.get(b"accept", b"")
        if not asked.several and not in_lines and query.is_plain:
            (scores,) = await computed(served, asked.pixels, receive, deadline, shadow)
            await _send(send, 200, _JSON, responses.one(scores[PROBABILITIES], served.model_json))
            return
        details = are_wanted(query, len(asked.pixels))
        batches = _predictions(served, asked.pixels, query, receive, deadline, shadow, with_details=details)
        if asked.unreadable:
            batches = _with_unreadable(batches, asked.unreadable)
        if in_lines:
            await _stream(batches, served.model_json, send)
            return
        predictions = [prediction async for batch in batches for prediction in batch]
        if asked.several:
            await _send(send, 200, _JSON, responses.several(predictions, served.model_json))
        else:
            await _send(send, 200, _JSON, responses.with_model(predictions[0], served.model_json))

    async def _rest(self, message: Any, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        """Read a body that comes in several pieces; it counts as held until it has been answered."""
        binary = headers.get(b"content-type", b"").startswith((b"application/octet-stream", b"image/png"))
        most, length = MAX_BINARY_BYTES if binary else MAX_BODY_BYTES, headers.get(b"content-length", b"")
        if length.isdigit() and len(length) <= _DIGITS and int(length) > most:
            raise TooLarge(TOO_LARGE)
        body = bytearray()
        try:
            while True:
                body += _piece(message)
                self._held += len(message.get("body", b""))
                self._check_room(body, most)
                if not message.get("more_body"):
                    return bytes(body)
                message = await receive()
        except BaseException:
            self._held -= len(body)
            raise

    def _check_room(self, body: bytearray, most: int) -> None:
        if len(body) > most:
            raise TooLarge(TOO_LARGE)
        if self._held > MAX_HELD_BYTES:
            raise NotYet("too many large bodies are being read already", retry_after=1)


def _piece(message: Any) -> bytes:
    if message["type"] == "http.disconnect":
        raise ClientLeft
    piece: bytes = message.get("body", b"")
    return piece


@lru_cache(maxsize=256)
def _query(query_string: bytes) -> PredictQuery:
    try:
        return PredictQuery.model_validate(dict(parse_qsl(query_string.decode("latin-1"), keep_blank_values=True)))
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        raise invalid([{**fault, "loc": ("query", *fault["loc"])} for fault in faults]) from None


async def _predictions(
    served: Served,
    pixels: Rows,
    query: PredictQuery,
    receive: Receive,
    deadline: float | None,
    shadow: Shadow | None,
    *,
    with_details: bool,
) -> AsyncIterator[list[bytes]]:
    """Yield predictions batch by batch; one is worded while the next is computed."""

    def compute(start: int) -> asyncio.Future[Scores]:
        batch = pixels[start : start + LARGEST]
        return asyncio.ensure_future(computed(served, batch, receive, deadline, shadow, admitted=start > 0))

    async def word(start: int, scores: Scores) -> list[bytes]:
        rows = np.ascontiguousarray(scores[:, PROBABILITIES])
        if not with_details:
            return responses.each(rows, query)
        batch = pixels[start : start + LARGEST]
        return responses.each(rows, query, await asyncio.to_thread(tell, served, query, batch, rows))

    if not len(pixels):
        return
    computing = compute(0)
    try:
        for start in range(LARGEST, len(pixels), LARGEST):
            scores = await computing
            computing = compute(start)
            await asyncio.sleep(0)  # lets it be put
            await asyncio.sleep(0)  # lets it begin
            yield await word(start - LARGEST, scores)
        yield await word((len(pixels) - 1) // LARGEST * LARGEST, await computing)
    finally:
        computing.cancel()


async def _with_unreadable(
    batches: AsyncIterator[list[bytes]], unreadable: Mapping[int, str]
) -> AsyncIterator[list[bytes]]:
    """Put an error into the place of each file that could not be read."""
    place = 0

    def due() -> list[bytes]:
        nonlocal place
        errors = []
        while place in unreadable:
            errors.append(responses.unreadable(unreadable[place]))
            place += 1
        return errors

    async for batch in batches:
        merged = []
        for prediction in batch:
            merged += [*due(), prediction]
            place += 1
        yield merged
    yield due()


async def _stream(batches: AsyncIterator[list[bytes]], model: bytes, send: Send) -> None:
    """Send predictions as lines; the answer begins once the first of them are there."""
    batch = await anext(batches)
    await send({"type": "http.response.start", "status": HTTPStatus.OK, "headers": [_LINES, *CAREFUL]})
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
        last = _document(error) + b"\n"
    await send({"type": "http.response.body", "body": last})


def _document(error: Exception) -> bytes:
    problem = as_problem(error)
    if problem.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error("a prediction failed", exc_info=error)
    return orjson.dumps(document(problem.status, problem.detail, PATH, problem.faults))


async def _send(send: Send, status: int, kind: Header, body: bytes, more: Iterable[Header] = ()) -> None:
    headers = [kind, (b"content-length", b"%d" % len(body)), *CAREFUL, *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
