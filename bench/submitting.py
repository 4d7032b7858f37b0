"""Claim: POST /jobs answers at 0.6 of the rate of bare INSERT and COMMIT, and one in a hundred in at most 5 medians.

Both at 16 connections, in turns, on SQLite and on PostgreSQL, which synchronise to the disk before they answer. Bare:
threads that each insert a row of a job's size into a table with the same keys, and commit. Beside it the API, asked by
as many connections, each with one request under way; its broker runs, and no worker. Every answer must be 202, and in
the end as many jobs be on record as were answered.
"""

import argparse
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import psycopg
from sqlalchemy import func, select

from bench.asker import Asker
from bench.figures import circumstances, met
from service.broker import embedded
from service.processes.process import Program
from service.processes.supervisor import Supervisor, free_port
from service.store.engine import Database
from service.store.tables import jobs
from tests.postgres import Server

CONNECTIONS = 16
SHARE, TAIL = 0.6, 5.0
_BODY = b'{"dataset": "mnist", "name": "nightly", "labels": {"team": "vision", "stage": "trial"}, "epochs": 3}'
_ROW = "x" * 1500
_TABLE = "CREATE TABLE bare (number {}, id VARCHAR(36) NOT NULL UNIQUE, state VARCHAR(16) NOT NULL, spec TEXT NOT NULL)"


@dataclass(frozen=True)
class Found:
    """Seconds of each answer, and how long it took to get them all."""

    seconds: Sequence[float]
    wall: float

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.seconds) / self.wall

    def of(self, share: float) -> float:
        """Give the milliseconds within which so large a share was answered."""
        return sorted(self.seconds)[int(share * (len(self.seconds) - 1))] * 1000

    def __str__(self) -> str:
        return f"{self.rate:>8.0f}/s   p50 {self.of(0.5):>7.1f} ms   p99 {self.of(0.99):>8.1f} ms"


