"""When a worker says that it is there, and how soon it takes back the jobs of a training process that has ended."""

import os
import threading
from collections.abc import Callable

from service.settings import Settings
from service.store.store import Store
from tests.doubles import Bell
from tests.worker.training import found, submit
from worker.heartbeat import Heartbeat


def heart(settings: Settings, bell: Bell, store: Store, can_train: Callable[[], bool]) -> Heartbeat:
    return Heartbeat(
        lambda: store,
        bell,  # type: ignore[arg-type]
        settings,
        role="train",
        worker_id="worker",
        messages_held=lambda: 0,
        can_train=can_train,
    )


def test_a_worker_says_that_it_is_there_when_it_can_train_and_not_before(store: Store, settings: Settings) -> None:
    able = threading.Event()
    heartbeat = heart(settings, Bell(), store, able.is_set)
    heartbeat.beat(store)
    assert store.workers.count("train", seconds=60) == 0
    able.set()
    heartbeat.beat(store)
    assert store.workers.count("train", seconds=60) == 1


def test_the_jobs_of_a_process_that_is_known_to_be_gone_wait_again_though_the_system_still_counts_it(
    store: Store, settings: Settings
) -> None:
    bell = Bell()
    heartbeat = heart(settings, bell, store, lambda: True)
    (claim,) = store.runs.claim(submit(store), f"worker/{os.getpid()}")
    heartbeat.beat(store)
    assert found(store, claim.job_id).state == "running"
    heartbeat.lost(os.getpid())
    heartbeat.beat(store)
    assert found(store, claim.job_id).state == "queued"
    assert bell.rung == [claim.job_id]
