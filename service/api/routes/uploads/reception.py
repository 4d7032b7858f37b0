"""The bytes of an upload as they come: written behind those that are safe, and safe before they are written down.

Whoever is killed leaves a file that is perhaps longer than the record says; who goes on cuts that off first.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from fastapi import Request
from starlette.requests import ClientDisconnect

from service.api.dependencies import Dependencies
from service.api.routes.uploads.tus_headers import Digest
from service.artifacts import Growing
from service.errors import Damaged, NoRoom, TooLarge
from service.store.engine import Row
from service.store.errors import NoSuchUpload, UploadTaken
from service.store.uploads import Turn

PIECE_BYTES = 256 * 2**10
"""Bytes that are written at a time."""

SAFE_BYTES, SAFE_SECONDS = 16 * 2**20, 5.0
"""So much, or for so long, comes before it is written down; who is killed loses that at most."""

IDLE_SECONDS = 0.5
"""The same while nothing more comes: a connection that is dead, and does not say so, takes nothing along."""

LOOK_SECONDS = 0.25
"""How often whoever writes looks whether another has begun to: its client may have been torn away without a word."""

LET_GO_SECONDS = 5.0
"""How long another is waited for that is to let go of the file."""

P = ParamSpec("P")
T = TypeVar("T")


async def receive(request: Request, deps: Dependencies, turn: Turn, digest: Digest | None) -> Row:
    """Write what a request brings behind what there is; gives the upload as it stands then.

    What has come before a cut, a full disk or another trouble is kept; of a body with a checksum all or nothing.
    Raises UploadTaken when another goes on with it, NoSuchUpload when it is ended meanwhile, TooLarge, Damaged, NoRoom,
    OSError and ClientDisconnect.
    """
    growing = await _let_go(deps, turn)
    try:
        coming = _Coming(deps, turn, growing, digest)
        await to_its_end(coming.begin)
        try:
            async for piece in _pieces(request, coming.look, coming.wait):
                coming.take(piece)
                if len(coming.held) >= PIECE_BYTES:
                    await to_its_end(coming.write)
            await to_its_end(coming.write)
        except (UploadTaken, NoSuchUpload):
            raise
        except BaseException as error:
            # What went wrong is told, and not what that made impossible.
            with suppress(Exception):
                await to_its_end(coming.rescue, has_room=not isinstance(error, NoRoom | OSError))
            raise
        return await to_its_end(coming.end)
    finally:
        await to_its_end(growing.close)


@dataclass(eq=False)
class _Coming:
    """What comes in one request; its methods but `take` write to disks, and are for threads."""

    deps: Dependencies
    turn: Turn
    growing: Growing
    digest: Digest | None
    held: bytearray = field(default_factory=bytearray)
    _came: int = 0
    _safe: int = 0
    _is_doubtful: bool = False
    _safe_at: float = field(default_factory=time.monotonic)

    def begin(self) -> None:
        # Whoever has the file open decides alone what is in it: a newer one cannot have written since.
        self.deps.store.uploads.require(self.turn)
        try:
            self.growing.go_on(self.turn.offset)
        except ValueError as error:
            raise Damaged(
                f"{error}; end the upload with DELETE /uploads/{self.turn.upload_id}, and begin another"
            ) from None
        self._safe = self._came = self.turn.offset

    def take(self, piece: bytes) -> None:
        """Hold bytes that have come; raises TooLarge where the upload has fewer."""
        most = self.turn.length if self.turn.length is not None else self.deps.settings.max_upload_bytes
        if self._came + len(piece) > most:
            raise too_long(self.turn, most)
        self._came += len(piece)
        self.held += piece

    def write(self) -> None:
        """Write what is held, and after a while see that it is safe."""
        if not self.held:
            return
        self.deps.floor.require()
        if self.digest is not None:
            self.digest.found.update(self.held)
        self.growing.write(self.held)
        self.held.clear()
        late = time.monotonic() - self._safe_at >= SAFE_SECONDS
        if self.digest is None and (late or self.growing.place - self._safe >= SAFE_BYTES):
            self._record()

    def look(self) -> None:
        """See that nobody has taken the upload over."""
        self.deps.store.uploads.require(self.turn)

    def wait(self) -> None:
        """See to what has come while nothing more does."""
        self.look()
        if self.digest is None:
            self.write()
            if self.growing.place > self._safe and time.monotonic() - self._safe_at >= IDLE_SECONDS:
                self._record()

    def rescue(self, *, has_room: bool) -> None:
        """Keep what has come of a request that did not end well."""
        if self._is_doubtful or self.digest is not None:
            return
        if has_room:
            self.growing.write(self.held)
        if self.growing.place > self._safe:
            self._record()

    def end(self) -> Row:
        """Keep all of it; raises WrongChecksum."""
        if self.digest is not None:
            self.digest.require()
        return self._record()

    def _record(self) -> Row:
        if self.growing.place > self._safe:
            self._is_doubtful = True  # until it is sure: nobody tries a second time to make it so
            self._safe = self.growing.keep()
            self._is_doubtful = False
        self._safe_at = time.monotonic()
        return self.deps.store.uploads.record(self.turn, self._safe)


def too_long(turn: Turn, most: int) -> TooLarge:
    """Give what a body is refused with that is longer than what is missing."""
    if turn.length is None:
        return TooLarge(f"an upload may have {most:,} bytes (TENFOLD_MAX_UPLOAD_BYTES)")
    return TooLarge(f"the upload has {most:,} bytes by its Upload-Length, and the body is longer than what is missing")


async def _let_go(deps: Dependencies, turn: Turn) -> Growing:
    """Open the file once nobody else has it open; whoever had it open before sees that it was taken over."""
    deadline = time.monotonic() + LET_GO_SECONDS
    while True:
        try:
            growing = await to_its_end(lambda: deps.artifacts.grow(turn.key, size=turn.offset))
        except FileNotFoundError:
            await to_its_end(deps.store.uploads.require, turn)  # it may have been ended just now
            raise Damaged(
                f"the bytes of upload {turn.upload_id} are gone; end it with DELETE /uploads/{turn.upload_id}, and "
                "begin another"
            ) from None
        if growing is not None:
            return growing
        await to_its_end(deps.store.uploads.require, turn)
        if time.monotonic() > deadline:
            raise UploadTaken(turn.upload_id)
        await asyncio.sleep(0.02)


async def _pieces(request: Request, look: Callable[[], None], wait: Callable[[], None]) -> AsyncIterator[bytes]:
    """Give what a body holds as it comes; raises ClientDisconnect where it is cut.

    Every now and then `look` is called, or `wait` while nothing has come; what they raise is raised.
    """
    looked = time.monotonic()
    message = None
    try:
        while True:
            message = asyncio.ensure_future(request.receive())
            while not message.done():
                await asyncio.wait({message}, timeout=LOOK_SECONDS)
                if time.monotonic() - looked >= LOOK_SECONDS:
                    await to_its_end(look if message.done() else wait)
                    looked = time.monotonic()
            said = message.result()
            if said["type"] == "http.disconnect":
                raise ClientDisconnect
            if piece := said.get("body", b""):
                yield piece
            if not said.get("more_body", False):
                return
    finally:
        if message is not None:
            message.cancel()


async def to_its_end(work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Do something in a thread, to its end: a file is not closed while a thread still writes to it."""
    thread = asyncio.ensure_future(asyncio.to_thread(work, *arguments, **named))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        await asyncio.wait({thread})
        raise
