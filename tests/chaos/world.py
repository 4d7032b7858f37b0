"""What is done to things that are killed in the middle (crashes.py): a service without processes, and scenarios."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy import select, update

from models.records import Epoch, TrainingRecord
from models.spec import TrainingSpec
from models.training import train
from service.api.app import create_app
from service.artifacts import Artifacts
from service.cli.doctor import examine, mend
from service.settings import Settings
from service.store import owners
from service.store.engine import Row
from service.store.shared_columns import DEFAULT
from service.store.small_tables import submissions
from service.store.store import Store
from service.store.tables import evaluations, jobs
from tests.waiting import wait_until
from worker.errands.evaluate import evaluate
from worker.readings.reading import read
from worker.train.run import run

SPEC: Mapping[str, Any] = {"dataset": "digits", "hidden_sizes": [8], "epochs": 2, "batch_size": 256}
FIRST, NEXT = "host:1:first", "host:2:next"
"""Workers: one that is killed, and one that goes on."""


class _LeftError(BaseException):
    pass


@dataclass(frozen=True)
class World:
    """A service without a worker: its record, its files, its API."""

    settings: Settings
    store: Store
    artifacts: Artifacts
    _opened: ExitStack

    @classmethod
    @contextmanager
    def open(cls, settings: Settings) -> Iterator["World"]:
        """Open all of it; the API when it is first asked."""
        with ExitStack() as opened:
            store = Store.open(settings).of(DEFAULT)
            opened.callback(store.database.close)
            yield cls(settings, store, Artifacts(settings.artifacts), opened)

    @cached_property
    def _api(self) -> TestClient:
        return self._opened.enter_context(TestClient(create_app(self.settings), base_url="http://localhost"))

    def ask(self, method: str, path: str, **request: Any) -> Any:
        """Ask the API."""
        return self._api.request(method, path, **request)

    def submit(self, **fields: Any) -> str:
        """Put a job on record."""
        (job_id,) = self.store.submissions.submit([TrainingSpec.model_validate({**SPEC, **fields})])
        return job_id

    def ids(self) -> list[str]:
        """List all jobs, the oldest first."""
        with self.store.database.reader.connect() as connection:
            return list(connection.scalars(select(jobs.c.id).order_by(jobs.c.number)))

    def train(
        self, job_id: str, *, worker: str = NEXT, trainer: Callable[..., Iterator[TrainingRecord]] = train
    ) -> None:
        """Train a job, and whatever fits to it."""
        run(job_id, self.store, self.artifacts, self.settings, owner=f"{worker}/1", trainer=trainer)

    def learn_one_epoch(self, job_id: str) -> None:
        """Let a worker train a job for an epoch and die; then it is paused."""

        def trainer(*arguments: Any, **options: Any) -> Iterator[TrainingRecord]:
            for record in train(*arguments, **options):
                yield record
                if isinstance(record, Epoch):
                    raise _LeftError

        with suppress(_LeftError):
            self.train(job_id, worker=FIRST, trainer=trainer)
        self.store.stalled.release_dead(f"{FIRST}/1")
        self.store.jobs.pause(job_id)

    def take_back(self) -> None:
        """Take jobs back from the process that was killed; its database sessions may take a moment to end."""

        def none_held() -> bool:
            self.store.stalled.release_dead(f"{FIRST}/1")
            self.store.readings.release_dead(FIRST)
            return not self.store.stalled.of_worker(FIRST) and not self.store.readings.of_worker(FIRST)

        wait_until(none_held, timeout=20, what="the jobs of the killed process")
        with self.store.database.writer.begin() as connection:
            connection.execute(update(evaluations).values(lease_expires_at=0))
        self.store.evaluations.release_expired()

    def train_all(self) -> None:
        """Train until no job waits; those that are paused are resumed."""
        for job in self.store.jobs.find(state="paused", limit=100):
            self.store.jobs.resume(job.id)
        self.store.rungs.settle()
        while waiting := self.store.stalled.unheard(-1):
            self.train(waiting[0])

    def read_all(self) -> None:
        """Read until nothing waits to be read."""
        while read(None, self.store, self.artifacts, self.settings, owner=f"{NEXT}/1"):
            pass

    def measure_all(self) -> None:
        """Make the evaluations that wait."""
        for evaluation_id in self.store.evaluations.unheard(-1):
            evaluate(evaluation_id, self.store, self.artifacts, self.settings, owner=f"{NEXT}/1")

    def outcome(self) -> dict[str, Any]:
        """Give what is on record in the end, without what depends on times, ids and attempts."""
        with self.store.database.reader.connect() as connection:
            rows = connection.execute(select(jobs).order_by(jobs.c.number)).all()
            keys = list(connection.scalars(select(submissions.c.key)))
        files = {job.id: sorted(file.name for file in self.store.files.of(owners.of_job(job.id))) for job in rows}
        told = [
            [job.state, job.weights_sha256, job.last_epoch, job.bit_identical, job.error and job.error["type"]]
            for job in rows
        ]
        sweeps = len(self.store.sweeps.find(limit=10))
        versions = [
            [row.dataset, row.version, row.state, row.sha256, row.examples]
            for name in sorted({row.dataset for row in self.store.datasets.all()})
            for row in self.store.datasets.versions(name, limit=10)
        ]
        owned = [[f"{name}/{number}", self._files_of(name, number)] for name, number, *_ in versions]
        datasets = [versions, owned]
        made = [
            [row.model, row.version, row.epoch, row.weights_sha256, row.facts["promoted"], self._files_of_version(row)]
            for model in self.store.models.all()
            for row in self.store.models.versions(model.name, limit=10)
        ]
        answering = [[row.model, row.alias, row.targets, row.revision] for row in self.store.aliases.all()]
        uploads = [
            [row.received, row.length, row.name, hashlib.sha256(self._bytes_of(row)).hexdigest()]
            for row in self.store.uploads.find(limit=10)
        ]
        measured = [
            [row.model, row.version, row.state, row.result and row.result["headline"]]
            for row in self.store.evaluations.find(limit=10)
        ]
        return {
            "evaluations": measured,
            "jobs": told,
            "files": list(files.values()),
            "keys": keys,
            "sweeps": sweeps,
            "datasets": datasets,
            "uploads": uploads,
            "models": [made, answering],
        }

    def _bytes_of(self, upload: Row) -> bytes:
        path = self.artifacts.path(upload.key)
        return path.read_bytes()[: upload.received] if path.exists() else b""

    def _files_of_version(self, row: Row) -> list[str]:
        return [file.name for file in self.store.files.of(owners.of_version(row.model, row.version))]

    def _files_of(self, name: str, version: int) -> list[str]:
        return [file.name for file in self.store.files.of(owners.of_data(name, version))]

    def leftovers(self) -> list[str]:
        """Mend what `tenfold doctor` finds, and give what it could not mend."""
        for finding in examine(self.store, self.artifacts, young_seconds=0):
            if finding.kind == "orphan":
                mend(finding, self.store, self.artifacts)
        return [f"{each.kind}: {each.key}" for each in examine(self.store, self.artifacts, young_seconds=0)]


@dataclass(frozen=True)
class Scenario:
    """Something that is prepared undisturbed, then done and killed, and asked for again by who got no answer.

    `allows`: rules that a kill may break, because `tenfold doctor --mend` has still to come.
    """

    name: str
    prepare: Callable[[World], object]
    act: Callable[[World], object]
    again: Callable[[World], object] = lambda _: None
    allows: frozenset[str] = frozenset()
