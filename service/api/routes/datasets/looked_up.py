"""A data set, or a version of one, by its name; or the error that there is none. And waiting until it has been read."""

import time
from functools import partial
from typing import Annotated

from fastapi import Path
from fastapi.concurrency import run_in_threadpool

from models.data.builtin import BUILTIN
from models.terms import Name
from service.api.dependencies import Dependencies
from service.api.following.happening import of_data
from service.api.following.prefer import ended
from service.api.routes.on_demand import on_demand
from service.errors import Conflict, NotFound
from service.store.engine import Row

DatasetName = Annotated[Name, Path(description="Name of a data set.")]
Number = Annotated[int, Path(ge=1, le=2**31 - 1, description="Number of a version.")]

RETRY_SECONDS = 2


def the_set(deps: Dependencies, name: str) -> Row | None:
    """Look a data set up: its newest version, which of what is built in may not be there; raises NotFound."""
    row = deps.store.datasets.get(name)
    if row is None and name not in BUILTIN:
        raise NotFound(f"there is no data set called {name!r}; GET /datasets lists them")
    return row


def the_version(deps: Dependencies, name: str, number: int) -> Row:
    """Look a version of a data set up; raises NotFound."""
    row = deps.store.datasets.version(name, number)
    if row is None:
        the_set(deps, name)
        raise NotFound(f"the data set {name!r} has no version {number}; GET /datasets/{name}/versions lists them")
    return row


async def settled(deps: Dependencies, name: str, number: int | None = None, *, wait: float | None = None) -> Row:
    """Give a version, or the newest one, once it has been read, with or without success; or as it stands in time.

    `wait` is for how many seconds it is waited at most, and no longer than the setting allows.

    What is built in is read when somebody first asks, and again where it could not be had. Raises NotFound, and what
    `on_demand` raises.
    """

    def look() -> Row:
        row = the_set(deps, name) if number is None else the_version(deps, name, number)
        assert row is not None, "what is not built in is there, or it is not found"
        return row

    if name in BUILTIN and number in {None, 1}:
        return await _asked_for(deps, name, wait)
    most = deps.settings.max_wait_seconds
    deadline = time.monotonic() + (most if wait is None else min(wait, most))
    row = await run_in_threadpool(look)
    while row.state == "reading" and (left := deadline - time.monotonic()) > 0:
        its = of_data(row.account, row.dataset, row.version)
        # Of the newest version another may be the newest by then.
        row = await ended(deps.feed, its, look, partial(_is_over, row.version), left)
    return row


def _is_over(version: int, row: Row) -> bool:
    return bool(row.state != "reading" or row.version != version)


async def _asked_for(deps: Dependencies, name: str, wait: float | None) -> Row:
    def look() -> Row | None:
        row = deps.store.datasets.get(name)
        return row if row is not None and row.state != "reading" else None

    before = await run_in_threadpool(look)
    if before is not None and before.state == "ready":
        return before
    deps.floor.require()
    await run_in_threadpool(deps.store.datasets.ask_for, name)
    return await on_demand(
        deps,
        look,
        lambda: deps.doorbell.ring_for_readings([(deps.account, name, 1)]),
        work="look",
        waiting=f"data set {name!r} was asked for but not read yet",
        role="readings",
        wait=wait,
    )


def require_upload(name: str) -> None:
    """Refuse to add to, or delete, what is built in; raises Conflict."""
    if name in BUILTIN:
        raise Conflict(f"{name!r} is built in; choose another name")
