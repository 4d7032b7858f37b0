"""What is killed in the middle where versions are made: finished, compared with the champion, adopted, deleted."""

from service.store.promotion import Promotion
from tests.chaos.world import FIRST, Scenario, World
from worker.errands.adopt import adopt


def _rivals(world: World) -> None:
    """Leave a champion, and a job that is to be compared with it."""
    world.train(world.submit())
    world.submit(seed=1, epochs=4, learning_rate=0.01)


def _compare(world: World) -> None:
    world.train(world.ids()[-1], worker=FIRST)


def _cancelled(world: World) -> None:
    """Leave a job that was cancelled after its first epoch."""
    job_id = world.submit()
    world.learn_one_epoch(job_id)
    world.store.jobs.cancel(job_id)


def _adopt(world: World) -> None:
    job_id = world.ids()[-1]
    adopt("kept", job_id, "best", Promotion("if_better"), world.store, world.artifacts, world.settings)


def _finish(world: World) -> None:
    """Finish a job that was paused after its first epoch, and let a worker take it."""
    world.store.jobs.finish(world.ids()[-1])
    world.train(world.ids()[-1], worker=FIRST)


def _finish_again(world: World) -> None:
    job = world.store.jobs.get(world.ids()[-1])
    if job is not None and job.state == "paused":
        world.store.jobs.finish(job.id)


def _paused(world: World) -> None:
    world.learn_one_epoch(world.submit())


def _delete(world: World) -> None:
    answer = world.ask("DELETE", "/models/digits?force=true")
    assert answer.status_code in {204, 404}, answer.text


_TO_BE_MENDED = frozenset({"no_temporary_files"})
_AS_ASKED = frozenset({"cancelled_or_succeeded"})
"""That what was cancelled is no version, and what succeeded is one, until somebody asks for something else."""

PROMOTIONS: tuple[Scenario, ...] = (
    Scenario("a version is compared with the champion", _rivals, _compare),
    Scenario("a job is finished", _paused, _finish, again=_finish_again),
    Scenario("a checkpoint becomes a version", _cancelled, _adopt, again=_adopt, allows=_TO_BE_MENDED | _AS_ASKED),
    Scenario("DELETE /models/NAME", _rivals, _delete, again=_delete, allows=_AS_ASKED),
)
