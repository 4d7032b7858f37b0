"""What a worker makes when somebody asks for it: look, ask, wait, or say to come again."""

import asyncio
import time
from collections.abc import Callable

from fastapi.concurrency import run_in_threadpool

from service.api.routes.downloads import T
from service.errors import NotYet

_LOOK_EVERY_SECONDS = 0.05


async def wait_for(look: Callable[[], T | None], *, seconds: float, what: str) -> T:
    """Look again and again until there is something, or raise NotYet when there is nothing in time."""
    deadline = time.monotonic() + seconds
    while (found := await run_in_threadpool(look)) is None:
        if time.monotonic() > deadline:
            raise NotYet(what, retry_after=2)
        await asyncio.sleep(_LOOK_EVERY_SECONDS)
    return found
