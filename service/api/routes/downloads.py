"""Stored files over HTTP: ETag and 304, ranges, and files that are replaced while they are asked for."""

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any, BinaryIO, TypeVar

from fastapi import Request, Response
from fastapi.responses import FileResponse
from starlette.types import Receive, Scope, Send

from models.inference import read
from service.api.dependencies import Dependencies
from service.api.entity_tags import tags
from service.errors import Damaged, Malformed, NotFound, NotYet
from service.store import owners
from service.store.engine import Row
from service.store.versions import WEIGHTS

T = TypeVar("T")

_TRIES = 5


class _OpenFileResponse(FileResponse):
    """Serves a file that is open already: it may be replaced, and unlinked, while it is being sent."""

    def __init__(self, file: BinaryIO, **options: Any) -> None:
        super().__init__(f"/dev/fd/{file.fileno()}", stat_result=os.fstat(file.fileno()), **options)
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._file:
            await super().__call__(scope, receive, send)


def download(
    request: Request, deps: Dependencies, find: Callable[[], Row], *, media_type: str, filename: str | None = None
) -> Response:
    """Serve the file that `find` points to; its SHA-256 is its ETag."""

    def serve(pointer: Row) -> Response:
        headers = {"ETag": f'"{pointer.sha256}"', "Cache-Control": "no-cache"}
        if _is_known(request, pointer.sha256):
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


def _is_known(request: Request, tag: str) -> bool:
    """Whether the client has the file already; what it says of that and cannot be read is no reason to refuse it."""
    with suppress(Malformed):
        known = tags("If-None-Match", request.headers.getlist("if-none-match"))
        return known is not None and known.match(tag)
    return False


def require_weights(deps: Dependencies, name: str, version: int) -> None:
    """Make sure that the weights of a version can be used; raises Damaged, and NotFound."""

    def pointer() -> Row | None:
        return deps.store.files.get(owners.of_version(name, version), WEIGHTS)

    file = pointer()
    try:
        if file is not None:
            read(deps.artifacts.read(file.key, file.sha256))
    except (OSError, ValueError) as error:
        file = pointer()  # it may have been deleted since it was looked up
        if file is not None:
            raise Damaged(f"the weights of version {version} of model {name} cannot be used: {error}") from error
    if file is None:
        raise NotFound(f"model {name} has no version {version}")
