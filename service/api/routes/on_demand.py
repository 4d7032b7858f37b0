"""What a worker makes when somebody asks for it: look, ask, wait, or say to come again."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

from fastapi.concurrency import run_in_threadpool

from service.api.dependencies import Dependencies
from service.errors import Damaged, NotYet
from service.store.engine import Row
from service.store.files import REFUSED
from service.store.workers import Role

T = TypeVar("T")

_LOOK_EVERY_SECONDS = 0.05

REFUSED_SECONDS = 60.0
"""Why a file could not be made is told to whoever waited in vain and asks again; after that it may be mended."""


class NobodyToAsk(NotYet):
    """The broker does not take what is asked for."""


async def on_demand(
    deps: Dependencies,
    look: Callable[[], T | None],
    ask: Callable[[], bool],
    *,
    work: str,
    waiting: str,
    role: Role = "errands",
    wait: float | None = None,
) -> T:
    """Give what `look` finds; while that is nothing, have a worker asked for it once, and look again and again.

    Args:
        deps: says how long to wait, whether there is a worker, and whether the disk has room for what it makes.
        look: gives what there is, or None.
        ask: asks a worker; gives whether the broker took it. It may refuse by a Problem of its own.
        work: what the worker is to do, for the sentence that no worker can be asked to.
        waiting: what to say when there is nothing in time.
        role: of the workers that do it.
        wait: for how many seconds at most, if for fewer than the setting says.

    Raises:
        NobodyToAsk: the broker does not answer.
        NotYet: there is nothing in time.
        NoRoom: the disk has too little free for what would be made.
    """
    found = await run_in_threadpool(look)
    if found is not None:
        return found
    deps.floor.require()
    if not await run_in_threadpool(ask):
        raise NobodyToAsk(f"the broker does not answer, so that no worker can be asked to {work}", retry_after=5)
    most = deps.settings.max_wait_seconds
    deadline = time.monotonic() + (most if wait is None else min(wait, most))
    while (found := await run_in_threadpool(look)) is None:
        if time.monotonic() > deadline:
            raise NotYet(f"{waiting}; {await run_in_threadpool(_why_not, deps, role)}", retry_after=2)
        await asyncio.sleep(_LOOK_EVERY_SECONDS)
    return found


def _why_not(deps: Dependencies, role: Role) -> str:
    if deps.store.workers.count(role, seconds=3 * deps.settings.heartbeat_seconds) == 0:
        return f"no worker for {role} has been seen lately: `tenfold up` and `tenfold worker` start one"
    return f"the worker for {role} is busy with it, or with others before it: ask again"


async def drawn(deps: Dependencies, owner: str, plot: str, ask: Callable[[], bool], *, epoch: int) -> str:
    """Have a plot drawn, unless there is one that is as new as an epoch; gives its name.

    Raises Damaged, with the reason, if a worker could not draw it, and what `on_demand` raises.
    """
    name = f"{plot}.png"

    def look() -> Row | None:
        picture = deps.store.files.get(owner, name)
        is_new = picture is not None and picture.epoch >= epoch
        return picture if is_new else deps.store.files.refusal(owner, name, epoch=epoch, seconds=REFUSED_SECONDS)

    found = await on_demand(deps, look, ask, work="draw", waiting="the plot was asked for but is not drawn yet")
    if found.name.endswith(REFUSED):
        raise Damaged(f"the plot cannot be drawn: {await run_in_threadpool(taken_back, deps, found)}")
    return name


def taken_back(deps: Dependencies, refusal: Row) -> str:
    """Read a refusal and forget it: whoever asks next is answered anew, when what was wrong may be mended."""
    try:
        return deps.artifacts.read(refusal.key, refusal.sha256).decode()
    except (FileNotFoundError, ValueError):
        return "ask again"
    finally:
        deps.store.files.forget(refusal)
        deps.artifacts.remove([refusal.key])
