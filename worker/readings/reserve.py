"""A reading process that stands by with its libraries loaded, so that the next reading of a worker begins at once."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from service.processes.reader_process import CHILD, ReadingProcess


class Reserve:
    """Keeps one process ready once there was a first reading: who reads nothing pays nothing for it.

    Each process reads one file, and ends. They die with the thread that asks for them, which has to be always the same.
    """

    def __init__(self, command: Sequence[str] = CHILD) -> None:
        self._command = command
        self._ready: tuple[ReadingProcess, ExitStack] | None = None

    @contextmanager
    def process(self, request: Mapping[str, Any]) -> Iterator[ReadingProcess]:
        """Give a process that reads this alone; once it has ended, another stands by. Raises OSError."""
        ready, self._ready = self._ready, None
        if ready is not None and ready[0].is_over:  # something killed it meanwhile, as a machine does without memory
            ready[1].close()
            ready = None
        process, stack = ready or self._start()
        with stack:
            process.ask(request)
            yield process
        # Only now, so that it takes no core from the reading; whoever draws and publishes what was read waits for none.
        with suppress(OSError):  # then the next reading starts its own, and tells
            self._ready = self._start()

    @property
    def number(self) -> int | None:
        """Give the id of the process that stands by, if there is one."""
        return None if self._ready is None else self._ready[0].number

    def close(self) -> None:
        """End the process that stands by."""
        ready, self._ready = self._ready, None
        if ready is not None:
            ready[1].close()

    def _start(self) -> tuple[ReadingProcess, ExitStack]:
        with ExitStack() as stack:
            process = stack.enter_context(ReadingProcess(command=self._command))
            return process, stack.pop_all()
