"""/events: what happens to everything, or to what has a label, belongs to a sweep or a model; as a list or a stream."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Header, Query, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from models.terms import Name
from service.api.dependencies import Dependencies, Deps
from service.api.following import streams
from service.api.following.happening import Happening, of_account
from service.api.following.prefer import Prefer, seconds_to_wait
from service.api.routes.field_masks import Shown, as_list
from service.api.routes.listing import label_pairs, next_page
from service.api.schemas.jobs import Identifier
from service.api.schemas.recorded import AnyEventPage
from service.store.events import AT_A_TIME

router = APIRouter(tags=["events"])

_PIECES = 5
"""So many times as many events as are read at once are looked at for a page, of which few may be wanted."""

Kind = Annotated[str, Query(max_length=32, pattern=r"^[a-z._]+$")]


class Choice(NamedTuple):
    """Which events are wanted."""

    labels: list[tuple[str, str]]
    sweep: str | None
    model: str | None
    kinds: frozenset[str]

    def wants(self, happening: Happening) -> bool:
        """Whether an event is wanted."""
        about = happening.about
        return (
            (self.sweep is None or about.sweep_id == self.sweep)
            and (self.model is None or about.model == self.model)
            and (not self.kinds or happening.kind in self.kinds)
            and all(about.labels.get(key) == value for key, value in self.labels)
        )


@router.get(
    "/events",
    summary="What happened to everything",
    response_model=AnyEventPage,
    responses={200: {"content": {streams.MEDIA_TYPE: {"schema": {"type": "string"}}}}, **as_list(503)},
)
async def events(
    response: Response,
    deps: Deps,
    shown: Shown,
    label: Annotated[
        list[str] | None,
        Query(max_length=16, description="Only of jobs with this label, `key:value`; may be repeated."),
    ] = None,
    sweep: Annotated[Identifier | None, Query(description="Only of this sweep and its jobs.")] = None,
    model: Annotated[Name | None, Query(description="Only of jobs for this model, and of itself.")] = None,
    type: Annotated[  # noqa: A002 - the name of the parameter
        list[Kind] | None, Query(max_length=16, description="Only events of this type, `state` say; may be repeated.")
    ] = None,
    prefer: Prefer = None,
    accept: Annotated[str, Header()] = "*/*",
    last_event_id: Annotated[str, Header(pattern=r"^\d{0,18}$", description="Go on after this event.")] = "",
    after: Annotated[int | None, Query(ge=0, le=2**53, description="Only events with a greater id.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="Events in a list.")] = 100,
) -> Any:
    """List what happened, the oldest first, or, for a client that accepts `text/event-stream`, stream it as it happens.

    Ids are those of the events of each job and of each version of a data set. A stream has no end. Without `after` it
    begins now, and by an event `position`, whose id says, as later ones do, how far it has looked: a client that comes
    back with `Last-Event-ID` misses nothing. A list that would be empty waits for an event, if `wait` is preferred.
    """
    choice = Choice(label_pairs(label), sweep, model, frozenset(type or ()))
    last = int(last_event_id) if last_event_id else None
    begin = after if last is None else max(last, after or 0)
    if streams.are_asked_for(accept):
        return streams.streamed(stream(deps, choice, begin))
    found, looked, upto = await _page(deps, choice, begin or 0, limit, seconds_to_wait(prefer, deps, response) or 0)
    has_more = looked < upto
    filters = {"label": label, "sweep": sweep, "model": model, "type": type}
    following = next_page("/events", limit, looked, **filters) if has_more else None
    data = [happening.shown for happening in found]
    answer = shown.answer(AnyEventPage(data=data, has_more=has_more, after=looked, next=following))
    answer.headers.update(response.headers)
    return answer


async def _page(
    deps: Dependencies, choice: Choice, after: int, limit: int, seconds: float
) -> tuple[list[Happening], int, int]:
    """Give the events of a page, up to which number was looked, and up to which there are any. If none, wait."""
    with deps.feed.follow(of_account(deps.account), choice.wants) as following:
        upto = await deps.feed.position()
        found, looked = await run_in_threadpool(_look, deps, choice, after, upto, limit)
        if not found and looked == max(after, upto) and await following.wait(seconds):
            upto = await deps.feed.position()
            found, looked = await run_in_threadpool(_look, deps, choice, looked, upto, limit)
    return found, looked, upto


def _look(deps: Dependencies, choice: Choice, after: int, upto: int, limit: int) -> tuple[list[Happening], int]:
    """Give those events that are wanted, at most so many, and up to which number was looked."""
    found: list[Happening] = []
    for _ in range(_PIECES):
        told, looked = deps.store.events.read(after=after, upto=upto)
        for happening in map(Happening, told):
            if choice.wants(happening):
                if len(found) == limit:
                    return found, found[-1].number
                found.append(happening)
        after = looked
        if looked >= upto:
            break
    return found, after


async def stream(deps: Dependencies, choice: Choice, begin: int | None) -> AsyncIterator[bytes]:
    """Yield the events that are wanted, from after a number on, or from now on; and how far was looked."""
    with deps.feed.follow(of_account(deps.account), choice.wants) as following:
        after = await deps.feed.position() if begin is None else begin
        while True:
            following.has_missed = False
            upto = await deps.feed.position()
            while after < upto:
                found, after = await run_in_threadpool(_look, deps, choice, after, upto, AT_A_TIME)
                for happening in found:
                    yield happening.among_all
            yield _position(after)
            said = after
            while not following.has_missed:
                if not await following.wait(streams.PING_EVERY_SECONDS):
                    after = max(after, following.seen)
                    yield KEEPALIVE_COMMENT if after == said else _position(after)
                for happening in following.take():
                    if happening.number > after:
                        after = happening.number
                        yield happening.among_all
                said = after


def _position(number: int) -> bytes:
    """Say up to which number was looked; not by an id alone, which clients there are pass over that is of no event."""
    return format_sse_event(event="position", data_str="{}", id=str(number))
