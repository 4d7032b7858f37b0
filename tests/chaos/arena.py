"""A running Tenfold that faults are thrown at: its processes, its record, its files, and a client that goes on asking.

Every program is tied to this process (see service/processes/tether.py), and ends with it.
"""

import json
import os
import random
import subprocess
import tempfile
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import httpx
from sqlalchemy import func, make_url, select

from service.artifacts import Artifacts
from service.processes import programs
from service.processes.supervisor import Supervisor, free_port
from service.settings import Settings
from service.store import owners
from service.store.engine import DatabaseError, Row
from service.store.job_ids import whole
from service.store.shared_columns import EVERYONE
from service.store.states import FINAL_STATES
from service.store.store import Store
from service.store.tables import jobs
from tests.chaos.accounts import keys
from tests.chaos.proxy import Proxy
from tests.chaos.workloads import SPECS, TINY
from tests.chaos.wrong_clock import wrong_clock
from tests.postgres import Server, killable_server
from tests.receivers import Message, Receiver
from tests.waiting import wait_until

Kind = Literal["sqlite", "postgresql"]

T = TypeVar("T")


@dataclass(frozen=True)
class Post:
    """One POST /jobs: when it was sent, how long it took, and the status that it got, 0 for none."""

    sent_at: float
    seconds: float
    status: int


@dataclass(frozen=True)
class Kill:
    """A process that was killed while it, or its children, trained: when, and the attempts that this ended."""

    of: Literal["training process", "worker"]
    at_ms: float
    attempts: Mapping[str, int]


@dataclass(eq=False)
class Arena:
    """A running service, and all that was done to it."""

    settings: Settings
    store: Store
    clients: Mapping[str, httpx.Client]
    """Who asks, by account."""
    server: Server | None
    chance: random.Random
    accepted: list[tuple[str, str]] = field(default_factory=list)
    """Jobs that were accepted, each with the account that submitted it."""
    cancelled: list[str] = field(default_factory=list)
    """Jobs whose cancelling was accepted."""
    posts: list[Post] = field(default_factory=list)
    kills: list[Kill] = field(default_factory=list)
    broker_away: list[tuple[float, float]] = field(default_factory=list)
    proxies: Mapping[str, Proxy] = field(default_factory=dict)
    """What stands between the programs, by what it leads to. Whoever throws faults goes past them."""
    specs: Sequence[Mapping[str, Any]] = SPECS
    away_seconds: float = 5.0
    """For how long the broker is away when it refuses connections."""
    skew_seconds: int = 0
    """How far the clock of the workers is off."""
    receiver: Receiver | None = None
    """Who is told of all jobs, by a webhook of each account."""
    heard: list[Message] = field(default_factory=list)
    """What it was sent and has taken."""
    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def artifacts(self) -> Artifacts:
        """The files."""
        return Artifacts(self.settings.artifacts)

    def submit(self, spec: Mapping[str, Any], labels: Mapping[str, str], *, patience: float = 60.0) -> str:
        """Submit a job for any of the accounts, under one key until it is accepted; gives its id in the house."""
        account = self.chance.choice([*self.clients])
        body, key = {"dataset": "digits", "labels": dict(labels), **spec}, str(uuid.uuid4())
        job = self.insist(account, "/jobs", json=body, headers={"Idempotency-Key": key}, patience=patience)
        assert job is not None
        with self._lock:
            self.accepted.append((whole(account, job["id"]), account))
        return whole(account, job["id"])

    def insist(self, account: str, path: str, *, patience: float = 60.0, **request: Any) -> dict[str, Any] | None:
        """POST for an account until the service answers; gives the answer, None for a conflict with a job's state."""
        deadline = time.monotonic() + patience
        while True:
            begun, status, content = time.monotonic(), 0, b""
            try:
                answer = self.clients[account].post(path, **request)
                status, content = answer.status_code, answer.content
            except httpx.TransportError:
                pass
            if path == "/jobs":
                with self._lock:
                    self.posts.append(Post(begun, time.monotonic() - begun, status))
            if status == httpx.codes.CONFLICT:
                return None
            if 0 < status < 500:
                assert status in {200, 202}, f"POST {path}: {status} {content.decode(errors='replace')}"
                return dict(json.loads(content))
            if time.monotonic() > deadline:
                raise TimeoutError(f"POST {path} was not accepted in {patience:g} s: {status}")
            time.sleep(0.1)

    def jobs(self, *states: str) -> Sequence[Row]:
        """List the jobs in some states, the oldest first, however long the database is away."""

        def look() -> Sequence[Row]:
            with self.store.database.reader.connect() as connection:
                return connection.execute(select(jobs).where(jobs.c.state.in_(states)).order_by(jobs.c.number)).all()

        return _answered(look)

    def unfinished(self) -> int:
        """Count the jobs that have not ended, however long the database is away."""

        def look() -> int:
            with self.store.database.reader.connect() as connection:
                query = select(func.count()).where(jobs.c.state.not_in(FINAL_STATES))
                return connection.scalar(query) or 0

        return _answered(look)

    def training(self, *, least_epoch: int = 0) -> list[Row]:
        """List jobs that are trained now, and have come so far; waits for one, and submits one if there is none."""

        def look() -> list[Row]:
            if not self.jobs("queued", "running"):
                self.submit(self.chance.choice(self.specs), {"chaos": "more"})
            found = [job for job in self.jobs("running") if job.last_epoch >= least_epoch]
            # On record as running, too, are jobs of a process that is dead, until somebody takes them back.
            return [job for job in found if _is_alive(training_process(job))]

        return wait_until(look, timeout=90, what=f"a job to run and reach epoch {least_epoch}")

    def job(self, job_id: str) -> Row:
        """Look at a job, however long the database is away."""
        found = _answered(lambda: self.store.jobs.get(job_id))
        assert found is not None
        return found

    def checkpoint(self, job_id: str) -> list[Path]:
        """Give the files of a job's last checkpoint."""
        files = self.store.files.of(owners.of_job(job_id))
        return [self.artifacts.path(file.key) for file in files if file.name.startswith("last.")]

    def program(self, words: str) -> int:
        """Give the process id of the program whose command line holds these words, once it runs."""

        def look() -> int | None:
            listing = subprocess.run(
                ["ps", "-A", "-ww", "-o", "pid=,ppid=,stat=,command="], check=True, capture_output=True, text=True
            )
            rows = [line.split(None, 3) for line in listing.stdout.splitlines()]
            mine = [row for row in rows if len(row) == 4 and int(row[1]) == os.getpid() and row[2][0] != "Z"]
            found = [int(pid) for pid, _, _, command in mine if words in command and "tether" not in command]
            return found[0] if len(found) == 1 else None

        return wait_until(look, timeout=60, what=f"the process of {words!r}")

    def log(self, program: str) -> str:
        """Give what a program has logged."""
        return (self.settings.home / "logs" / f"{program}.log").read_text(errors="replace")


