"""What a worker makes when somebody asks for it: look, ask, wait, or say to come again."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

from fastapi.concurrency import run_in_threadpool

from service.errors import NotYet

T = TypeVar("T")

_LOOK_EVERY_SECONDS = 0.05

NOT_DRAWN = "the plot was asked for but is not drawn yet; is a worker for errands running?"


class NobodyToAsk(NotYet):
    """The broker does not take what is asked for."""


async def on_demand(
    look: Callable[[], T | None], ask: Callable[[], bool], *, work: str, waiting: str, seconds: float
) -> T:
    """Give what `look` finds; while that is nothing, have a worker asked for it once, and look again and again.

    Args:
        look: gives what there is, or None.
        ask: asks a worker; gives whether the broker took it. It may refuse by a Problem of its own.
        work: what the worker is to do, for the sentence that no worker can be asked to.
        waiting: what to say when there is nothing in time.
        seconds: how long to wait.

    Raises:
        NobodyToAsk: the broker does not answer.
        NotYet: there is nothing in time.
    """
    found = await run_in_threadpool(look)
    if found is not None:
        return found
    if not await run_in_threadpool(ask):
        raise NobodyToAsk(f"the broker does not answer, so that no worker can be asked to {work}", retry_after=5)
    deadline = time.monotonic() + seconds
    while (found := await run_in_threadpool(look)) is None:
        if time.monotonic() > deadline:
            raise NotYet(waiting, retry_after=2)
        await asyncio.sleep(_LOOK_EVERY_SECONDS)
    return found
