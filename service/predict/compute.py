"""Has rows computed for a request that is being answered, as long as somebody waits for the answer."""

import asyncio
from collections.abc import Coroutine
from time import monotonic
from typing import Any, TypeVar

from service.predict.batcher import Rows
from service.predict.messages import ClientLeft, Receive
from service.predict.served import LOGITS, Scores, Served
from service.predict.shadow import Shadow

T = TypeVar("T")


def computed(
    served: Served,
    pixels: Rows,
    receive: Receive,
    deadline: float | None,
    shadow: Shadow | None = None,
    *,
    admitted: bool = False,
) -> Coroutine[Any, Any, Scores]:
    """Have scores computed of a batch at most, and drop them if the client leaves before that has begun.

    They are put before this returns, and where a thread is to compute them, and is free, it has begun: whoever awaits
    the result may do something else first. Raises what the batcher raises.
    """
    quick = served.batcher.is_quick(len(pixels))
    timeout = None if deadline is None else deadline - monotonic()
    future = served.batcher.put(pixels, timeout=timeout, admitted=admitted, at_once=admitted)
    return _scores(future, None if quick else receive, pixels, shadow, served)


async def _scores(
    future: asyncio.Future[Scores], receive: Receive | None, pixels: Rows, shadow: Shadow | None, served: Served
) -> Scores:
    scores = await (future if receive is None else unless_it_leaves(receive, future))
    if shadow is not None:
        shadow.ask(pixels, scores[:, LOGITS], served)
    return scores


async def unless_it_leaves(receive: Receive, future: asyncio.Future[T]) -> T:
    """Wait for a result, and cancel it when nobody waits for the answer any more; raises ClientLeft then."""
    leaving = asyncio.ensure_future(receive())
    try:
        await asyncio.wait((future, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not future.done() and leaving.result()["type"] == "http.disconnect":
            raise ClientLeft
        return await future
    finally:
        future.cancel()
        leaving.cancel()
