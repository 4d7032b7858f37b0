"""Server-sent events: what is on record first, and then what happens, as it happens.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from collections.abc import AsyncIterator, Callable, Sequence

from fastapi import Response
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from service.api.following.feed import Feed
from service.api.following.happening import Subject, written
from service.api.streaming import StreamedResponse
from service.store.engine import Row

PING_EVERY_SECONDS = 15.0
_AT_A_TIME = 1000

MEDIA_TYPE = "text/event-stream"

END = format_sse_event(event="end", data_str="{}")
NO_MORE = 204
"""Tells an EventSource not to come back."""


def are_asked_for(accept: str) -> bool:
    """Whether a client accepts a stream."""
    return MEDIA_TYPE in accept.lower()


def streamed(parts: AsyncIterator[bytes]) -> Response:
    """Answer with a stream."""
    return StreamedResponse(parts, media_type=MEDIA_TYPE, headers={"X-Accel-Buffering": "no"})


async def until_the_end(
    feed: Feed,
    subject: Subject,
    read: Callable[[int, int], Sequence[Row]],
    has_ended: Callable[[], bool],
    after: int,
) -> AsyncIterator[bytes]:
    """Yield the events of a job, or of a version of a data set, and that it has ended.

    `read` gives those after a number, at most so many.
    """
    with feed.follow(subject) as following:
        is_whole = False
        while not is_whole:
            following.has_missed = False
            await feed.position()
            # In this order: an event that comes with the end is still found.
            ended = await run_in_threadpool(has_ended)
            while rows := await run_in_threadpool(read, after, _AT_A_TIME):
                for row in rows:
                    after = row.number
                    yield written(row)
            while not ended and not following.has_missed:
                if not await following.wait(PING_EVERY_SECONDS):
                    yield KEEPALIVE_COMMENT
                for happening in following.take():
                    ended = ended or happening.is_last
                    if happening.number > after and not happening.is_deletion:
                        after = happening.number
                        yield happening.alone
            is_whole = ended
        yield END
