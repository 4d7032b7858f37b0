"""Start a few programs in order, keep them alive, and stop them in reverse order.

One thread starts, watches and stops them all. It lives as long as the supervisor does, because a tethered
process (see `service.processes.tether`) dies with the thread that spawned it; the main thread is free for other work.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import BinaryIO, Self

from service.processes import tether

logger = logging.getLogger(__name__)

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
POLL_SECONDS = 0.05
LOG_BYTES = 10_000_000
TAIL_BYTES, TAIL_LINES = 4_000, 20


class StartError(RuntimeError):
    """A program ended, or was not ready in time, while the programs were being started."""


@dataclass(frozen=True)
class Program:
    """A program to keep alive.

    `is_ready` is polled from the supervisor's thread and should answer within a second or two. `environment`
    is added to the supervisor's own. SIGTERM goes to the program alone, which then has `stop_seconds` to end;
    SIGKILL follows for all that is left of its session.
    """

    name: str
    command: Sequence[str]
    is_ready: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_seconds: float = 30.0


class Supervisor:
    """Runs `programs`, each in a session of its own, its output appended to `log_folder`/NAME.log.

    Without a folder their output is mixed into the supervisor's own.

    Entering starts the programs in order, each when the one before is ready; it raises StartError, with the end
    of the log, when one ends early or needs more than `ready_seconds`. A program that dies later comes back
    after `first_pause` seconds, then after twice that, up to `longest_pause`, and after `first_pause` again
    once it has lived for `settled_seconds`; the others run on. Leaving stops the programs in reverse order.

    SIGINT, SIGTERM and SIGHUP belong to the supervisor meanwhile. The first stops the programs, and either ends
    `watch` or raises KeyboardInterrupt or SystemExit in the `with` body; one that comes while the programs are
    being stopped kills them at once. Only a main thread may enter, and only once.
    """

    def __init__(
        self,
        programs: Iterable[Program],
        log_folder: Path | None,
        *,
        ready_seconds: float = 60.0,
        first_pause: float = 0.5,
        longest_pause: float = 30.0,
        settled_seconds: float = 60.0,
    ) -> None:
        self._processes = [_Process(program, log_folder and log_folder / f"{program.name}.log") for program in programs]
        self._ready_seconds = ready_seconds
        self._first_pause = first_pause
        self._longest_pause = longest_pause
        self._settled_seconds = settled_seconds
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="supervisor")
        self._outcome: Future[None]
        self._started = threading.Event()
        self._handlers = ExitStack()
        # Plain flags: a signal handler that set an Event could deadlock with the code it interrupts.
        self._stopping = self._killing = self._interruptible = False
        self._interruption: BaseException = SystemExit()

    def __enter__(self) -> Self:
        for number in STOP_SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:  # as nohup and background jobs have it, on purpose
                self._handlers.callback(signal.signal, number, signal.signal(number, self._on_signal))
        self._outcome = self._thread.submit(self._run)
        self._started.wait()
        self._interruptible = True
        if self._stopping:
            self.__exit__()
            raise self._interruption
        return self

    def watch(self) -> None:
        """Wait until a signal has come and every program has stopped."""
        self._interruptible = False
        wait([self._outcome])

    def __exit__(self, *_: object) -> None:
        self._interruptible = False
        self._stopping = True
        wait([self._outcome])
        self._thread.shutdown()
        self._handlers.close()
        self._outcome.result()  # raises what ended the thread, if it was an error

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        self._killing = self._stopping
        # Set before anything is raised, so the thread stops the programs even if `__exit__` is never reached.
        self._stopping = True
        self._interruption = KeyboardInterrupt() if number == signal.SIGINT else SystemExit(128 + number)
        if self._interruptible:
            self._interruptible = False
            raise self._interruption

    def _run(self) -> None:
        try:
            for count, process in enumerate(self._processes):
                self._start(process, others=self._processes[:count])
            self._started.set()
            while not self._stopping:
                self._revive(self._processes)
                time.sleep(POLL_SECONDS)
        finally:
            self._stopping = True
            for process in reversed(self._processes):
                self._stop(process)
            self._started.set()

    def _start(self, process: "_Process", others: Sequence["_Process"]) -> None:
        if self._stopping:
            return
        process.spawn()
        deadline = time.monotonic() + self._ready_seconds
        ready = False
        while not (ready or self._stopping):
            ready = process.program.is_ready()
            # Asked afterwards, even if ready: it may have been a stranger, on the same port, who answered.
            if ending := process.ending():
                raise StartError(f"{process.program.name} died before it was ready: {ending}\n{process.tail()}")
            if not ready and time.monotonic() > deadline:
                limit = f"{self._ready_seconds:g} s"
                raise StartError(f"{process.program.name} was not ready within {limit}\n{process.tail()}")
            self._revive(others)
            time.sleep(POLL_SECONDS)

    def _revive(self, processes: Sequence["_Process"]) -> None:
        for process in processes:
            if process.popen is None and time.monotonic() >= process.due:
                try:
                    process.spawn()
                except OSError as error:
                    self._pause(process, f"could not start: {error}")
            elif ending := process.ending():
                process.kill()
                self._pause(process, f"died: {ending}")

    def _pause(self, process: "_Process", what_happened: str) -> None:
        now = time.monotonic()
        if process.pause and now - process.spawned_at < self._settled_seconds:
            process.pause = min(2 * process.pause, self._longest_pause)
        else:
            process.pause = self._first_pause
        process.due = now + process.pause
        logger.warning("%s %s; it comes back in %g s", process.program.name, what_happened, process.pause)

    def _stop(self, process: "_Process") -> None:
        if process.popen is None:
            return
        process.popen.terminate()
        deadline = time.monotonic() + process.program.stop_seconds
        while not (process.ending() or self._killing or time.monotonic() > deadline):
            time.sleep(POLL_SECONDS)
        if not process.ending():
            logger.warning("%s did not stop in time and is killed", process.program.name)
        process.kill()


@dataclass
class _Process:
    program: Program
    log: Path | None
    popen: "subprocess.Popen[bytes] | None" = None
    spawned_at: float = 0.0
    log_start: int = 0
    pause: float = 0.0
    due: float = 0.0

    def spawn(self) -> None:
        self.spawned_at = time.monotonic()
        with ExitStack() as opened:
            output = opened.enter_context(self._open_log()) if self.log else None
            self.popen = subprocess.Popen(
                # By its path and isolated: it starts in half the time, from whatever folder, and
                # `environment` cannot break it. The isolation ends with the tether; nothing is inherited.
                [sys.executable, "-I", "-S", tether.__file__, str(os.getpid()), *self.program.command],
                env={**os.environ, **self.program.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT if output else None,
                start_new_session=True,
            )

    def _open_log(self) -> BinaryIO:
        assert self.log is not None
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.replace(f"{self.log}.1")
        output = self.log.open("ab")
        self.log_start = output.tell()
        return output

    def ending(self) -> str | None:
        if self.popen is None or (code := self.popen.poll()) is None:
            return None
        return f"exit code {code}" if code >= 0 else f"signal {-code} ({signal.strsignal(-code)})"

    def kill(self) -> None:
        # The session's group outlives its first process if that left children; macOS says PermissionError
        # where only zombies are left.
        if self.popen is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.popen.pid, signal.SIGKILL)
            self.popen.wait()
            self.popen = None

    def tail(self) -> str:
        if self.log is None:
            return "its output stands above"
        with self.log.open("rb") as output:
            output.seek(max(self.log_start, self.log.stat().st_size - TAIL_BYTES))
            lines = output.read().decode(errors="replace").splitlines()
        return "\n".join(["its log ends with:", *lines[-TAIL_LINES:]]) if lines else "its log is empty"


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that is free now; another process may take it before you bind it."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port