def together(begin: Callable[[], tuple[Callable[[], None], Callable[[], None]]], seconds: float) -> Found:
    """Have each connection do one thing after the other; `begin` gives what, and how to close it."""
    taken: list[float] = []
    wrong: list[BaseException] = []
    end = time.perf_counter() + seconds

    def work() -> None:
        do, close = begin()
        try:
            while (begun := time.perf_counter()) < end and not wrong:
                do()
                taken.append(time.perf_counter() - begun)
        except BaseException as error:
            wrong.append(error)
            raise
        finally:
            close()

    begun = time.perf_counter()
    threads = [threading.Thread(target=work) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        raise SystemExit(f"nothing was measured: {wrong[0]}")
    return Found(taken, time.perf_counter() - begun)


def bare(url: str) -> Callable[[], tuple[Callable[[], None], Callable[[], None]]]:
    """Give what begins a connection that inserts and commits, into a table that is made."""
    if url.startswith("postgresql"):
        with psycopg.connect(url) as connection:
            connection.execute(_TABLE.format("BIGSERIAL PRIMARY KEY"))

        def begin() -> tuple[Callable[[], None], Callable[[], None]]:
            own = psycopg.connect(url)

            def insert() -> None:
                own.execute("INSERT INTO bare (id, state, spec) VALUES (%s, %s, %s)", (str(uuid.uuid4()), "q", _ROW))
                own.commit()

            return insert, own.close

        return begin
    file = url.removeprefix("sqlite:///") + ".bare"  # a file of its own: its locks are no matter of the API's
    with closing(_open(file)) as first:
        first.execute(_TABLE.format("INTEGER PRIMARY KEY AUTOINCREMENT"))

    def begin_sqlite() -> tuple[Callable[[], None], Callable[[], None]]:
        own = _open(file)

        def insert() -> None:
            own.execute("BEGIN IMMEDIATE")
            own.execute("INSERT INTO bare (id, state, spec) VALUES (?, ?, ?)", (str(uuid.uuid4()), "q", _ROW))
            own.execute("COMMIT")

        return insert, own.close

    return begin_sqlite


def _open(file: str) -> sqlite3.Connection:
    connection = sqlite3.connect(file, timeout=60, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def submitting(url: str) -> Callable[[], tuple[Callable[[], None], Callable[[], None]]]:
    """Give what begins a connection that submits jobs."""
    request = Asker.request("/jobs", {"Content-Type": "application/json"}, _BODY)

    def begin() -> tuple[Callable[[], None], Callable[[], None]]:
        asker = Asker(url)

        def submit() -> None:
            if (status := asker.ask(request)) != httpx.codes.ACCEPTED:
                raise SystemExit(f"the API answers {status}")

        return submit, asker.close

    return begin


@contextmanager
def api(home: Path, database_url: str, processes: int) -> Iterator[str]:
    """Run a broker and the API; gives its URL."""
    broker, port = free_port(), free_port()
    redis = f"redis://127.0.0.1:{broker}/0"
    program = Program("broker", embedded.command(broker, home), is_ready=lambda: embedded.is_ready(redis))
    environment = {
        **os.environ,
        "TENFOLD_HOME": str(home),
        "TENFOLD_DATABASE_URL": database_url,
        "TENFOLD_BROKER_URL": redis,
        "TENFOLD_PORT": str(port),
        "TENFOLD_API_PROCESSES": str(processes),
    }
    with Supervisor([program], home), (home / "api.log").open("ab") as log:
        command = [sys.executable, "-m", "service.cli", "api"]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            url = f"http://127.0.0.1:{port}"
            deadline = time.monotonic() + 60
            while not _lives(url):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"the API did not start:\n{(home / 'api.log').read_text()[-2000:]}")
                time.sleep(0.1)
            yield url
        finally:
            process.terminate()
            process.wait(timeout=30)


def _lives(url: str) -> bool:
    try:
        return httpx.get(f"{url}/livez", trust_env=False).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


@contextmanager
def database(kind: str, home: Path) -> Iterator[str]:
    """Give the URL of an empty database; PostgreSQL is started, and synchronises to the disk."""
    if kind == "sqlite":
        yield f"sqlite:///{home / 'tenfold.sqlite3'}"
        return
    folder = home / "postgresql"
    folder.mkdir()
    server = Server(folder, is_kept=True)
    server.start()
    try:
        yield server.url
    finally:
        server.stop()


def measure(kind: str, asked: argparse.Namespace) -> bool:
    """Measure one database, in turns; gives whether both claims are met."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        home = Path(name)
        home.chmod(0o755)  # PostgreSQL runs as another user
        with database(kind, home) as url, api(home, url, asked.processes) as address:
            ways: dict[str, Any] = {"bare INSERT and COMMIT": bare(url), "POST /jobs": submitting(address)}
            together(ways["POST /jobs"], 2)  # what is only loaded once
            found: dict[str, list[Found]] = {way: [] for way in ways}
            before = _count(url)
            for _ in range(asked.rounds):
                for way, begin in ways.items():
                    found[way].append(together(begin, asked.seconds))
                    print(f"{kind:<12}{way:<26}{found[way][-1]}", flush=True)
            answered = sum(len(each.seconds) for each in found["POST /jobs"])
            assert _count(url) - before == answered, "as many jobs are on record as were answered with 202"
    bases, ours = found.values()
    share = median(mine.rate / base.rate for base, mine in zip(bases, ours, strict=True))
    tail = median(each.of(0.99) / each.of(0.5) for each in ours)
    print(f"claim {met(share >= SHARE)}: at least {SHARE:g} of bare INSERT and COMMIT: {share:.2f}")
    print(f"claim {met(tail <= TAIL)}: p99 at most {TAIL:g} times p50: {tail:.1f}\n")
    return share >= SHARE and tail <= TAIL


def _count(url: str) -> int:
    record = Database.open(url)
    try:
        with record.reader.connect() as connection:
            return connection.execute(select(func.count()).select_from(jobs)).scalar_one()
    finally:
        record.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="turns of each way (3)")
    parser.add_argument("--seconds", type=float, default=5, help="of each turn (5)")
    parser.add_argument("--processes", type=int, default=1, help="of the API (1)")
    parser.add_argument("--only", choices=["sqlite", "postgresql"], help="one of the databases")
    asked = parser.parse_args()
    print(circumstances(threads=CONNECTIONS))
    for kind in [asked.only] if asked.only else ["sqlite", "postgresql"]:
        measure(kind, asked)


if __name__ == "__main__":
    main()
