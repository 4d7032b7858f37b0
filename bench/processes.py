"""Iterators in processes of their own, each with its own cores and threads, that advance when they are asked to.

So all sides of a comparison run under equal conditions, whatever a library sets for its whole process, and still in
turns, so that whatever else the machine does hits them alike.
"""

import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Generic, TypeVar

T = TypeVar("T")

_ONE_THREAD_OF_XLA = "--xla_cpu_multi_thread_eigen=false"


class Remote(Generic[T]):
    """An iterator in a fresh process, confined to some cores and with as many threads as these.

    `prepare(*arguments)` gives the iterator there; what it does before it returns, such as loading data, is not part
    of the first step.
    """

    def __init__(
        self, prepare: Callable[..., Iterator[T]], arguments: Sequence[object], *, cores: Collection[int]
    ) -> None:
        self._connection, other_end = get_context("spawn").Pipe()
        process = get_context("spawn").Process(target=_serve, args=(other_end, prepare, arguments), daemon=True)
        own_cores = os.sched_getaffinity(0)
        # Inherited, so that every library finds it in place when it is imported.
        os.sched_setaffinity(0, cores)
        os.environ.update(_environment(len(cores)))
        try:
            process.start()
        finally:
            os.sched_setaffinity(0, own_cores)
        other_end.close()

    def wait(self) -> None:
        """Wait until the iterator is prepared; to be called once, before the first step."""
        self._receive()

    def ask(self) -> None:
        """Let it take a step, and do not wait."""
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
        self._connection.close()

    def _receive(self) -> tuple[float, T]:
        try:
            received: tuple[float, T] = self._connection.recv()
        except EOFError:
            raise SystemExit("a process of this bench has ended; what it said last stands above") from None
        return received


def cores(count: int) -> list[int]:
    """Give the first of the cores that this process may use. Raises SystemExit when there are fewer."""
    usable = sorted(os.sched_getaffinity(0))
    if count > len(usable):
        raise SystemExit(f"{count} threads need as many cores; there are {len(usable)}")
    return usable[:count]


def _environment(threads: int) -> Mapping[str, str]:
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return dict.fromkeys(names, str(threads)) | {"XLA_FLAGS": _ONE_THREAD_OF_XLA if threads == 1 else ""}


def _serve(connection: Connection, prepare: Callable[..., Iterator[T]], arguments: Sequence[object]) -> None:
    iterator = prepare(*arguments)
    connection.send(None)
    while True:
        try:
            connection.recv()
        except EOFError:  # the bench is over
            return
        started = time.perf_counter()
        value = next(iterator)
        connection.send((time.perf_counter() - started, value))
