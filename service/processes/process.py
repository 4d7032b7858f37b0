"""One process of a program: how it is started, what it says, whether it is stopped, and how it ends."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from service.processes import tether

LOG_BYTES = 10_000_000
TAIL_BYTES, TAIL_LINES = 4_000, 20


@dataclass(frozen=True)
class Lack:
    """What a program still lacks to be ready, and the name of the one whose log says more about it."""

    what: str
    program: str


@dataclass(frozen=True)
class Program:
    """A program to keep alive.

    `is_ready` is polled from the supervisor's thread and should answer within a second or two; `lacks` is asked where
    it was not ready in time. `before` is called once before it is started with the others, in a thread of its own, and
    raises StartError where it cannot work; a signal does not wait for it. `answers` is asked every second, in a thread
    of its own, whether the program lives. `mend` is asked when it has died: it mends what keeps it from starting, and
    says what it did. `environment` is added to the supervisor's own. SIGTERM goes to the program alone, which then has
    `stop_seconds` to end; SIGKILL follows for all that is left of its session.
    """

    name: str
    command: Sequence[str]
    is_ready: Callable[[], bool]
    lacks: Callable[[], Lack | None] | None = None
    before: Callable[[], None] | None = None
    answers: Callable[[], bool] | None = None
    mend: Callable[[], str | None] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_seconds: float = 30.0


@dataclass
class Process:
    """The process of a program, while there is one; what it says is appended to `log`, if there is one."""

    program: Program
    log: Path | None
    popen: "subprocess.Popen[bytes] | None" = None
    spawned_at: float = 0.0
    log_start: int = 0
    pause: float = 0.0
    due: float = 0.0

    def spawn(self) -> None:
        """Start it; raises OSError."""
        self.spawned_at = time.monotonic()
        with ExitStack() as opened:
            output = opened.enter_context(self._open_log()) if self.log else None
            self.popen = subprocess.Popen(
                tether.tied(self.program.command),
                env={**os.environ, **self.program.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT if output else None,
                start_new_session=True,
            )

    def _open_log(self) -> BinaryIO:
        assert self.log is not None
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.rotate()
        output = self.log.open("ab")
        self.log_start = output.tell()
        return output

    def rotate(self) -> None:
        """Put the log aside as NAME.log.1 where it has grown too long, in place of the one before.

        It is copied and emptied, and the program, which appends to it, goes on. Of a longer one the end is kept.
        """
        with suppress(OSError):  # the disk is full, or the file was taken away: it is looked at again
            if self.log is None or (size := self.log.stat().st_size) <= LOG_BYTES:
                return
            with self.log.open("r+b") as full, self.log.with_name(f"{self.log.name}.1").open("wb") as aside:
                full.seek(size - LOG_BYTES)
                shutil.copyfileobj(full, aside)
                full.truncate(0)
            self.log_start = 0

    def ending(self) -> str | None:
        """Say how it ended, if it has."""
        if self.popen is None or (code := self.popen.poll()) is None:
            return None
        return f"exit code {code}" if code >= 0 else f"signal {-code} ({signal.strsignal(-code)})"

    def is_stopped(self) -> bool:
        """Whether it was stopped by a signal, as SIGSTOP does; one that a debugger holds is not. Linux only."""
        if self.popen is None or sys.platform != "linux":
            return False
        try:
            # The name, in brackets, may hold anything.
            return Path(f"/proc/{self.popen.pid}/stat").read_bytes().rpartition(b") ")[2][:1] == b"T"
        except OSError:
            return False

    def kill(self) -> None:
        """End it at once, with all that is left of its session."""
        # The session's group outlives its first process if that left children; macOS says PermissionError
        # where only zombies are left.
        if self.popen is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.popen.pid, signal.SIGKILL)
            self.popen.wait()
            self.popen = None

    def tail(self) -> str:
        """Give the last lines of what it has said since it was started, with the path of its log."""
        if self.log is None:
            return "its output stands above"
        try:
            with self.log.open("rb") as output:
                output.seek(max(self.log_start, self.log.stat().st_size - TAIL_BYTES))
                lines = output.read().decode(errors="replace").splitlines()
        except OSError as error:
            return f"its log {self.log} cannot be read: {error.strerror}"
        return "\n".join([f"{self.log} ends with:", *lines[-TAIL_LINES:]]) if lines else f"{self.log} is empty"
