"""One process that decodes pictures, and the two pipes to it, of which neither is ever waited for."""

import json
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_PIECE = 2**20
_PATIENCE_SECONDS = 5
START = (
    "import sys; sys.path[:] = sys.argv[1:-1]; from models.data.reading.pictures.decoder_process import main; main()"
)


class Tube:
    """Starts a process, which ends by itself when this end of its pipes is closed.

    `lock` is the descriptor of a file by whose lock the processes take turns at large pictures.
    """

    def __init__(self, lock: int, start: str = START) -> None:
        # Isolated and without `site`, it starts in a third of the time; it finds what this process finds.
        flags = ["-I", "-S", *(["-B"] if sys.dont_write_bytecode else [])]
        command = [sys.executable, *flags, "-c", start, *map(os.path.abspath, sys.path), str(lock)]
        self._popen = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0,
            pass_fds=[lock],
        )  # fmt: skip
        assert self._popen.stdin is not None, "it was asked for"
        assert self._popen.stdout is not None, "it was asked for"
        self.mouth, self.ear = self._popen.stdin.fileno(), self._popen.stdout.fileno()
        self.has_begun = self.is_over = self.ran_out = False
        self._outbox = deque[memoryview]()
        self._inbox = bytearray()
        for end in (self.mouth, self.ear):
            os.set_blocking(end, False)
            _widen(end)

    @property
    def number(self) -> int:
        """Give the id of the process."""
        return self._popen.pid

    @property
    def has_more(self) -> bool:
        """Whether something is still to be written to it."""
        return bool(self._outbox)

    def send(self, about: Mapping[str, Any], files: Sequence[bytes]) -> None:
        """Write a batch, as far as there is room for it."""
        # One write for many small files.
        whole = b"".join([json.dumps(about).encode(), b"\n", *files])
        self._outbox.append(memoryview(whole))
        self.write()

    def write(self) -> None:
        """Write what there is room for."""
        while self._outbox:
            view = self._outbox[0]
            try:
                written = os.write(self.mouth, view[:_PIECE])
            except BlockingIOError:
                return
            except BrokenPipeError:  # it is dead, and reading will tell
                self._outbox.clear()
                return
            if written == len(view):
                self._outbox.popleft()
            else:
                self._outbox[0] = view[written:]

    def read(self) -> Iterator[tuple[list[list[Any]], bytes]]:
        """Give the answers that have come whole: of each picture what there is to know, and the pixels of all."""
        try:
            piece = os.read(self.ear, _PIECE)
        except BlockingIOError:
            return
        self.is_over = not piece
        self._inbox += piece
        while len(self._inbox) >= 16:
            told, pixels = int.from_bytes(self._inbox[:8]), int.from_bytes(self._inbox[8:16])
            end = 16 + told + pixels
            if len(self._inbox) < end:
                return
            answers = json.loads(self._inbox[16 : 16 + told])
            data = bytes(self._inbox[16 + told : end])
            del self._inbox[:end]
            if self.has_begun:
                yield answers, data
            self.has_begun = True

    def kill(self) -> None:
        """End the process at once."""
        self._popen.kill()
        self.end()

    def end(self) -> str:
        """Close the pipes, and wait until the process has ended; says how it did."""
        for end in (self._popen.stdin, self._popen.stdout):
            assert end is not None, "both were asked for"
            end.close()
        try:
            code = self._popen.wait(timeout=_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            code = self._popen.wait()
        self.ran_out = code == -signal.SIGPROF
        if self.ran_out:
            return "was stopped, as that took more than half a minute of the processor's time"
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"


def _widen(end: int) -> None:
    """Have a pipe hold as much as one may: a process that is behind is then waited for by nobody."""
    try:
        import fcntl

        fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, _PIECE)
    except (ImportError, AttributeError, OSError):
        return
