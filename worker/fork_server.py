"""The program from which training processes are forked: it loads torch, runs one thread, and computes nothing."""

import gc
import os
import signal
import sys
from pathlib import Path

from billiard import forkserver

from service.processes.tether import FOR_ALL, tie


def main() -> None:
    """Load everything, make sure that nothing runs beside, and fork whenever the worker asks for it."""
    worker_pid, listener, alive = (int(argument) for argument in sys.argv[1:])
    tie(worker_pid)
    # It ends with its worker, not before: a signal for all would take the training processes with it.
    for number in FOR_ALL:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FOR_ALL)
    # Tasks belong to the application that a child is given: Celery asks this where they are made.
    os.environ["FORKED_BY_MULTIPROCESSING"] = "1"
    from worker.app import load_for_training  # which asks it as it is imported

    load_for_training()
    if (threads := sum(1 for _ in Path("/proc/self/task").iterdir())) != 1:
        sys.exit(f"training processes cannot be forked: {threads} threads run where one may")
    tell_what_lacks()
    # What was loaded is shared by all children for as long as nobody writes to it, as a collection would.
    gc.collect()
    gc.freeze()
    forkserver.main(listener, alive, [])  # type: ignore[attr-defined]


def tell_what_lacks() -> None:
    """Say, once for all training processes, what makes each of them slower than it could be."""
    from models.elementwise import library

    if not library.is_used():
        sys.stderr.write(
            "training is slower than it could be, as elementwise.c is not compiled, or was from another text: install "
            "a C compiler, and then this package anew\n"
        )
        sys.stderr.flush()


if __name__ == "__main__":
    main()
