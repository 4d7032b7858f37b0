"""Waiting until something has ended, for a client that asks for it: Prefer, https://www.rfc-editor.org/rfc/rfc7240."""

import asyncio
import re
import time
from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import Header, Response
from fastapi.concurrency import run_in_threadpool

from service.api.dependencies import Dependencies
from service.api.following.feed import Feed
from service.api.following.happening import Subject

T = TypeVar("T")

Prefer = Annotated[
    str | None,
    Header(
        description="`wait=20`: answer when it has ended, or as it stands in so many seconds, which are at most "
        "`TENFOLD_MAX_WAIT_SECONDS`; `Preference-Applied` says how many."
    ),
]

_PAUSE_SECONDS = 0.1
"""Between two looks at what has many ends within it."""

_PREFERENCE = re.compile(r'\s*([!#$%&\'*+.^_`|~\w-]+)\s*(?:=\s*("(?:[^"\\]|\\.)*"|[^\s;,"]*))?\s*(?:;[^,]*)?(?:,|$)')


def preferences(prefer: str | None) -> dict[str, str]:
    """Read the preferences of a header by their names, and what they are to be; the first of a name counts."""
    found: dict[str, str] = {}
    for name, value in _PREFERENCE.findall(prefer or ""):
        found.setdefault(name.lower(), value.strip('"'))
    return found


def seconds_to_wait(prefer: str | None, deps: Dependencies, response: Response) -> float | None:
    """Give for how long a client wants to wait, as far as it may, and tell it; None where it does not say."""
    wanted = preferences(prefer).get("wait", "")
    if not re.fullmatch(r"[0-9]{1,9}", wanted, re.ASCII):
        return None
    seconds = min(int(wanted), int(deps.settings.max_wait_seconds))
    response.headers["Preference-Applied"] = f"wait={seconds}"
    return seconds


async def ended(
    feed: Feed,
    subject: Subject,
    look: Callable[[], T],
    is_over: Callable[[T], bool],
    seconds: float,
    *,
    again_after: float | None = None,
) -> T:
    """Give what is seen of something once it is over, or as it is in so many seconds.

    `again_after` so many seconds it is looked at in any case: give them for what has many ends within it, or may end
    by no event.
    """
    deadline = time.monotonic() + seconds
    with feed.follow(subject, lambda happening: happening.is_last) as following:
        await feed.position()
        while True:
            following.take()
            found = await run_in_threadpool(look)
            left = deadline - time.monotonic()
            if is_over(found) or left <= 0:
                return found
            has_come = await following.wait(left if again_after is None else min(left, again_after))
            if has_come and again_after is not None:
                await asyncio.sleep(_PAUSE_SECONDS)
