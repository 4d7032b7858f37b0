"""The server of forks is started first of all: it loads torch while Celery is loaded beside it.

It needs nothing but the standard library for that.
"""

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from service.processes.tether import FOR_ALL

FORKS = sys.platform == "linux" and all(Path(f"/proc/self/{name}").is_dir() for name in ("fd", "task"))
"""Elsewhere, libraries of the system keep threads of their own that do not survive a fork."""

CANNOT_FORK = 78
"""How the server ends where it would fork with threads: as EX_CONFIG of sysexits.h, for it would be so again."""

WORKER = "TENFOLD_WORKER"
"""By this variable a worker tells its children whose they are."""


@dataclass(frozen=True)
class Server:
    """The program from which training processes are forked, and by which descriptors of ours it is found and held."""

    program: "subprocess.Popen[bytes]"
    door: int
    held: int
    ear: int

    def can_fork(self) -> bool:
        """Whether it can fork, told when it has loaded everything; one that has died is taken for one that can."""
        return bool(os.read(self.ear, 1)) or self.program.wait() != CANNOT_FORK


@cache
def name() -> str:
    """Name this worker, once; the token tells it from one before, which in a container has the same host and number."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


@cache
def server() -> Server:
    """Give this worker's server, started when it is first asked for; only what this process starts can find it."""
    alive, held = os.pipe()
    ear, ready = os.pipe()
    with tempfile.TemporaryDirectory(prefix="tenfold-fork-") as folder, socket.socket(socket.AF_UNIX) as listener:
        address = f"{folder}/server"
        listener.bind(address)
        listener.listen()
        # It is found by this descriptor from now on, and the folder can go: no stranger calls, and nothing is left.
        door = os.open(address, os.O_PATH)
        # Until it can ignore what is for all, a signal waits: a program inherits what is blocked.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, FOR_ALL)
        try:
            program = subprocess.Popen(
                [sys.executable, "-m", "worker.fork_server", *map(str, (os.getpid(), listener.fileno(), alive, ready))],
                pass_fds=[listener.fileno(), alive, ready],
                # Its library of products would otherwise make threads as soon as numpy is imported.
                env={**os.environ, WORKER: name(), "OPENBLAS_NUM_THREADS": "1"},
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    os.close(alive)
    os.close(ready)
    return Server(program, door, held, ear)
