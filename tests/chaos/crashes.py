"""What is killed in the middle (failpoints.py): what workers do with jobs, and what the API does when asked."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx

from models.records import Epoch, TrainingRecord
from models.training import train
from service.store import owners
from tests.chaos.promotions import PROMOTIONS
from tests.chaos.torn import UPLOADS
from tests.chaos.world import FIRST, SPEC, Scenario, World
from worker.errands.draw_job import draw
from worker.errands.evaluate import evaluate
from worker.readings.reading import read
from worker.train.lease import Lease


def _train(world: World) -> None:
    world.train(world.ids()[-1], worker=FIRST)


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
    world.train(job_id, worker=FIRST, trainer=trainer)


def _leave(world: World) -> None:
    world.store.workers.seen(FIRST, "train", slots=1)
    _asked(world, lambda _: world.store.workers.drain(FIRST))


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
        world.train(job_id, worker=FIRST, trainer=trainer)
    except _Died:
        world.store.stalled.release_dead(f"{FIRST}/1")
    (file,) = [each for each in world.store.files.of(owners.of_job(job_id)) if each.name == "last.safetensors"]
    path = world.artifacts.path(file.key)
    path.write_bytes(path.read_bytes()[:-1])


def _held(world: World) -> None:
    """Leave two jobs to a process that has died."""
    world.submit()
    assert world.store.runs.claim(world.submit(seed=1), f"{FIRST}/1", most=2)


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


def _measure(world: World) -> None:
    (row,) = world.store.evaluations.find(limit=1)
    # As the worker does it, but for the thread that renews the lease, which comes at its own times.
    evaluate(row.id, world.store, world.artifacts, world.settings, owner=f"{FIRST}/1")


def _asked_to_measure(world: World) -> None:
    _trained(world)
    _EVALUATE(world)


def _delete_evaluation(world: World) -> None:
    for row in world.store.evaluations.find(limit=1):
        assert world.ask("DELETE", f"/evaluations/{row.id}").is_success


def _read(world: World) -> None:
    read(("default", "mine", 1), world.store, world.artifacts, world.settings, owner=f"{FIRST}/1")


def _uploaded_and_read(world: World) -> None:
    _UPLOAD(world)
    _read(world)


def _read_appended(world: World) -> None:
    read(("default", "mine", 2), world.store, world.artifacts, world.settings, owner=f"{FIRST}/1")


def _sent_on(world: World) -> None:
    _uploaded_and_read(world)
    _APPEND(world)


def _grown(world: World) -> None:
    _sent_on(world)
    _read_appended(world)


_SWEEP = {"base": dict(SPEC), "grid": {"learning_rate": [0.1, 0.01]}}
_HALVED = {**_SWEEP, "halving": {"reduction": 2, "synchronous": True}}
_LINES = [f"{row % 10},{row},{row * 7 % 256}," + ",".join(["7"] * 781 + ["0"]) for row in range(45)]
_CSV, _MORE = "\n".join(_LINES[:40]).encode(), "\n".join(_LINES[40:]).encode()
_RETRY, _CONTINUE = _request("POST", "/jobs/{job}/retry"), _request("POST", "/jobs/{job}/continue", json={"epochs": 1})
_UPLOAD = _request("POST", "/datasets?name=mine", content=_CSV, headers={"Content-Type": "text/csv"})
_APPEND = _request("POST", "/datasets?name=mine&append=true", content=_MORE, headers={"Content-Type": "text/csv"})
_ANEW = _request("POST", "/datasets/mine/versions", json={"from": 1, "options": {"header": False}})
_EVALUATE = _request(
    "POST",
    "/evaluations",
    json={"model": "digits", "dataset": "digits", "include_learned": True},
    headers={"Idempotency-Key": "one"},
)
_CANCEL_READING = _request("POST", "/datasets/mine/versions/1/cancel")

_TO_BE_MENDED = frozenset({"no_temporary_files"})
"""What was half written and belongs to no run of a job lies there until `tenfold doctor --mend`."""

SCENARIOS: tuple[Scenario, ...] = (
    # Each of a model of its own: which of two ends first, and has the lower number, is nobody's promise.
    Scenario(
        "two jobs are trained together",
        lambda world: (world.submit(model="one"), world.submit(model="other", seed=1)),
        _train,
    ),
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
    Scenario("jobs are taken back", _held, lambda world: world.store.stalled.release_dead(f"{FIRST}/1")),
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
    _same("POST /evaluations", _trained, _EVALUATE),
    Scenario("a model is measured", _asked_to_measure, _measure),
    Scenario("DELETE /evaluations/ID", _asked_to_measure, _delete_evaluation, again=_delete_evaluation),
    Scenario("POST /datasets", _nothing, _UPLOAD, again=_UPLOAD, allows=_TO_BE_MENDED),
    Scenario("a data set is read", _UPLOAD, _read, allows=_TO_BE_MENDED),
    Scenario("POST /datasets?append=true", _uploaded_and_read, _APPEND, again=_APPEND, allows=_TO_BE_MENDED),
    Scenario("what is appended shares its files", _sent_on, _read_appended, allows=_TO_BE_MENDED),
    Scenario(
        "DELETE /datasets/NAME/versions/N of one that was appended to",
        _grown,
        _request("DELETE", "/datasets/mine/versions/1", done=404),
        again=_request("DELETE", "/datasets/mine/versions/1", done=404),
        allows=_TO_BE_MENDED,
    ),
    Scenario("POST /datasets/NAME/versions", _UPLOAD, _ANEW, again=_ANEW),
    Scenario("a reading is cancelled", _UPLOAD, _CANCEL_READING, again=_CANCEL_READING),
    Scenario(
        "DELETE /datasets/NAME",
        _uploaded_and_read,
        _request("DELETE", "/datasets/mine", done=404),
        again=_request("DELETE", "/datasets/mine", done=404),
        allows=_TO_BE_MENDED,
    ),
    *PROMOTIONS,
    *UPLOADS,
)
