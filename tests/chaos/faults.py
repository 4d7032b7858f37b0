"""What is done to a running service. Each fault returns once it has happened, and raises if it could not be done."""

import os
import signal
import sqlite3
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from sqlalchemy import make_url

from service.store import owners
from service.store.engine import Row
from service.store.job_ids import own
from tests.chaos.arena import Arena, Kill, Kind, training_process
from tests.chaos.broker import empty_broker, freeze_broker, kill_broker, poison_queue, talk_nonsense
from tests.chaos.hands import frozen, submit_some, wait_for_another
from tests.chaos.network import (
    cut_connections,
    hold_broker,
    part_api_from_database,
    part_workers_from_database,
    refuse_broker,
    slow_connections,
)
from tests.chaos.webhooks import kill_deliverer, kill_receiver
from tests.waiting import wait_until

Fault = Callable[[Arena], None]

FREEZE = "training process frozen past its lease"

_TRIES = 40


def kill_training_process(arena: Arena) -> None:
    """SIGKILL one of the processes in which networks are trained, at any moment after its first epoch.

    Whoever kills each process as soon as it begins gets jobs that were given up, which is as it should be.
    """
    for _ in range(_TRIES):
        victims = wait_until(lambda: _getting_on(arena), timeout=90, what="an epoch of a new attempt")
        victim = arena.chance.choice(victims)
        time.sleep(arena.chance.uniform(0.0, 1.0))
        if _kill(arena, training_process(victim)):
            return
    raise TimeoutError("no training process could be killed")


def kill_while_it_writes(arena: Arena) -> None:
    """SIGKILL a training process while it writes the files of an epoch."""
    for _ in range(_TRIES):
        victim = arena.chance.choice(arena.training(least_epoch=1))
        if _is_writing(arena, victim) and _kill(arena, training_process(victim)):
            return
    raise TimeoutError("no training process could be killed while it wrote")


def kill_worker(arena: Arena) -> None:
    """SIGKILL the worker for training; its training processes end with it."""
    arena.training(least_epoch=1)
    worker = arena.program("--hostname train@")
    held = {job.id: job.attempt for job in arena.jobs("running")}
    at_ms = time.time() * 1000
    os.kill(worker, signal.SIGKILL)
    arena.kills.append(Kill("worker", at_ms, held))
    wait_for_another(arena, "--hostname train@", worker)


def stop_worker(arena: Arena) -> None:
    """SIGTERM the worker for training, which gives its jobs back and ends."""
    arena.training(least_epoch=1)
    worker = arena.program("--hostname train@")
    os.kill(worker, signal.SIGTERM)
    wait_for_another(arena, "--hostname train@", worker)


def freeze_training_process(arena: Arena) -> None:
    """SIGSTOP a training process that is about to record an epoch, until its job is another's, and SIGCONT.

    Stopped anywhere else it would see by its own clock that its lease is over, and not even try to write. Here it
    tries, and has to be told that it was replaced.
    """
    for _ in range(_TRIES):
        victim = arena.chance.choice(arena.training(least_epoch=1))
        if not _is_writing(arena, victim):
            continue
        if _sleeps_through_its_lease(arena, victim):
            return
    raise TimeoutError("no training process could be stopped just before it wrote")


def kill_api(arena: Arena) -> None:
    """SIGKILL the API, amid submissions."""
    api = arena.program("service.cli api")
    with ThreadPoolExecutor(2) as pool:
        submitted = [pool.submit(submit_some, arena, 2) for _ in range(2)]
        time.sleep(arena.chance.uniform(0.0, 0.05))
        os.kill(api, signal.SIGKILL)
        wait_for_another(arena, "service.cli api", api)
        for each in submitted:
            each.result()


def damage_checkpoint(arena: Arena) -> None:
    """Flip a byte of the newest checkpoint of a running job, or cut the file, and kill its training process."""
    for _ in range(_TRIES):
        victim = arena.chance.choice(arena.training(least_epoch=2))
        if not _kill(arena, training_process(victim)):
            continue
        before = arena.job(victim.id)
        with suppress(FileNotFoundError):
            path = arena.chance.choice(arena.checkpoint(victim.id))
            whole = path.read_bytes()
            _damage(arena, path, whole)
            after = arena.job(victim.id)
            if after.attempt == before.attempt and after.state in {"queued", "running"}:
                _wait_for_notice(arena, f"{own(victim.id)} cannot go on from its last checkpoint")
                return
            # Another attempt had begun: it may have read the file before, and would never notice.
            if path.exists():
                path.write_bytes(whole)
    raise TimeoutError("no checkpoint could be damaged")


def cancel(arena: Arena) -> None:
    """Cancel a job that runs and one that waits, each from three sides at once."""
    victim = arena.chance.choice(arena.training())
    victims = {victim.id: victim.account}
    if waiting := arena.jobs("queued"):
        victim = arena.chance.choice(waiting)
        victims[victim.id] = victim.account
    with ThreadPoolExecutor(6) as pool:
        for job_id, account in victims.items():
            answers = [pool.submit(arena.insist, account, f"/jobs/{own(job_id)}/cancel") for _ in range(3)]
            if any(answer.result() is not None for answer in answers):
                arena.cancelled.append(job_id)


