"""Stored files over HTTP: conditions, ranges, and files that are replaced while they are asked for."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any, BinaryIO, TypeVar

from fastapi import Header, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse
from starlette.types import Receive, Scope, Send

from models.inference import Network, read
from service.api.dependencies import Dependencies
from service.api.entity_tags import is_known, require_match
from service.api.problems import problems
from service.api.streaming import HEAD
from service.errors import Damaged, NotFound, NotYet
from service.store import owners
from service.store.engine import Row
from service.store.versions import WEIGHTS

T = TypeVar("T")

_TRIES = 5


class _Reader:
    """Reads what a response sends of an open file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._place = 0

    async def seek(self, place: int) -> None:
        self._place = place

    async def read(self, size: int) -> bytes:
        piece = await run_in_threadpool(os.pread, self._file.fileno(), size, self._place)
        self._place += len(piece)
        return piece


class _OpenFileResponse(FileResponse):
    """Serves a file that is open already: it may be replaced, and unlinked, while it is being sent."""

    def __init__(self, file: BinaryIO, **options: Any) -> None:
        super().__init__(f"/dev/fd/{file.fileno()}", stat_result=os.fstat(file.fileno()), **options)
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get(HEAD):  # of which nothing is to be read
            scope = {**scope, "method": "HEAD"}
        with self._file:
            await super().__call__(scope, receive, send)

    @asynccontextmanager
    async def _open_file(self) -> AsyncIterator[Any]:
        # Starlette would open the path: clients that do not read on would hold two descriptors each, beside the socket.
        yield _Reader(self._file)


def conditions(
    if_match: Annotated[
        str | None, Header(description="Only if the file has one of these ETags; `*`: only if it is there.")
    ] = None,
    if_none_match: Annotated[
        str | None, Header(description="ETags of what the client has: one of these is not sent again.")
    ] = None,
    range: Annotated[  # noqa: A002
        str | None, Header(description="Which bytes to send, `bytes=0-1023` for instance.")
    ] = None,
    if_range: Annotated[
        str | None, Header(description="The whole file unless this is its ETag, or its `Last-Modified`.")
    ] = None,
) -> None:
    """Describe what the client of a file may send along."""


def file_of_type(media_type: str, *statuses: int) -> dict[int | str, dict[str, Any]]:
    """Declare what a route answers that serves a file, and its errors, for OpenAPI."""
    return {
        200: {"content": {media_type: {}}},
        206: {
            "content": {media_type: {}, "multipart/byteranges": {}},
            "description": "The bytes that `Range` asks for; several ranges are parts of one answer.",
        },
        304: {"description": "The client has the file already: one of the tags in `If-None-Match` is its ETag."},
        **problems(400, 412, 416, *statuses),
    }


def download(
    request: Request, deps: Dependencies, find: Callable[[], Row], *, media_type: str, filename: str | None = None
) -> Response:
    """Serve the file that `find` points to; its SHA-256 is its ETag. Raises what `require_match` raises."""

    def serve(pointer: Row) -> Response:
        headers = {"ETag": f'"{pointer.sha256}"', "Cache-Control": "no-cache"}
        require_match(request.headers, pointer.sha256)
        if is_known(request.headers, pointer.sha256):
            return Response(status_code=304, headers=headers)
        file = deps.artifacts.path(pointer.key).open("rb")
        return _OpenFileResponse(file, media_type=media_type, headers=headers, filename=filename)

    return opened(find, serve)


def opened(find: Callable[[], Row], use: Callable[[Row], T]) -> T:
    """Use the file that `find` points to, which may be replaced, and so be gone, before it is opened.

    Raises Damaged if it is still pointed to when it is gone, NotYet if it is replaced faster than it can be opened.
    """
    gone = None
    for _ in range(_TRIES):
        pointer = find()
        try:
            return use(pointer)
        except FileNotFoundError:
            if pointer.key == gone:
                raise Damaged(f"the file {pointer.key} is gone; `tenfold doctor` tells what else is") from None
            gone = pointer.key
    raise NotYet("the file is being replaced; try again", retry_after=1)


def read_weights(deps: Dependencies, name: str, version: int) -> Network:
    """Read the weights of a version; raises Damaged where they cannot be used, and NotFound."""

    def pointer() -> Row | None:
        return deps.store.files.get(owners.of_version(name, version), WEIGHTS)

    file = pointer()
    try:
        if file is not None:
            return read(deps.artifacts.read(file.key, file.sha256))
    except (OSError, ValueError) as error:
        file = pointer()  # it may have been deleted since it was looked up
        if file is not None:
            raise Damaged(f"the weights of version {version} of model {name} cannot be used: {error}") from error
    raise NotFound(f"model {name} has no version {version}")
