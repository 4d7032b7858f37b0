"""Everything running for real: `tenfold up` in a process of its own, on free loopback ports, with an empty home."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select

from service.client import FINAL_STATES, Client
from service.processes.supervisor import free_port
from service.settings import Settings
from service.store.store import Store
from service.store.tables import jobs
from tests.waiting import wait_until

START_SECONDS = 90.0

QUICK = {
    "TENFOLD_LEASE_SECONDS": "3",
    "TENFOLD_HEARTBEAT_SECONDS": "0.5",
    "TENFOLD_RECONCILE_SECONDS": "0.5",
    "TENFOLD_GROUP_SIZE": "4",
}
"""Settings under which a dead worker is noticed sooner than in earnest, and its successor measures nothing first."""


@dataclass(frozen=True)
class Stack:
    """A running Tenfold."""

    url: str
    home: Path
    settings: Settings
    process: "subprocess.Popen[bytes]"
    client: Client

    def finish(self, job_id: str, *, timeout: float = 90.0) -> dict[str, Any]:
        """Wait until a job has ended."""
        return wait_until(lambda: self._ended(job_id), timeout=timeout, what=f"job {job_id} to end: {self.logs()}")

    def _ended(self, job_id: str) -> dict[str, Any] | None:
        job = self.client.job(job_id)
        return job if job["state"] in FINAL_STATES else None

    def reach_epoch(self, job_id: str, epoch: int) -> None:
        """Wait until a job has ended its epoch number so-and-so, and more are left."""
        wait_until(
            lambda: self.client.job(job_id)["progress"]["epoch"] >= epoch,
            timeout=60,
            what=f"epoch {epoch} of job {job_id}: {self.logs()}",
        )
        assert self.client.job(job_id)["state"] == "running", "the job was too short for this test"

    def program(self, words: str) -> int:
        """Give the process id of the program whose command line holds these words."""
        found = [pid for pid, _, command in _processes(self.process.pid) if words in command]
        assert len(found) == 1, f"{words!r} fits {len(found)} processes"
        return found[0]

    def training_process(self, job_id: str) -> int:
        """Give the id of the process that has a running job: a worker's children sign with theirs."""
        with (
            closing(Store.open(self.settings).database) as database,
            database.reader.connect() as connection,
        ):
            owner = connection.scalar(select(jobs.c.owner).where(jobs.c.id == job_id))
        assert owner is not None, f"nobody trains job {job_id}"
        return int(owner.rpartition("/")[2])

    def logs(self) -> str:
        """Give the ends of the logs."""
        texts = [f"{path.name}: {path.read_text()[-1500:]}" for path in sorted((self.home / "logs").glob("*.log"))]
        return "\n".join(texts)


@contextmanager
def running_stack(
    home: Path, environment: Mapping[str, str], *, workers: int = 1, cwd: Path | None = None
) -> Iterator[Stack]:
    """Start everything, and stop it in the end."""
    port = free_port()
    # -P: as the installed command does, it looks for no code where it is started.
    command = [sys.executable, "-P", "-m", "service.cli", "up", "--home", str(home), "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--workers", str(workers)],
        cwd=cwd,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    url = f"http://127.0.0.1:{port}"
    settings = Settings(home=home)
    if database_url := environment.get("TENFOLD_DATABASE_URL"):
        settings = settings.model_copy(update={"database_url": database_url})
    try:
        with Client(url) as client:
            stack = Stack(url, home, settings, process, client)
            wait_until(lambda: _is_ready(stack), timeout=START_SECONDS, what="tenfold up to be ready")
            yield stack
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def _is_ready(stack: Stack) -> bool:
    assert stack.process.poll() is None, f"tenfold up ended with {stack.process.returncode}: {stack.logs()}"
    try:
        return httpx.get(f"{stack.url}/readyz", timeout=5).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def _processes(root: int) -> list[tuple[int, int, str]]:
    """List id, parent and command line of the processes that descend from one."""
    listing = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,ppid=,command="], check=True, capture_output=True, text=True
    )
    rows = [line.split(None, 2) for line in listing.stdout.splitlines()]
    table = [(int(pid), int(parent), command) for pid, parent, command in (row for row in rows if len(row) == 3)]
    family = {root}
    while grown := {pid for pid, parent, _ in table if parent in family} - family:
        family |= grown
    return [row for row in table if row[0] in family]


def programs(root: int) -> dict[int, str]:
    """Give the command lines of a process and all its descendants, by their ids."""
    return {pid: command for pid, _, command in _processes(root)}


def family(root: int) -> set[int]:
    """Give the ids of a process and all its descendants."""
    return {pid for pid, _, _ in _processes(root)}


def alive(pids: set[int]) -> set[int]:
    """Give those of the processes that still run; one that is dead but not yet waited for does not."""
    listing = subprocess.run(["ps", "-A", "-o", "pid=,stat="], check=True, capture_output=True, text=True)
    rows = (line.split() for line in listing.stdout.splitlines())
    return pids & {int(pid) for pid, state in rows if not state.startswith("Z")}


@contextmanager
def serving(home: Path, processes: int, files: int | None = None) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """Run the API alone, perhaps with a bound of open files; gives its URL and its first process."""
    port = free_port()
    bounded = [] if files is None else ["sh", "-c", f'ulimit -n {files}; exec "$@"', "sh"]
    process = subprocess.Popen(
        [*bounded, sys.executable, "-m", "service.cli", "api", "--home", str(home), "--port", str(port)],
        env={**os.environ, "TENFOLD_API_PROCESSES": str(processes)},
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: answers(url), timeout=60, what="the API to answer")
        yield url, process
    finally:
        process.kill()
        process.wait()


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/livez", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


LONG = {"dataset": "digits", "hidden_sizes": [200, 200], "batch_size": 16, "epochs": 40, "seed": 7}
"""Long enough to be killed in the middle."""