def pause(arena: Arena) -> None:
    """Pause a job that runs, and resume it a little later; pause and resume it at once, too; it goes on in the end."""
    victim = arena.chance.choice(arena.training())
    account, path = victim.account, f"/jobs/{own(victim.id)}"
    arena.insist(account, f"{path}/pause")
    time.sleep(arena.chance.choice([0.0, 0.05, 0.4, 1.0]))
    arena.insist(account, f"{path}/resume")
    with ThreadPoolExecutor(4) as pool:
        verbs = ["pause", "resume", "pause", "resume"]
        for each in [pool.submit(arena.insist, account, f"{path}/{verb}") for verb in verbs]:
            each.result()
    arena.insist(account, f"{path}/resume")


def hold_lock(arena: Arena) -> None:
    """Hold SQLite's lock for writers, for longer than a lease."""
    path = make_url(arena.settings.database_url).database
    assert path is not None
    connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        time.sleep(5)
        connection.execute("ROLLBACK")
    finally:
        connection.close()


def kill_database(arena: Arena) -> None:
    """SIGKILL PostgreSQL with all its sessions, and start it again."""
    assert arena.server is not None
    arena.server.kill()
    time.sleep(arena.chance.choice([0.0, 1.0, 4.0]))
    arena.server.start()


_EVERYWHERE: Mapping[str, Fault] = {
    "training process killed": kill_training_process,
    "checkpoint cut off amid its writing": kill_while_it_writes,
    "worker killed": kill_worker,
    "worker told to stop": stop_worker,
    FREEZE: freeze_training_process,
    "broker killed, comes back empty": kill_broker,
    "broker frozen": freeze_broker,
    "broker emptied": empty_broker,
    "broker held, connections open": hold_broker,
    "broker refuses connections": refuse_broker,
    "connections cut": cut_connections,
    "connections slow and lossy": slow_connections,
    "garbage and doubles on the queue": talk_nonsense,
    "poison on the queue": poison_queue,
    "API killed": kill_api,
    "worker for errands killed": kill_deliverer,
    "receiver of webhooks killed": kill_receiver,
    "checkpoint damaged": damage_checkpoint,
    "job cancelled": cancel,
    "job paused and resumed": pause,
}


def faults_of(database: Kind) -> dict[str, Fault]:
    """Give what can be done to a service on such a database."""
    its_own: dict[str, Fault] = (
        {"database locked": hold_lock}
        if database == "sqlite"
        else {
            "database killed": kill_database,
            "workers parted from the database": part_workers_from_database,
            "API parted from the database": part_api_from_database,
        }
    )
    return {**_EVERYWHERE, **its_own}


def _holds(job: Row, attempt: int) -> bool:
    return bool(job.state == "running" and job.attempt == attempt)


def _comes(look: Callable[[], bool], *, seconds: float) -> bool:
    """Wait for something that need not come; gives whether it did."""
    try:
        return wait_until(look, timeout=seconds, what="something that may not come")
    except AssertionError:
        return False


def _getting_on(arena: Arena) -> list[Row]:
    """List jobs whose present attempt has recorded an epoch."""
    trained = arena.training(least_epoch=1)
    return [job for job in trained if any(its.attempt == job.attempt for its in arena.store.jobs.epochs(job.id))]


def _kill(arena: Arena, pid: int) -> bool:
    held = {job.id: job.attempt for job in arena.jobs("running") if training_process(job) == pid}
    at_ms = time.time() * 1000
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    arena.kills.append(Kill("training process", at_ms, held))
    return bool(held)


def _is_writing(arena: Arena, victim: Row) -> bool:
    """Stop a job's process, and say if it was stopped while it wrote its next epoch; else it goes on at once."""
    folder, pid = arena.settings.artifacts / owners.of_job(victim.id), training_process(victim)
    now = arena.job(victim.id)
    if (now.state, now.attempt) != ("running", victim.attempt):
        return False
    marks = tuple(f"{dot}last-{now.last_epoch + 1:04}-" for dot in ("", "."))
    deadline = time.monotonic() + 5
    while not any(name.startswith(marks) for name in _names(folder)):
        if time.monotonic() > deadline:
            return False
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
        # Three files of the checkpoint are there, and of the evaluation none: it cannot have begun to record.
        written = [name for name in _names(folder) if name.startswith(f"evaluation-{now.last_epoch + 1:04}-")]
        if not written:
            return True
        os.kill(pid, signal.SIGCONT)
    return False


def _sleeps_through_its_lease(arena: Arena, victim: Row) -> bool:
    with frozen(training_process(victim), at_most=20.0):
        taken = _comes(lambda: not _holds(arena.job(victim.id), victim.attempt), seconds=15)
    rejection = f"{own(victim.id)}: attempt {victim.attempt} was replaced"
    return taken and _comes(lambda: rejection in arena.log("train"), seconds=15)


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()] if folder.exists() else []


def _damage(arena: Arena, path: Path, whole: bytes) -> None:
    place = arena.chance.randrange(len(whole))
    if arena.chance.random() < 0.5:
        path.write_bytes(whole[:place])
    else:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])


def _wait_for_notice(arena: Arena, notice: str) -> None:
    wait_until(lambda: notice in arena.log("train"), timeout=60, what=f'the log to say "{notice}"')
