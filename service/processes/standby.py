"""Processes that read files for requests: they get ready while the file comes, and none outlives who asked for it."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from service.errors import Invalid, NotYet
from service.processes import scratch
from service.processes.reader_process import CHILD, ReadingProcess
from service.settings import Settings

MOST = 2
"""At a time in one API process: each takes memory, and a core when its file has come."""

_RETRY_SECONDS = 2


class Standby:
    """Starts reading processes, a few at a time, and listens to them without a thread that waits."""

    def __init__(self, settings: Settings, command: Sequence[str] = CHILD) -> None:
        self._settings, self._command = settings, command
        self._left = MOST

    @asynccontextmanager
    async def process(self) -> AsyncIterator[tuple[ReadingProcess, Path]]:
        """Start a process that gets ready to read, with a folder for what it writes; in the end, both are gone.

        Raises NotYet where there are enough, and OSError.
        """
        if not self._left:
            raise NotYet(
                f"{MOST} files are being previewed, which is all that are at a time; come again, or upload the file: "
                "POST /datasets",
                retry_after=_RETRY_SECONDS,
            )
        self._left -= 1
        stack = ExitStack()
        # By the pool of the event loop, whose threads end with it: a process dies with the thread that started it.
        started = asyncio.ensure_future(asyncio.to_thread(stack.enter_context, _started(self._settings, self._command)))
        try:
            yield await asyncio.shield(started)
        finally:
            try:
                await asyncio.shield(asyncio.ensure_future(_end(started, stack)))
            finally:
                self._left += 1


@contextmanager
def _started(settings: Settings, command: Sequence[str]) -> Iterator[tuple[ReadingProcess, Path]]:
    # The process ends first, and writes no more.
    with scratch.folder(settings) as folder, ReadingProcess(command=command) as process:
        yield process, folder


async def _end(started: "asyncio.Future[tuple[ReadingProcess, Path]]", stack: ExitStack) -> None:
    await asyncio.wait([started])
    await asyncio.to_thread(stack.close)


async def asked(process: ReadingProcess, request: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """Have it read within so many seconds; gives what it tells in the end. Raises NotYet, and Invalid where it dies."""
    try:
        async with asyncio.timeout(seconds):
            await asyncio.to_thread(process.ask, request, last=False)
            outcome = await _outcome(process)
    except TimeoutError:
        raise NotYet(
            f"to look at the first part of this file takes more than {seconds:g} seconds; upload it, and it is read "
            "without haste: POST /datasets"
        ) from None
    if outcome is None:
        ending = await asyncio.to_thread(process.ending)
        raise Invalid(f"the process that looks at it {ending}; upload the file, which says more: POST /datasets")
    return outcome


async def _outcome(process: ReadingProcess) -> dict[str, Any] | None:
    loop, heard, outcome = asyncio.get_running_loop(), asyncio.Event(), None
    loop.add_reader(process.ear, heard.set)
    try:
        while True:
            await heard.wait()
            heard.clear()
            lines = process.listen(0)
            if lines is None:
                return outcome
            outcome = next((line for line in lines if "progress" not in line), outcome)
            if outcome is not None:
                return outcome
    finally:
        loop.remove_reader(process.ear)
