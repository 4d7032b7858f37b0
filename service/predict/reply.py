"""An answer or a problem, sent as plain ASGI."""

import logging
from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus
from typing import Any

import orjson

from service.errors import rendered
from service.refusals import as_problem
from service.security import CAREFUL, Header

_logger = logging.getLogger(__name__)

_PIECE = 256 * 2**10

Send = Callable[[Any], Awaitable[None]]


async def reply(send: Send, body: bytes, headers: Iterable[Header], status: int = 200) -> None:
    """Send a whole answer; `headers` say what it is, the others are told here."""
    about = [*headers, (b"content-length", b"%d" % len(body)), *CAREFUL]
    await send({"type": "http.response.start", "status": status, "headers": about})
    # In pieces, each when most of the one before has gone: what a client does not read shall not wait in a buffer while
    # the request no longer counts.
    for start in range(0, len(body) - _PIECE, _PIECE):
        await send({"type": "http.response.body", "body": body[start : start + _PIECE], "more_body": True})
    last = (len(body) - 1) // _PIECE * _PIECE if body else 0
    await send({"type": "http.response.body", "body": body[last:] if last else body})


async def reply_problem(send: Send, error: Exception, path: str) -> None:
    """Send what went wrong, as clients of this path understand it."""
    status, body, headers = encode_problem(error, path)
    await reply(send, body, headers, status)


def encode_problem(error: Exception, path: str) -> tuple[int, bytes, list[Header]]:
    """Give status, body and headers that tell an error; what is nobody's fault but ours goes to the log."""
    problem = as_problem(error)
    if problem.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        _logger.error("a prediction failed", exc_info=error)
    status, document, media_type = rendered(problem.status, problem.detail, path, problem.faults, problem.members)
    headers = [(b"content-type", media_type.encode())]
    if problem.retry_after is not None:
        headers.append((b"retry-after", b"%d" % problem.retry_after))
    return status, orjson.dumps(document), headers
