"""POST /datasets/preview: what a file would be taken for, by its first part, before it is kept."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import PlainTextResponse
from starlette.requests import ClientDisconnect

from models.data.reading import signature
from models.data.reading.excerpt import Extent
from models.data.reading.markdown import markdown
from models.data.reading.options import Options
from models.terms import Name
from service.api.dependencies import Deps
from service.api.problems import problems
from service.api.routes.datasets.given_options import given
from service.api.routes.datasets.incoming import described, incoming, is_form, receive
from service.api.routes.datasets.together import called, joined
from service.api.schemas.previews import Preview
from service.edge.head import length_in
from service.errors import Fault, Invalid, NoRoom
from service.predict.receive import require_plain
from service.processes.standby import asked
from service.store.datasets import SENT

router = APIRouter(tags=["data sets"])

_MEMORY_BYTES = 2**30
_SECONDS = 10.0
_EXTENT = Extent()
_ENOUGH = 80 * 2**20
"""Of a text, no more bytes are looked at, even where its lines are as long as they may be."""
_LOOK_EVERY_SECONDS = 0.05

_Look = Callable[[], Awaitable[dict[str, Any]]]


@router.post(
    "/datasets/preview",
    summary="Preview a data set",
    openapi_extra=described(required=True),
    response_model=Preview,
    responses={200: {"content": {"text/markdown": {}}}, **problems(400, 413, 415, 422, 503, 507)},
)
async def preview(
    request: Request,
    deps: Deps,
    options: Annotated[dict[str, Any], Depends(given)],
    name: Annotated[Name | None, Query(description="A data set; the options of its newest version hold.")] = None,
    accept: Annotated[str, Header()] = "*/*",
) -> Any:
    """Tell what an upload of this file would be taken for, by its first part. Nothing is kept.

    Send it as to `POST /datasets`, with the same options. `excerpt` says which part was looked at: what the reading
    says of counts, classes, scale and of all rows holds for that part. JSON, or a page for those who accept
    `text/markdown`. What cannot be read is 422, with the faults that its version would have.
    """
    require_plain(request.scope["headers"])
    deps.floor.require(more=length_in(request.headers.get("content-length", "").encode("latin-1")) or 0)
    # Its libraries are loaded while the file comes.
    async with deps.standby.process() as (process, folder):
        options = await run_in_threadpool(deps.store.datasets.holding, name, options)
        with deps.artifacts.draft("datasets", SENT) as draft, deps.artifacts.draft("datasets", SENT) as together:
            pieces, parts = incoming(request)
            file = draft.temporary

            async def look() -> dict[str, Any]:
                wanted = {
                    "file": str(file),
                    "folder": str(folder),
                    "name": called(parts()),
                    "options": options,
                    "extent": asdict(_EXTENT),
                    "memory": min(_MEMORY_BYTES, deps.settings.reading_memory_bytes),
                }
                return await asked(process, wanted, _SECONDS)

            is_whole = asyncio.Event()
            # Of a form it is not known before its end whether it has several files, which are looked at together.
            enough = None if is_form(request) else _ENOUGH
            looking = asyncio.ensure_future(_looked_at(draft.temporary, is_whole, look, enough))
            try:
                await receive(pieces, draft.file, deps.floor)
                await asyncio.to_thread(draft.file.flush)
                if not (size := draft.file.tell()):
                    detail = "the body is empty; send the file"
                    raise Invalid(detail, faults=[Fault("", detail)])
                if await run_in_threadpool(joined, draft, parts(), together, deps.floor):
                    file = together.temporary
                is_whole.set()
                outcome = await _unless_gone(request, looking)
            finally:
                looking.cancel()
                await asyncio.wait([looking])
    found = _found(outcome)
    found["excerpt"] = {**found["excerpt"], "of_bytes": size}
    if found["excerpt"]["whole"]:
        found["excerpt"]["bytes"] = size
    if "text/markdown" in accept.lower():
        page = markdown(found["reading"], title=called(parts()) or "a preview")
        return PlainTextResponse(page, media_type="text/markdown", headers={"Vary": "Accept"})
    answer = Preview(name=called(parts()), size=size, options=options, **found)
    return Response(answer.model_dump_json(), media_type="application/json", headers={"Vary": "Accept"})


async def _looked_at(file: Path, is_whole: asyncio.Event, look: _Look, enough: int | None) -> dict[str, Any]:
    """Have a text looked at once more of it has come than is looked at, and anything else when all of it has."""
    while not is_whole.is_set() and (enough is None or file.stat().st_size < enough):
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_EVERY_SECONDS):
                await is_whole.wait()
    if not is_whole.is_set() and await asyncio.to_thread(_is_text, file):
        outcome = await look()
        if not outcome.get("found", {}).get("excerpt", {"whole": True})["whole"]:
            return outcome
    await is_whole.wait()
    return await look()


def _is_text(file: Path) -> bool:
    with file.open("rb") as begun:
        return signature.is_text(begun.read(signature.HEAD))


async def _unless_gone(request: Request, looking: "asyncio.Future[dict[str, Any]]") -> dict[str, Any]:
    """Wait for what is found, unless the client leaves; raises ClientDisconnect then."""
    leaving = asyncio.ensure_future(_gone(request))
    try:
        both: set[asyncio.Future[Any]] = {looking, leaving}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not looking.done():
            raise ClientDisconnect
        return looking.result()
    finally:
        leaving.cancel()
        await asyncio.wait([leaving])


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _found(outcome: Mapping[str, Any]) -> dict[str, Any]:
    """Give what was found; raises Invalid with the faults of a file that cannot be read."""
    if outcome.get("again"):
        raise NoRoom(f"the file could not be looked at: {outcome['faults'][0]['detail']}")
    found = dict(outcome.get("found", outcome))
    if "faults" not in found:
        return found
    faults = [Fault(_pointer(one["where"]), **one) for one in found["faults"]]
    first = faults[0]
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    part = ""
    if not found.get("excerpt", {"whole": True})["whole"]:
        part = ". Only the first part was looked at: the whole file may be read otherwise"
    raise Invalid(f"{first.where}: {first.detail}; {first.remedy}{more}{part}", faults=faults)


def _pointer(where: str) -> str:
    return f"#query/{where}" if where in Options.model_fields else ""
