"""The Celery application: its settings, each with its reason, and tasks of a few lines.

Started with `-Q train` for training, one process a core, with `--pool solo -Q errands` for what must not wait for
training, such as drawing, and with `--pool solo -Q readings` for data sets that are to be read.
"""

import os
import threading
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from celery import Celery, signals
from celery.worker import state

from service.artifacts import Artifacts
from service.broker.doorbell import ERRANDS, READINGS, TRAIN, Doorbell
from service.broker.messages import BROKER_SETTINGS
from service.settings import Settings
from service.store.engine import DatabaseError
from service.store.promotion import Promotion
from service.store.shared_columns import DEFAULT, EVERYONE
from service.store.store import Store
from service.store.workers import Role
from worker import forking, launch
from worker.heartbeat import Heartbeat
from worker.reconcile import ask_for_trials

if TYPE_CHECKING:
    from worker.readings.reserve import Reserve

settings = Settings()

app = Celery("tenfold", broker=settings.broker_url)
app.conf.update(
    BROKER_SETTINGS,
    broker_transport="worker.poison:Transport",
    task_queues={TRAIN: {}, ERRANDS: {}, READINGS: {}},
    # Acknowledge when a task starts. Late, a run longer than the visibility timeout would be started a second time
    # beside the first; the lease in the database brings back what a dead worker leaves.
    task_acks_late=False,
    task_reject_on_worker_lost=False,
    # Which starts its processes in its own way: not by a fork of the worker, whatever this setting is called.
    worker_pool="worker.forking:TrainingPool",
    worker_pool_start_method="fork",
    # A child that is spawned imports torch first; on a busy machine the default of 4 s is too short, and the pool would
    # kill each one just before it is ready.
    worker_proc_alive_timeout=120,
    # A message that waits behind a long job in one worker can't be heard by an idle one.
    worker_prefetch_multiplier=1,
    worker_disable_prefetch=True,
    # What a child may have leaked goes with it.
    worker_max_tasks_per_child=100,
    # An outage of the broker must not end the training that runs meanwhile.
    worker_cancel_long_running_tasks_on_connection_loss=False,
    broker_connection_retry=True,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_channel_error_retry=True,
    # Whoever can write to the broker must not be able to shut workers down.
    worker_enable_remote_control=False,
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
)


# Before tasks are made, which inherit it.
app.Task.Request = "worker.poison:CheckedRequest"


@cache
def store() -> Store:
    """Give this process's store, opened when it is first used."""
    return Store.open(settings)


def _of(account: str) -> tuple[Store, Artifacts]:
    """Give what is on record, and the files, of an account whose errand names something."""
    return store().of(account), Artifacts(settings.artifacts).of(account)


@cache
def doorbell() -> Doorbell:
    """Give this process's doorbell."""
    return Doorbell(settings.broker_url)


_can_train = threading.Event()
"""Set in a worker as soon as one of its training processes has torch and waits for a ring."""


@signals.worker_init.connect
def _name_worker(**_: Any) -> None:
    app.is_main_process = True  # type: ignore[attr-defined]
    os.environ[launch.WORKER] = launch.name()  # which children that are spawned inherit


@forking.process_ready.connect
def _note_that_it_can_train(**_: Any) -> None:
    _can_train.set()
    if (heartbeat := getattr(app, "heartbeat", None)) is not None:
        heartbeat.wake()


@forking.process_gone.connect
def _note_that_one_is_gone(pid: int, **_: Any) -> None:
    if (heartbeat := getattr(app, "heartbeat", None)) is not None:
        heartbeat.lost(pid)


def load_for_training() -> None:
    """Load what a training process needs, and compute nothing: that would make threads, which no fork survives."""
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(settings.threads)
    import worker.train.run  # noqa: F401


@signals.worker_process_init.connect
def _prepare_training_process(**_: Any) -> None:
    # The solo pool of errands and readings has no child, and says in its only process that one has begun.
    if getattr(app, "is_main_process", False):
        return
    # Done already where it was forked; where it was spawned that takes seconds, before the first job comes.
    load_for_training()
    from models import tuning

    tuning.use_threads(settings.threads)
    with suppress(DatabaseError):  # then the first job opens it
        store()


@signals.worker_shutting_down.connect
def _drain(**_: Any) -> None:
    if (heartbeat := getattr(app, "heartbeat", None)) is not None:
        heartbeat.drain()
    else:
        # Nothing was received yet, and Celery would wait for a broker that is away before it ends.
        os._exit(0)