def _answered(look: Callable[[], T]) -> T:
    """Ask the database until it answers."""

    def ask() -> list[T] | None:
        try:
            return [look()]
        except DatabaseError:
            return None

    return wait_until(ask, timeout=90, what="the database to answer")[0]


def training_process(job: Row) -> int:
    """Give the process id of the training process that has a job: a worker's children sign with theirs."""
    return int(job.owner.rpartition("/")[2])


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@contextmanager
def arena(
    database: Kind,
    seed: int,
    home: Path | None = None,
    *,
    workers: int = 2,
    specs: Sequence[Mapping[str, Any]] = SPECS,
    proxied: bool = True,
) -> Iterator[Arena]:
    """Start everything on free loopback ports, with short leases, and stop it in the end.

    A home that is given is kept. The PostgreSQL server is started for it. `specs`: what is trained.
    `proxied`: the programs reach broker and database through proxies, which cost some milliseconds a statement.
    """
    with ExitStack() as opened:
        folder = home or Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="tenfold-chaos-")))
        server = opened.enter_context(killable_server()) if database == "postgresql" else None
        broker_port = free_port()
        settings = Settings(
            home=folder,
            data=Settings().data,
            port=free_port(),
            host="127.0.0.1",
            database_url=server.url if server else f"sqlite:///{folder}/tenfold.sqlite3",
            broker_url=f"redis://127.0.0.1:{broker_port}/0",
            workers=workers,
            group_size=16 if specs is TINY else 4,
            lease_seconds=3,
            heartbeat_seconds=0.5,
            reconcile_seconds=0.5,
            webhook_allow=("127.0.0.1",),
            auth="on",
        )
        store = Store.open(settings).of(EVERYONE)
        opened.callback(store.database.close)
        url = f"http://127.0.0.1:{settings.port}"
        clients = {
            account: opened.enter_context(
                httpx.Client(base_url=url, timeout=40, trust_env=False, headers={"Authorization": f"Bearer {key}"})
            )
            for account, key in keys(store).items()
        }
        proxies = {"broker": Proxy(free_port(), broker_port)} if proxied else {}
        if server is not None and proxied:
            database_port = make_url(server.url).port
            assert database_port is not None
            proxies |= {name: Proxy(free_port(), database_port) for name in ("workers' database", "the API's database")}
        for proxy in proxies.values():
            proxy.start()
            opened.callback(proxy.stop)
        yield Arena(settings, store, clients, server, random.Random(seed), proxies=proxies, specs=specs)


@contextmanager
def running(arena: Arena) -> Iterator[None]:
    """Keep all programs alive meanwhile; what was killed comes back within seconds, however often that happens."""
    broker = programs.broker(arena.settings, int(arena.settings.broker_url.rpartition(":")[2].partition("/")[0]))
    workers = programs.workers(_through(arena, "workers' database"))
    if arena.skew_seconds:
        clock = wrong_clock(arena.settings.home, arena.skew_seconds)
        workers = [replace(program, command=[*clock, *program.command]) for program in workers]
    api = programs.api(_through(arena, "the API's database"))
    with Supervisor([broker, *workers, api], arena.settings.home / "logs", longest_pause=1.0):
        yield


def _through(arena: Arena, way: str) -> Settings:
    """Give the settings of a program that reaches broker and database through proxies."""
    settings, proxies, changed = arena.settings, arena.proxies, {}
    if "broker" in proxies:
        changed["broker_url"] = f"redis://127.0.0.1:{proxies['broker'].port}/0"
    if way in proxies:
        url = make_url(settings.database_url).set(port=proxies[way].port)
        changed["database_url"] = url.render_as_string(hide_password=False)
    return settings.model_copy(update=changed)
