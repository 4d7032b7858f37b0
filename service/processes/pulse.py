"""Whether a process that runs also does something: a frozen one is noticed, a busy or a sleeping one is left alone."""

from concurrent.futures import Future, ThreadPoolExecutor

from service.processes.process import Process

LOOK_SECONDS = 1.0
STOPPED_LOOKS = 10
SILENT_LOOKS = 30


class Pulse:
    """What was seen of one process.

    Looks are counted, not seconds: while the machine was asleep, or the supervisor stopped, nobody looked, and nobody
    is to blame. Whoever has not answered yet since it was started is still starting, however long that takes.
    """

    def __init__(self, process: Process) -> None:
        self._process = process
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pulse")
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._popen = self._process.popen
        self._asked: Future[bool] | None = None  # what the one before said does not count
        self._has_answered = False
        self._silent = self._stopped = 0

    def look(self) -> str | None:
        """Look once; says why the process had better be replaced, if it had."""
        if self._popen is not self._process.popen:
            self._begin_anew()
        if self._popen is None:
            return None
        self._stopped = self._stopped + 1 if self._process.is_stopped() else 0
        if self._stopped > STOPPED_LOOKS:
            return f"was stopped for {STOPPED_LOOKS * LOOK_SECONDS:g} s"
        if self._answered():
            self._has_answered, self._silent = True, 0
        elif self._has_answered:
            self._silent += 1
        if self._silent > SILENT_LOOKS:
            return f"did not answer for {SILENT_LOOKS * LOOK_SECONDS:g} s"
        return None

    def _answered(self) -> bool:
        """Whether it has answered since the last look; asks it again."""
        asked, answers = self._asked, self._process.program.answers
        if answers is None or (asked is not None and not asked.done()):
            return False
        self._asked = self._thread.submit(answers)
        return asked is not None and asked.exception() is None and asked.result()

    def close(self) -> None:
        """Ask no more."""
        self._thread.shutdown(wait=False)
