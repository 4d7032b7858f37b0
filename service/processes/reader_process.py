"""The process that reads one data set, as who has it read sees it: started, asked, listened to, killed."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from service.processes.tether import tied

CHILD: Sequence[str] = (sys.executable, "-P", "-m", "service.processes.reader")

_PIECE = 2**16
_LONGEST = 64 * 2**20
"""Bytes of all that a reading may tell; one of a thousand classes and ten thousand columns takes a few millions."""


class ReadingProcess:
    """Reads in a process of its own, within a `with` block, which kills it in the end; it dies with this thread.

    Without a request it gets ready, and stands by until it is asked.
    """

    def __init__(self, request: Mapping[str, Any] | None = None, command: Sequence[str] = CHILD) -> None:
        self._request, self._command = request, command
        self._heard = bytearray()
        self._bytes = 0
        self._has_ended = False

    def __enter__(self) -> Self:
        self._ear, mouth = os.pipe()
        try:
            self._popen = subprocess.Popen(
                tied([*self._command, str(mouth)]), stdin=subprocess.PIPE, stdout=sys.stderr, pass_fds=[mouth]
            )
        except BaseException:
            os.close(self._ear)
            raise
        finally:
            os.close(mouth)
        if self._request is not None:
            self.ask(self._request)
        return self

    def ask(self, request: Mapping[str, Any], *, last: bool = True) -> None:
        """Have it read; what comes of that, `listen` gives. It ends after the last request."""
        assert self._popen.stdin is not None, "it was asked for"
        with suppress(BrokenPipeError):  # it is dead already, and `ending` tells
            self._popen.stdin.write(json.dumps(request).encode() + b"\n")
            self._popen.stdin.flush()
            if last:
                self._popen.stdin.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._popen.kill()
        self._popen.wait()
        if self._popen.stdin is not None:
            with suppress(BrokenPipeError):
                self._popen.stdin.close()
        os.close(self._ear)

    @property
    def ear(self) -> int:
        """Give the descriptor at which it is heard, for who waits for several."""
        return self._ear

    @property
    def number(self) -> int:
        """Give the id of the process."""
        return self._popen.pid

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self._popen.poll() is not None

    def listen(self, seconds: float) -> list[dict[str, Any]] | None:
        """Give what it has told within so many seconds, at least once; None when it will tell nothing more."""
        if self._has_ended:
            return None
        if select.select([self._ear], [], [], seconds)[0]:
            piece = os.read(self._ear, _PIECE)
            self._bytes += len(piece)
            self._has_ended = not piece or self._bytes > _LONGEST
            self._heard += piece
            if b"\n" in piece:  # what it has found may be a long line
                *lines, self._heard = self._heard.split(b"\n")
                return [json.loads(line) for line in lines]
        return []

    def ending(self) -> str:
        """Say how it ended, which it does now at the latest."""
        try:
            code = self._popen.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            code = self._popen.wait()
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
