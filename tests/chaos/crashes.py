"""What is killed in the middle (failpoints.py): what workers do with jobs, and what the API does when asked."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import httpx
from fastapi.testclient import TestClient
from sqlalchemy import select

from models.records import Epoch, TrainingRecord
from models.spec import TrainingSpec
from models.training import train
from service.api.app import create_app
from service.artifacts import Artifacts
from service.cli.doctor import examine, mend
from service.settings import Settings
from service.store import owners
from service.store.store import Store
from service.store.tables import jobs, submissions
from tests.waiting import wait_until
from worker.errands.draw_job import draw
from worker.readings.reading import read
from worker.train.lease import Lease
from worker.train.run import run

SPEC: Mapping[str, Any] = {"dataset": "digits", "hidden_sizes": [8], "epochs": 2, "batch_size": 256}
_FIRST, _NEXT = "host:1:first", "host:2:next"
"""Workers: one that is killed, and one that goes on."""


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
            store = Store.open(settings)
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
        self, job_id: str, *, worker: str = _NEXT, trainer: Callable[..., Iterator[TrainingRecord]] = train
    ) -> None:
        """Train a job, and whatever fits to it."""
        run(job_id, self.store, self.artifacts, self.settings, owner=f"{worker}/1", trainer=trainer)

    def take_back(self) -> None:
        """Take jobs back from the process that was killed; its database sessions may take a moment to end."""

        def none_held() -> bool:
            self.store.stalled.release_dead(f"{_FIRST}/1")
            self.store.readings.release_dead(_FIRST)
            return not self.store.stalled.of_worker(_FIRST) and not self.store.readings.of_worker(_FIRST)

        wait_until(none_held, timeout=20, what="the jobs of the killed process")

    def train_all(self) -> None:
        """Train until no job waits; those that are paused are resumed."""
        for job in self.store.jobs.find(state="paused", limit=100):
            self.store.jobs.resume(job.id)
        self.store.rungs.settle()
        while waiting := self.store.stalled.unheard(-1):
            self.train(waiting[0])

    def read_all(self) -> None:
        """Read until nothing waits to be read."""
        while read(None, self.store, self.artifacts, self.settings, owner=f"{_NEXT}/1"):
            pass

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
        return {"jobs": told, "files": list(files.values()), "keys": keys, "sweeps": sweeps, "datasets": datasets}

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


def _train(world: World) -> None:
    world.train(world.ids()[-1], worker=_FIRST)


def _asked(world: World, request: Callable[[str], object]) -> None:
    """Train the newest job, and let it be asked to stop after its first epoch."""
    job_id = world.ids()[-1]

    def trainer(*arguments: Any, **options: Any) -> Iterator[TrainingRecord]:
        for record in train(*arguments, **options):
            yield record
            if isinstance(record, Epoch) and record.epoch == 1:
                request(job_id)

    # Asks the record itself, and not the thread that asks every now and then: each kill must meet the same operations.
    Lease.stop_request = lambda self, claim: self._runs.look([claim]).get(claim.job_id)  # type: ignore[method-assign]
    world.train(job_id, worker=_FIRST, trainer=trainer)


def _leave(world: World) -> None:
    world.store.workers.seen(_FIRST, "train", slots=1)
    _asked(world, lambda _: world.store.workers.drain(_FIRST))


def _pause(world: World) -> None:
    _asked(world, world.store.jobs.pause)


def _cancel(world: World) -> None:
    _asked(world, world.store.jobs.cancel)


def _cancel_again(world: World) -> None:
    job_id = world.ids()[-1]
    job = world.store.jobs.get(job_id)
    assert job is not None
    # Killed before it was wished: then it is wished now, after an epoch like the other one.
    if job.state == "queued" and job.last_epoch == 1:
        world.store.jobs.cancel(job_id)
    elif job.state == "queued":
        _cancel(world)


class _Died(BaseException):
    pass


def _damaged(world: World) -> None:
    """Leave a job after its second epoch, with a last checkpoint that is damaged."""
    job_id = world.submit(epochs=3)

    def trainer(*arguments: Any, **options: Any) -> Iterator[TrainingRecord]:
        for record in train(*arguments, **options):
            yield record
            if isinstance(record, Epoch) and record.epoch == 2:
                raise _Died

    try:
        world.train(job_id, worker=_FIRST, trainer=trainer)
    except _Died:
        world.store.stalled.release_dead(f"{_FIRST}/1")
    (file,) = [each for each in world.store.files.of(owners.of_job(job_id)) if each.name == "last.safetensors"]
    path = world.artifacts.path(file.key)
    path.write_bytes(path.read_bytes()[:-1])


def _held(world: World) -> None:
    """Leave two jobs to a process that has died."""
    world.submit()
    assert world.store.runs.claim(world.submit(seed=1), f"{_FIRST}/1", most=2)


def _request(method: str, path: str, *, done: int = 0, **request: Any) -> Callable[[World], object]:
    """Ask the API; {job} and {sweep} in the path stand for the newest ones.

    `done`: the status by which somebody who asks again learns that it was done, where it is no success.
    """

    def ask(world: World) -> object:
        job = world.ids()[-1] if "{job}" in path else ""
        sweep = world.store.sweeps.find(limit=1)[0].id if "{sweep}" in path else ""
        answer = world.ask(method, path.format(job=job, sweep=sweep), **request)
        assert answer.is_success or answer.status_code == done, f"{answer.status_code} {answer.text}"
        return answer

    return ask


def _same(name: str, prepare: Callable[[World], object], request: Callable[[World], object]) -> Scenario:
    """Give a scenario in which the client just asks again."""
    return Scenario(name, prepare, request, again=request)


def _unless_there(count: int, request: Callable[[World], object]) -> Callable[[World], object]:
    """Ask again only if the first time left no job: what has no key may be done twice."""
    return lambda world: None if len(world.ids()) == count else request(world)


def _nothing(_world: World) -> None:
    pass


def _trained(world: World) -> str:
    job_id = world.submit()
    world.train(job_id)
    return job_id


def _swept(world: World) -> None:
    assert world.ask("POST", "/sweeps", json=_SWEEP).status_code == httpx.codes.ACCEPTED
    world.train_all()


def _draw(world: World) -> None:
    draw(world.ids()[-1], "loss", world.store, world.artifacts)


def _read(world: World) -> None:
    read(("mine", 1), world.store, world.artifacts, world.settings, owner=f"{_FIRST}/1")


def _uploaded_and_read(world: World) -> None:
    _UPLOAD(world)
    _read(world)


_SWEEP = {"base": dict(SPEC), "grid": {"learning_rate": [0.1, 0.01]}}
_HALVED = {**_SWEEP, "halving": {"reduction": 2, "synchronous": True}}
_CSV = "\n".join(",".join([str(label % 10), *(["7"] * 392), *([str(label)] * 392)]) for label in range(40)).encode()
_RETRY, _CONTINUE = _request("POST", "/jobs/{job}/retry"), _request("POST", "/jobs/{job}/continue", json={"epochs": 1})
_UPLOAD = _request("POST", "/datasets?name=mine", content=_CSV, headers={"Content-Type": "text/csv"})
_ANEW = _request("POST", "/datasets/mine/versions", json={"from": 1, "options": {"header": False}})
_CANCEL_READING = _request("POST", "/datasets/mine/versions/1/cancel")

_TO_BE_MENDED = frozenset({"no_temporary_files"})
"""What was half written and belongs to no run of a job lies there until `tenfold doctor --mend`."""

SCENARIOS: tuple[Scenario, ...] = (
    Scenario("two jobs are trained together", lambda world: (world.submit(), world.submit(seed=1)), _train),
    Scenario("a job goes on from the checkpoint before a damaged one", _damaged, _train),
    Scenario(
        "a job diverges",
        lambda world: world.submit(optimizer="sgd", learning_rate=10.0, hidden_sizes=[300] * 3),
        _train,
    ),
    Scenario("jobs wait at a rung", _request("POST", "/sweeps", json=_HALVED), _train),
    Scenario("a worker leaves", World.submit, _leave),
    Scenario("a running job is paused", World.submit, _pause),
    Scenario("a running job is cancelled", World.submit, _cancel, again=_cancel_again),
    Scenario("jobs are taken back", _held, lambda world: world.store.stalled.release_dead(f"{_FIRST}/1")),
    _same("POST /jobs", _nothing, _request("POST", "/jobs", json=dict(SPEC), headers={"Idempotency-Key": "one"})),
    _same("PUT /jobs/mine", _nothing, _request("PUT", "/jobs/mine", json=dict(SPEC))),
    _same("POST /sweeps", _nothing, _request("POST", "/sweeps", json=_SWEEP, headers={"Idempotency-Key": "one"})),
    _same("POST /jobs/ID/cancel", World.submit, _request("POST", "/jobs/{job}/cancel")),
    _same("POST /jobs/ID/pause", World.submit, _request("POST", "/jobs/{job}/pause")),
    Scenario("POST /jobs/ID/retry", _trained, _RETRY, again=_unless_there(2, _RETRY)),
    Scenario("POST /jobs/ID/continue", _trained, _CONTINUE, again=_unless_there(2, _CONTINUE)),
    Scenario(
        "DELETE /jobs/ID",
        lambda world: (_trained(world), world.submit()),
        _request("DELETE", "/jobs/{job}"),
        again=_unless_there(1, _request("DELETE", "/jobs/{job}")),
    ),
    Scenario(
        "DELETE /jobs/ID of a trained one",
        _trained,
        _request("DELETE", "/jobs/{job}"),
        again=lambda world: world.ids() and _request("DELETE", "/jobs/{job}")(world),
    ),
    Scenario(
        "DELETE /sweeps/ID",
        _swept,
        _request("DELETE", "/sweeps/{sweep}"),
        again=lambda world: world.store.sweeps.find(limit=1) and _request("DELETE", "/sweeps/{sweep}")(world),
    ),
    Scenario("a plot is drawn", _trained, _draw, again=_draw, allows=_TO_BE_MENDED),
    Scenario("POST /datasets", _nothing, _UPLOAD, again=_UPLOAD, allows=_TO_BE_MENDED),
    Scenario("a data set is read", _UPLOAD, _read, allows=_TO_BE_MENDED),
    Scenario("POST /datasets/NAME/versions", _UPLOAD, _ANEW, again=_ANEW),
    Scenario("a reading is cancelled", _UPLOAD, _CANCEL_READING, again=_CANCEL_READING),
    Scenario(
        "DELETE /datasets/NAME",
        _uploaded_and_read,
        _request("DELETE", "/datasets/mine", done=404),
        again=_request("DELETE", "/datasets/mine", done=404),
        allows=_TO_BE_MENDED,
    ),
)
