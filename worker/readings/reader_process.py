"""The process that reads one data set, as the worker sees it: started, listened to, killed."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from service.processes.tether import tied

CHILD: Sequence[str] = (sys.executable, "-P", "-m", "worker.readings.child")

_PIECE = 2**16
_LONGEST = 64 * 2**20
"""Bytes of all that a reading may tell; one of a thousand classes and ten thousand columns takes a few millions."""


class ReadingProcess:
    """Reads in a process of its own, within a `with` block, which kills it in the end; it dies with this thread."""

    def __init__(self, request: Mapping[str, Any], command: Sequence[str] = CHILD) -> None:
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
        assert self._popen.stdin is not None, "it was asked for"
        try:
            with self._popen.stdin as stdin:
                stdin.write(json.dumps(self._request).encode())
        except BrokenPipeError:
            pass  # it is dead already, and `ending` tells
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._popen.kill()
        self._popen.wait()
        os.close(self._ear)

    @property
    def number(self) -> int:
        """Give the id of the process."""
        return self._popen.pid

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
