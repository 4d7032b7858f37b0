"""Start a few programs in order, keep them alive, and stop them in reverse order.

One thread starts, watches and stops them all. It lives as long as the supervisor does, because a tethered
process (see `service.processes.tether`) dies with the thread that spawned it; the main thread is free for other work.
"""

import logging
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Self

from service.processes.process import Process, Program
from service.processes.pulse import LOOK_SECONDS, Pulse

logger = logging.getLogger(__name__)

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
POLL_SECONDS = 0.05


class StartError(RuntimeError):
    """A program ended, or was not ready in time, while the programs were being started."""


class Supervisor:
    """Runs `programs`, each in a session of its own, its output appended to `log_folder`/NAME.log.

    Without a folder their output is mixed into the supervisor's own.

    Entering starts the programs in order, each when the one before is ready; it raises StartError, with the end
    of the log, when one ends early or needs more than `ready_seconds`. A program that dies later comes back
    after `first_pause` seconds, then after twice that, up to `longest_pause`, and after `first_pause` again
    once it has lived for `settled_seconds`; the others run on. One that is frozen (see `service.processes.pulse`) is
    killed, and comes back likewise. Logs are looked at every second, and rotated. Leaving stops the programs in
    reverse order.

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
        self._processes = [Process(program, log_folder and log_folder / f"{program.name}.log") for program in programs]
        self._pulses = [Pulse(process) for process in self._processes]
        self._looked_at = time.monotonic()
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
            for pulse in self._pulses:
                pulse.close()
            for process in reversed(self._processes):
                self._stop(process)
            self._started.set()

    def _start(self, process: Process, others: Sequence[Process]) -> None:
        if self._stopping:
            return
        if process.program.before is not None and not self._see_to(process.program.before, others):
            return
        self._spawn(process)
        deadline = time.monotonic() + self._ready_seconds
        ready = mended = False
        while not (ready or self._stopping):
            ready = process.program.is_ready()
            # Asked afterwards, even if ready: it may have been a stranger, on the same port, who answered.
            if ending := process.ending():
                if mended or not self._mend(process):
                    raise StartError(f"{process.program.name} died before it was ready: {ending}\n{process.tail()}")
                ready, mended = False, True
                self._spawn(process)
            if not ready and time.monotonic() > deadline:
                raise StartError(self._why_not_ready(process))
            self._revive(others)
            if not ready:
                time.sleep(POLL_SECONDS)

    def _see_to(self, before: Callable[[], None], others: Sequence[Process]) -> bool:
        """Call what comes before a start; tells whether it is done, for a signal does not wait for it."""
        outcome: Future[None] = Future()

        def call() -> None:
            try:
                before()
                outcome.set_result(None)
            except BaseException as error:  # noqa: BLE001 - raised by who waits for it
                outcome.set_exception(error)

        # A daemon, for which nobody waits at the end: a database may keep silent for long.
        threading.Thread(target=call, name="before", daemon=True).start()
        while not (self._stopping or wait([outcome], POLL_SECONDS).done):
            self._revive(others)
        if self._stopping:
            return False
        outcome.result()
        return True

    def _spawn(self, process: Process) -> None:
        try:
            process.spawn()
        except OSError as error:
            raise StartError(f"{process.program.name} could not start: {error}") from error

    def _mend(self, process: Process) -> bool:
        """Have what keeps a program from starting mended, if it can be; tells what was done."""
        mended = process.program.mend() if process.program.mend is not None else None
        if mended:
            logger.warning("%s did not start; %s", process.program.name, mended)
        return mended is not None

    def _why_not_ready(self, process: Process) -> str:
        """Say what a program lacks, and show the log of who is to blame for it."""
        lack = process.program.lacks() if process.program.lacks is not None else None
        what = f": {lack.what}" if lack is not None else ""
        log = next((one for one in self._processes if lack is not None and one.program.name == lack.program), process)
        return f"{process.program.name} was not ready within {self._ready_seconds:g} s{what}\n{log.tail()}"

    def _revive(self, processes: Sequence[Process]) -> None:
        for process in processes:
            if process.popen is None and time.monotonic() >= process.due:
                try:
                    process.spawn()
                except OSError as error:
                    self._pause(process, f"could not start: {error}")
            elif ending := process.ending():
                process.kill()
                if self._died_young(process):
                    self._mend(process)
                self._pause(process, f"died: {ending}")
        if time.monotonic() - self._looked_at >= LOOK_SECONDS:
            self._looked_at = time.monotonic()
            self._look(processes)

    def _look(self, processes: Sequence[Process]) -> None:
        for process, pulse in zip(processes, self._pulses, strict=False):  # while they start, the first ones only
            process.rotate()
            if frozen := pulse.look():
                process.kill()
                self._pause(process, f"{frozen} and was killed")

    def _died_young(self, process: Process) -> bool:
        return bool(process.pause) and time.monotonic() - process.spawned_at < self._settled_seconds

    def _pause(self, process: Process, what_happened: str) -> None:
        if self._died_young(process):
            process.pause = min(2 * process.pause, self._longest_pause)
        else:
            process.pause = self._first_pause
        process.due = time.monotonic() + process.pause
        logger.warning("%s %s; it comes back in %g s", process.program.name, what_happened, process.pause)

    def _stop(self, process: Process) -> None:
        if process.popen is None:
            return
        process.popen.terminate()
        deadline = time.monotonic() + process.program.stop_seconds
        while not (process.ending() or self._killing or time.monotonic() > deadline):
            time.sleep(POLL_SECONDS)
        if not process.ending():
            logger.warning("%s did not stop in time and is killed", process.program.name)
        process.kill()


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that is free now; another process may take it before you bind it."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port
