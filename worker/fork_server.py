"""The program from which training processes are forked: it loads torch, runs one thread, and computes nothing."""

import gc
import os
import signal
import sys
from pathlib import Path

from billiard import forkserver

from service.processes.tether import FOR_ALL, tie
from worker.launch import CANNOT_FORK


def main() -> None:
    """Load everything, make sure that nothing runs beside, and fork whenever the worker asks for it."""
    # Nothing of what is loaded is ever garbage: to look for it would take a fifth of the time.
    gc.disable()
    worker_pid, listener, alive, ready = (int(argument) for argument in sys.argv[1:])
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
        sys.stderr.write(
            f"training processes cannot be forked: {threads} threads run where one may, made by something that is "
            f"loaded into every program{_preloaded()}; they are started anew instead, which takes each some seconds\n"
        )
        sys.stderr.flush()
        sys.exit(CANNOT_FORK)
    tell_what_lacks()
    # What was loaded is shared by all children for as long as nobody writes to it, as a collection would.
    gc.collect()
    gc.freeze()
    gc.enable()
    os.write(ready, b"1")
    os.close(ready)
    forkserver.main(listener, alive, [])  # type: ignore[attr-defined]


def _preloaded() -> str:
    return ", as LD_PRELOAD asks" if os.environ.get("LD_PRELOAD") else ""


def tell_what_lacks() -> None:
    """Say, once for all training processes, what makes each of them slower than it could be."""
    from models.compiled import library

    if not library.is_used():
        sys.stderr.write(
            "training is slower than it could be, as its C files are not compiled, or others were: install "
            "a C compiler, and then this package anew\n"
        )
        sys.stderr.flush()


if __name__ == "__main__":
    main()