@signals.worker_ready.connect
def _start_heartbeat(sender: Any, **_: Any) -> None:
    heard = sender.app.amqp.queues.consume_from
    role: Role = "train" if TRAIN in heard else "readings" if READINGS in heard else "errands"
    heartbeat = Heartbeat(
        store,
        doorbell(),
        settings,
        role=role,
        worker_id=os.environ[launch.WORKER],
        messages_held=lambda: len(state.reserved_requests),
        can_train=_can_train.is_set,
    )
    app.heartbeat = heartbeat  # type: ignore[attr-defined]
    if role == "errands":
        deliver()
    signals.task_received.connect(lambda **_: heartbeat.heard(), weak=False)
    heartbeat.start()


def deliver() -> None:
    """Begin to deliver what webhooks are told, in a thread."""
    from service.addresses.receivers import Receivers
    from worker.errands.deliveries.deliverer import Deliverer
    from worker.errands.deliveries.sender import Sender

    Deliverer(lambda: store().of(EVERYONE), Sender(Receivers(settings.webhook_allow))).start()


@app.task(name="tenfold.train")
def train(job_ids: list[str]) -> None:
    """Train what has waited longest, once for each job that was rung for: one that a dead process left comes first."""
    from worker.train.run import run

    owner = f"{os.environ[launch.WORKER]}/{os.getpid()}"
    for _ in job_ids:
        released = run(None, store(), Artifacts(settings.artifacts), settings, owner=owner)
        if released:
            doorbell().ring(released)
        with suppress(DatabaseError):  # then the heartbeat asks
            ask_for_trials(store(), doorbell())


@app.task(name="tenfold.draw")
def draw(job_id: str, plot: str) -> None:
    """Draw a plot of a job, unless the one there is as new as the job."""
    from worker.errands.draw_job import draw

    draw(job_id, plot, store(), Artifacts(settings.artifacts))


@app.task(name="tenfold.draw_sweep")
def draw_sweep(sweep_id: str, plot: str) -> None:
    """Draw a plot of a sweep, unless the one there is as new as the sweep."""
    from worker.errands.draw_sweep import draw_sweep

    draw_sweep(sweep_id, plot, store(), Artifacts(settings.artifacts))


@app.task(name="tenfold.combine")
def combine(model: str, members: list[tuple[str, int]], promotion: dict[str, Any], account: str = DEFAULT) -> None:
    """Make a version of a model of several others, unless it is there."""
    from worker.errands.combine import combine

    chosen = [(name, version) for name, version in members]
    combine(model, chosen, Promotion(**promotion), *_of(account), settings)


@app.task(name="tenfold.adopt")
def adopt(model: str, job_id: str, checkpoint: Literal["best", "last"], promotion: dict[str, Any]) -> None:
    """Make a version of a model of a job's checkpoint, unless it is there."""
    from worker.errands.adopt import adopt

    adopt(model, job_id, checkpoint, Promotion(**promotion), store(), Artifacts(settings.artifacts), settings)


@app.task(name="tenfold.export")
def export(model: str, version: int, form: Literal["onnx", "pt2"], account: str = DEFAULT) -> None:
    """Write a version in a form for programs of others, unless that is there."""
    from worker.errands.export import export

    export(model, version, form, *_of(account))


@app.task(name="tenfold.evaluate")
def evaluate(evaluation_id: str) -> None:
    """Measure a model on a data set: in this evaluation, or the one that has waited longest."""
    from worker.errands.evaluate import evaluate

    owner = f"{os.environ[launch.WORKER]}/{os.getpid()}"
    evaluate(evaluation_id, store(), Artifacts(settings.artifacts), settings, owner=owner)


@app.task(name="tenfold.extend")
def extend(sweep_id: str) -> None:
    """Choose the next trials of a sweep that learns, as many as it has room for."""
    from worker.errands.suggest import extend

    extend(sweep_id, store(), doorbell())


@cache
def _reserve() -> "Reserve":
    """Give what keeps a reading process ready; it dies with the main thread, in which a worker of readings reads."""
    from worker.readings.reserve import Reserve

    return Reserve()


@app.task(name="tenfold.read")
def read(dataset: str, version: int, account: str = DEFAULT) -> None:
    """Read a data set that was uploaded, or look at one that is built in: this one, or what has waited longest."""
    from worker.readings.reading import read

    owner = f"{os.environ[launch.WORKER]}/{os.getpid()}"
    read((account, dataset, version), store(), Artifacts(settings.artifacts), settings, owner=owner, reserve=_reserve())
