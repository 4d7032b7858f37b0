"""Claim: 1,000 idle streams take under 5 % of a core and 200 MB; an event reaches its stream within 100 ms (p99).

The API runs in one process, with no worker, and as many clients as are asked for follow a job each, or all follow
everything (--of everything). First nothing happens: counted is the processor's time that the API's process takes, and
its memory. Then events are written by this process, past the API, at a steady rate, each of one of the jobs, and one
at a time is timed: from the return of its commit until its bytes are read here. All that is timed takes the same cores
as the API. A share of what an idle stream costs is the connection: --of nothing opens as many that never ask.
"""

import argparse
import asyncio
import gc
import json
import os
import resource
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from bench.figures import circumstances, met
from bench.submitting import api, database
from models.spec import TrainingSpec
from service.settings import Settings
from service.store.shared_columns import DEFAULT
from service.store.states import log_event
from service.store.store import Store
from tests.running import programs

SHARE, MEGABYTES, MILLISECONDS = 0.05, 200.0, 100.0
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Clients:
    """Open streams, and when each event came to one of them."""

    came: dict[int, list[float]] = field(default_factory=dict)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    readers: list[asyncio.Task[None]] = field(default_factory=list)

    async def open(self, url: str, paths: Sequence[str]) -> None:
        """Open a stream for each path, and wait until each has begun."""
        address = urlsplit(url)
        for path in paths:
            reader, writer = await asyncio.open_connection(address.hostname, address.port)
            self.writers.append(writer)
            if not path:
                continue
            head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"
            writer.write(head.encode())
            if b" 200 " not in (status := await reader.readline()):
                raise SystemExit(f"{path}: {status.decode()}")
            self.readers.append(asyncio.create_task(self._read(reader)))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            if line.startswith(b"data: ") and b'"sent"' in line:
                sent = json.loads(line[6:])["data"]["sent"]
                self.came.setdefault(sent, []).append(time.perf_counter())

    async def close(self) -> None:
        """Close them."""
        for task in self.readers:
            task.cancel()
        for writer in self.writers:
            writer.close()


def used_by(pid: int) -> tuple[float, float]:
    """Give a process's seconds of processor, and its megabytes of memory."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS, int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def _processes(words: str) -> list[int]:
    return [pid for pid, command in programs(os.getpid()).items() if words in command]


def _write(store: Store, job_id: str, number: int) -> float:
    with store.database.writer.begin() as connection:
        log_event(connection, job_id, "epoch", {"sent": number})
    return time.perf_counter()


async def measure(kind: str, asked: argparse.Namespace) -> bool:
    """Measure on one database; gives whether what is claimed is so."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        home = Path(name)
        home.chmod(0o755)  # PostgreSQL runs as another user
        with database(kind, home) as url, api(home, url, 1) as address:
            store = Store.open(Settings(home=home, database_url=url)).of(DEFAULT)
            try:
                return await _measured(kind, asked, store, address)
            finally:
                store.database.close()


async def _measured(kind: str, asked: argparse.Namespace, store: Store, address: str) -> bool:
    jobs = [
        job_id for _ in range(0, asked.streams, 100) for job_id in store.submissions.submit([TrainingSpec()] * 100)
    ][: asked.streams]
    (pid,) = _processes("service.cli api")
    servers = _processes("postgres")
    paths = {"jobs": [f"/jobs/{job_id}/events" for job_id in jobs], "everything": ["/events"] * asked.streams}
    clients = Clients()
    await clients.open(address, paths["jobs"][:1])
    await asyncio.sleep(2)
    base = used_by(pid)[1]
    await clients.open(address, paths.get(asked.of, [""] * asked.streams))
    await asyncio.sleep(3)
    before, database_before, begun = used_by(pid), sum(used_by(server)[0] for server in servers), time.perf_counter()
    await asyncio.sleep(asked.idle)
    after, seconds = used_by(pid), time.perf_counter() - begun
    share = (after[0] - before[0]) / seconds
    server = (sum(used_by(one)[0] for one in servers) - database_before) / seconds
    print(
        f"{kind:<12}{asked.streams} streams of {asked.of}: idle {share:.1%} of a core, {server:.1%} of the database's"
    )
    print(f"{'':<12}{after[1]:.0f} MB, of which {after[1] - base:.0f} for them")
    if asked.of == "nothing":
        await clients.close()
        return True
    delays: list[float] = []
    for number in range(asked.events):
        due = time.perf_counter() + 1 / asked.rate
        written = await asyncio.to_thread(_write, store, jobs[number * 7919 % len(jobs)], number)
        wanted = 1 if asked.of == "jobs" else asked.streams
        while len(clients.came.get(number, ())) < wanted:
            if time.perf_counter() - written > 10:
                raise SystemExit(f"event {number} came to {len(clients.came.get(number, ()))} streams in 10 s")
            await asyncio.sleep(0.0005)
        delays.append((max(clients.came[number]) - written) * 1000)
        await asyncio.sleep(max(0, due - time.perf_counter()))
    await clients.close()
    delays.sort()
    p50, p99 = delays[len(delays) // 2], delays[int(len(delays) * 0.99)]
    print(f"{'':<12}an event comes after {p50:.0f} ms, p99 {p99:.0f} ms, at most {delays[-1]:.0f} ms ({len(delays)})")
    print(
        f"claim {met(share < SHARE)}: under {SHARE:.0%} of a core; {met(after[1] < MEGABYTES)}: under {MEGABYTES:g} MB"
    )
    print(f"claim {met(p99 <= MILLISECONDS)}: within {MILLISECONDS:g} ms, p99\n")
    return share < SHARE and after[1] < MEGABYTES and p99 <= MILLISECONDS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=1000, help="that are open (1000)")
    parser.add_argument(
        "--of", choices=["jobs", "everything", "nothing"], default="jobs", help="what they follow (jobs)"
    )
    parser.add_argument("--idle", type=float, default=30, help="seconds in which nothing happens (30)")
    parser.add_argument("--events", type=int, default=500, help="that are timed (500)")
    parser.add_argument("--rate", type=float, default=20, help="of them a second at most (20)")
    parser.add_argument("--only", choices=["sqlite", "postgresql"], help="one of the databases")
    asked = parser.parse_args()
    files = asked.streams + 200
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, max(files, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
    gc.disable()  # whose pauses are this process's own
    print(circumstances(threads=1))
    for kind in [asked.only] if asked.only else ["sqlite", "postgresql"]:
        asyncio.run(measure(kind, asked))


if __name__ == "__main__":
    main()
