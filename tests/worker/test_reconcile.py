"""What a worker looks after: jobs that nobody hears of, and those of its processes that died or do not stop."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import update

from service.artifacts import Artifacts
from service.disk.floor import Floor
from service.settings import Settings
from service.store.claims import Claim
from service.store.data_tables import uploads
from service.store.engine import now_ms
from service.store.store import Store
from service.store.tables import jobs
from tests.doubles import Bell, Clock
from tests.records import epoch, file, sweep
from tests.waiting import wait_until
from tests.worker.training import found, submit
from worker.reconcile import end_uploads, has_room, look_after_children, reconcile
from worker.watchdog import Watchdog

ROOM = Floor({}, None)
"""Watches no disk, and so has room."""


def claimed(store: Store) -> Claim:
    (claim,) = store.runs.claim(submit(store), "worker")
    return claim


@pytest.mark.parametrize(("waiting", "rung"), [(0, True), (3, False), (None, False)])
def test_jobs_are_rung_again_only_while_no_ring_waits_at_the_broker(
    store: Store, waiting: int | None, rung: bool
) -> None:
    job_id = submit(store)
    bell = Bell(waiting)
    reconcile(store, bell, ROOM, ring_again_seconds=-1)  # type: ignore[arg-type]
    assert (bell.rung == [job_id]) is rung


def test_a_job_whose_lease_expired_is_rung_at_once(store: Store) -> None:
    claim = claimed(store)
    with store.database.writer.begin() as connection:
        connection.execute(update(jobs).values(lease_expires_at=now_ms() - 1))
    bell = Bell(waiting=3)
    reconcile(store, bell, ROOM, ring_again_seconds=60)  # type: ignore[arg-type]
    assert bell.rung == [claim.job_id]


def test_nobody_is_rung_for_while_no_job_could_be_begun_and_all_are_when_there_is_room(
    store: Store, settings: Settings
) -> None:
    halving = {"min_epochs": 1, "reduction": 2, "synchronous": True}
    _, waiting = sweep(store, base={"epochs": 4}, halving=halving)
    for held in store.runs.claim(None, "worker", most=4):
        store.runs.record_epoch(held, epoch(1), [file("last.safetensors", held.job_id)])
        store.runs.release(held, waits_at_rung=True)
    unheard, bell = submit(store), Bell()
    full = Floor.of(settings.model_copy(update={"disk_floor_bytes": 2**62}), store.database.file)
    before = [found(store, job_id) for job_id in (*waiting, unheard)]
    reconcile(store, bell, full, ring_again_seconds=-1)  # type: ignore[arg-type]
    assert bell.rung == []
    assert [found(store, job_id) for job_id in (*waiting, unheard)] == before, "nothing is written on a short disk"
    reconcile(store, bell, ROOM, ring_again_seconds=60)  # type: ignore[arg-type]
    assert sorted(bell.rung) == sorted(waiting)
    bell.rung.clear()
    reconcile(store, bell, ROOM, ring_again_seconds=-1)  # type: ignore[arg-type]
    assert sorted(bell.rung) == sorted([*waiting, unheard])


WORKER = "host:1:abc"


@contextmanager
def process() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        yield child
        child.kill()


def look(store: Store, bell: Bell, killed: set[str]) -> int:
    return look_after_children(store, bell, WORKER, killed, kill_after_seconds=5)  # type: ignore[arg-type]


def test_jobs_of_a_training_process_that_died_wait_again_at_once(store: Store) -> None:
    ids, bell = [submit(store), submit(store)], Bell()
    with process() as child:
        store.runs.claim(ids[0], f"{WORKER}/{child.pid}", most=2)
        assert look(store, bell, set()) == 1
        assert [found(store, job_id).state for job_id in ids] == ["running", "running"]
    assert look(store, bell, set()) == 1
    assert [found(store, job_id).state for job_id in ids] == ["queued", "queued"]
    assert sorted(bell.rung) == sorted(ids)
    assert look(store, bell, set()) == 0


def test_the_jobs_of_another_worker_are_left_alone(store: Store) -> None:
    job_id, bell = submit(store), Bell()
    # Of the same host and number, before it was started anew; its lease decides.
    store.runs.claim(job_id, "host:1:abd/999999999")
    assert look(store, bell, set()) == 0
    assert found(store, job_id).state == "running"


@pytest.mark.parametrize(("request_it", "state"), [("cancel", "cancelled"), ("pause", "paused")])
def test_a_training_process_that_does_not_stop_when_asked_is_killed(store: Store, request_it: str, state: str) -> None:
    job_id, bell, killed = submit(store), Bell(), set[str]()
    with process() as child:
        store.runs.claim(job_id, f"{WORKER}/{child.pid}")
        getattr(store.jobs, request_it)(job_id)
        look(store, bell, killed)
        assert not killed, "it has some seconds"
        with store.database.writer.begin() as connection:
            connection.execute(update(jobs).values(stop_requested_at=now_ms() - 6000))
        look(store, bell, killed)
        assert killed == {f"{WORKER}/{child.pid}"}
        wait_until(lambda: child.poll() is not None, timeout=10, what="the process to die")
        look(store, bell, killed)
    job = found(store, job_id)
    assert (job.state, killed, bell.rung) == (state, set(), [])
    if state == "cancelled":
        assert job.cancellation["how"] == "killed"
        assert job.cancellation["stopped_at_iteration"] == 0
        assert job.cancellation["latency_ms"] >= 6000


def test_a_job_that_an_older_version_asked_to_stop_is_looked_after(store: Store) -> None:
    job_id = submit(store)
    store.runs.claim(job_id, f"{WORKER}/7")
    with store.database.writer.begin() as connection:
        connection.execute(update(jobs).values(cancel_requested=True, stop_requested_at=None))
    assert store.stalled.of_worker(WORKER) == {f"{WORKER}/7": 0.0}


def test_a_worker_whose_processes_still_start_is_not_taken_for_deaf() -> None:
    clock = Clock()
    watchdog = Watchdog(patience=60, clock=clock)
    for clock.now in range(0, 200, 2):
        assert not watchdog.is_deaf(rings_waiting=3, idle=has_room(training=0, messages=2, slots=2))
    assert has_room(training=1, messages=1, slots=2)


def test_uploads_that_expired_are_removed_with_their_files(store: Store, artifacts: Artifacts) -> None:
    for age_ms in (-1000, 60_000):
        growing = artifacts.grow(store.uploads.begin(10, None, "").key, size=0)
        assert growing is not None
        growing.write(b"abc")
        growing.close()
        newest = uploads.c.id == store.uploads.find(limit=1)[0].id
        with store.database.writer.begin() as connection:
            connection.execute(update(uploads).where(newest).values(expires_at=now_ms() + age_ms))
    end_uploads(store, artifacts)
    assert [artifacts.path(row.key) for row in store.uploads.find(limit=9)] == list(artifacts.folder.rglob("*-*"))
    end_uploads(store, artifacts)
    assert len(list(artifacts.folder.rglob("*-*"))) == 1
