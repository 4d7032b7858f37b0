"""Iterators in processes of their own, each with its own cores and threads, that advance when they are asked to.

So all sides of a comparison run under equal conditions, whatever a library sets for its whole process, and still in
turns, so that whatever else the machine does hits them alike. In between a process is stopped: no thread of it goes on
with its own work while another one's is measured, or spins.
"""

import atexit
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Generic, TypeVar

from bench.epochs import serve
from service.processes.tether import tie, tied

T = TypeVar("T")

_ONE_THREAD_OF_XLA = "--xla_cpu_multi_thread_eigen=false"


class Remote(Generic[T]):
    """An iterator in a fresh process, confined to some cores and with as many threads as these, unless that is said.

    `prepare(*arguments)` gives the iterator there; what it does before it returns, such as loading data, is not part
    of the first step. With a `script` the process runs that instead, with `arguments` as words after the number of the
    descriptor that it answers on (see bench/epochs.py), and imports what lies in the folder `checkout`.
    """

    def __init__(
        self,
        prepare: Callable[..., Iterator[T]] | Path,
        arguments: Sequence[object],
        *,
        cores: Collection[int],
        threads: int | None = None,
        environment: Mapping[str, str] | None = None,
        checkout: Path | None = None,
    ) -> None:
        self._connection, other_end = get_context("spawn").Pipe()
        variables = {**_environment(threads or len(cores)), **(environment or {})}
        with _confined(cores, variables):
            if isinstance(prepare, Path):
                words = [str(word) for word in (other_end.fileno(), *arguments)]
                # -P: the script's own folder is no place to import from.
                command = tied([sys.executable, "-P", str(prepare), *words])
                variables["PYTHONPATH"] = str(checkout)
                program = subprocess.Popen(
                    command, env=os.environ | variables, cwd=checkout, pass_fds=[other_end.fileno()]
                )
                self._pid, kill = program.pid, program.kill
            else:
                process = get_context("spawn").Process(target=_serve, args=(other_end, prepare, arguments), daemon=True)
                process.start()
                assert process.pid is not None
                self._pid, kill = process.pid, process.kill
        # Before multiprocessing asks its processes to end: one that is stopped would not hear it.
        atexit.register(kill)
        other_end.close()

    def wait(self) -> None:
        """Wait until the iterator is prepared; to be called once, before the first step."""
        self._receive()

    def ask(self) -> None:
        """Let it take a step, and do not wait."""
        os.kill(self._pid, signal.SIGCONT)
        self._connection.send(None)

    def answer(self) -> tuple[float, T]:
        """Wait for the step that was asked for; gives its seconds and its value."""
        answer: tuple[float, T] = self._receive()
        return answer

    def __next__(self) -> tuple[float, T]:
        """Let it take a step; gives its seconds and its value."""
        self.ask()
        return self.answer()

    def close(self) -> None:
        """Let the process end."""
        os.kill(self._pid, signal.SIGCONT)
        self._connection.close()

    def _receive(self) -> tuple[float, T]:
        try:
            received: tuple[float, T] = self._connection.recv()
        except (EOFError, ConnectionResetError):
            raise SystemExit("a process of this bench has ended; what it said last stands above") from None
        os.kill(self._pid, signal.SIGSTOP)
        return received


def cores(count: int) -> list[int]:
    """Give the first of the cores that this process may use. Raises SystemExit when there are fewer."""
    usable = sorted(os.sched_getaffinity(0))
    if count > len(usable):
        raise SystemExit(f"{count} threads need as many cores; there are {len(usable)}")
    return usable[:count]


@contextmanager
def _confined(its_cores: Collection[int], variables: Mapping[str, str]) -> Iterator[None]:
    """Start what is started here on these cores and with these variables."""
    own_cores, own_variables = os.sched_getaffinity(0), dict(os.environ)
    # Inherited, so that every library finds it in place when it is imported.
    os.sched_setaffinity(0, its_cores)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.sched_setaffinity(0, own_cores)
        os.environ.clear()
        os.environ.update(own_variables)


def _environment(threads: int) -> dict[str, str]:
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return dict.fromkeys(names, str(threads)) | {"XLA_FLAGS": _ONE_THREAD_OF_XLA if threads == 1 else ""}


def _serve(connection: Connection, prepare: Callable[..., Iterator[T]], arguments: Sequence[object]) -> None:
    tie(os.getppid())
    serve(connection, prepare(*arguments))
