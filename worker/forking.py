"""Training processes are forked from a server that has loaded torch, runs one thread and has computed nothing.

Celery's pool stays as it is. Of the ways in which billiard starts a child it takes the one by a server, for which
Celery has no setting: that server is the program `worker.fork_server`. Elsewhere than on Linux children are spawned;
so they are where a container hides /proc, by which the server is found and counts its threads.
"""

import os
import sys
from typing import Any

import billiard
from billiard import forkserver
from celery.concurrency import asynpool, prefork
from celery.utils.dispatch import Signal

from worker import launch

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

    def on_start(self) -> None:
        """Have the processes started as soon as the server has loaded everything."""
        # Where it cannot fork it has told why, and another would find the same: each process loads all for itself.
        if launch.FORKS and launch.server().can_fork():
            fork()
        else:
            spawn()
        super().on_start()


def fork() -> None:
    """Have billiard fork processes from our server."""
    ours = launch.server()
    # It would start one itself, that loads what it is told and knows nothing of its threads.
    known = forkserver._forkserver  # type: ignore[attr-defined]
    known._forkserver_address, known._forkserver_alive_fd = f"/proc/self/fd/{ours.door}", ours.held
    billiard.set_start_method("forkserver", force=True)


def spawn() -> None:
    """Have billiard start each process anew."""
    # Whose tasks belong to the application that a child is given, and not to one of its own.
    os.environ["FORKED_BY_MULTIPROCESSING"] = "1"
    billiard.set_start_method("spawn", force=True)
