"""Training processes are forked from a server that has loaded torch, runs one thread and has computed nothing.

Celery's pool stays as it is. Of the ways in which billiard starts a child it takes the one by a server, for which
Celery has no setting: that server is the program `worker.fork_server`. Elsewhere than on Linux children are spawned;
so they are where a container hides /proc, by which the server is found and counts its threads.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import billiard
from billiard import forkserver
from celery.concurrency import asynpool, prefork
from celery.utils.dispatch import Signal

from service.processes.tether import FOR_ALL

FORKS = sys.platform == "linux" and all(Path(f"/proc/self/{name}").is_dir() for name in ("fd", "task"))
"""Elsewhere, libraries of the system keep threads of their own that do not survive a fork."""

process_ready = Signal(name="process_ready", providing_args=["pid"])
"""Sent in the worker when one of its training processes can train: it has torch, and waits for a ring."""

process_gone = Signal(name="process_gone", providing_args=["pid"])
"""Sent in the worker at once when one of its training processes has ended, however it ended."""


class _Worker(asynpool.Worker):
    """What one process does; it tells the worker which of its pipes it means by the numbers that they have there."""

    def __reduce__(self) -> tuple[Any, ...]:
        # In the child of a server they have others, and Celery would never learn that it is free again.
        return (*super().__reduce__(), {name: getattr(self, name) for name in ("inqW_fd", "synqW_fd")})


class _Processes(asynpool.AsynPool):
    """The processes themselves, which Celery's event loop watches."""

    Worker = _Worker

    def on_process_alive(self, pid: int) -> None:
        """Say that a process can train."""
        super().on_process_alive(pid)
        process_ready.send(sender=self, pid=pid)

    def _event_process_exit(self, hub: Any, proc: Any) -> None:
        process_gone.send(sender=self, pid=proc.pid)
        super()._event_process_exit(hub, proc)  # type: ignore[misc]

    def _create_worker_process(self, i: int) -> Any:
        try:
            return super()._create_worker_process(i)  # type: ignore[misc]
        except (OSError, EOFError):
            # The server has died, and its children with it. The worker ends, to be started anew with another.
            sys.stderr.write("no training process can be started any more; the worker ends\n")
            sys.stderr.flush()
            os._exit(70)


class TrainingPool(prefork.TaskPool):
    """Celery's pool of processes, none of which is forked from the worker itself: that has threads and connections."""

    Pool = _Processes
    server: "subprocess.Popen[bytes] | None" = None

    def on_start(self) -> None:
        """Start the server, and the processes as soon as it has loaded everything."""
        if FORKS:
            self.server = start()
            billiard.set_start_method("forkserver", force=True)
        else:
            # Whose tasks belong to the application that a child is given, and not to one of its own.
            os.environ["FORKED_BY_MULTIPROCESSING"] = "1"
            billiard.set_start_method("spawn", force=True)
        super().on_start()


def start() -> "subprocess.Popen[bytes]":
    """Start the server, and tell billiard where it listens; only what this process starts can find it there."""
    alive, held = os.pipe()
    with tempfile.TemporaryDirectory(prefix="tenfold-fork-") as folder, socket.socket(socket.AF_UNIX) as listener:
        address = f"{folder}/server"
        listener.bind(address)
        listener.listen()
        # It is found by this descriptor from now on, and the folder can go: no stranger calls, and nothing is left.
        door = os.open(address, os.O_PATH)
        # Until it can ignore what is for all, a signal waits: a program inherits what is blocked.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, FOR_ALL)
        try:
            server = subprocess.Popen(
                [sys.executable, "-m", "worker.fork_server", str(os.getpid()), str(listener.fileno()), str(alive)],
                pass_fds=[listener.fileno(), alive],
                # Its library of products would otherwise make threads as soon as numpy is imported.
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    os.close(alive)
    # It would start one itself, that loads what it is told and knows nothing of its threads.
    known = forkserver._forkserver  # type: ignore[attr-defined]
    known._forkserver_address, known._forkserver_alive_fd = f"/proc/self/fd/{door}", held
    return server
