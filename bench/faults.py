"""What is done to a running service. Each fault returns once it has happened, and raises if it could not be done."""

import base64
import json
import os
import shutil
import signal
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import redis
from sqlalchemy import make_url

from bench.arena import SPECS, Arena, Kill, Kind, training_process
from service.queue import TRAIN, Doorbell
from service.store.engine import Record as Row
from service.store.states import owner_of
from tests.waiting import wait_until

Fault = Callable[[Arena], None]

FREEZE = "training process frozen past its lease"

_TRIES = 40


def kill_training_process(arena: Arena) -> None:
    """SIGKILL one of the processes in which networks are trained."""
    for _ in range(_TRIES):
        victim = arena.chance.choice(arena.training(least_epoch=1))
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
    worker = arena.part("--hostname train@")
    held = {job.id: job.attempt for job in arena.jobs("running")}
    at_ms = time.time() * 1000
    os.kill(worker, signal.SIGKILL)
    arena.kills.append(Kill("worker", at_ms, held))
    _wait_for_another(arena, "--hostname train@", worker)


def stop_worker(arena: Arena) -> None:
    """SIGTERM the worker for training, which gives its jobs back and ends."""
    arena.training(least_epoch=1)
    worker = arena.part("--hostname train@")
    os.kill(worker, signal.SIGTERM)
    _wait_for_another(arena, "--hostname train@", worker)


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


def kill_broker(arena: Arena) -> None:
    """SIGKILL the broker, which comes back with nothing in it."""
    broker = arena.part("valkey-server")
    with _broker_away(arena):
        os.kill(broker, signal.SIGKILL)
        # Its supervisor waits half a second before it starts it again.
        for path in (arena.settings.home / "broker").iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        _submit_some(arena)
        _wait_for_another(arena, "valkey-server", broker)
        with _broker(arena) as client:
            wait_until(lambda: _answers(client), timeout=30, what="the broker")


def freeze_broker(arena: Arena) -> None:
    """SIGSTOP the broker for some seconds."""
    with _broker_away(arena), _frozen(arena.part("valkey-server"), at_most=12.0):
        until = time.monotonic() + arena.chance.uniform(2.5, 7.0)
        _submit_some(arena)
        time.sleep(max(0.0, until - time.monotonic()))


def empty_broker(arena: Arena) -> None:
    """FLUSHALL: every message is lost, and the broker goes on."""
    _submit_some(arena)
    with _broker(arena) as client:
        client.flushall()


def talk_nonsense(arena: Arena) -> None:
    """Put garbage on the queue, and every message on it once more; ring for jobs that have long ended."""
    # Each of the lethal ones ends a worker, and with it what it trains: one is enough.
    lethal = arena.chance.choice([b"\x00\xff not JSON", b"[1, 2, 3]"])
    garbage = [lethal, *_garbage()]
    arena.chance.shuffle(garbage)
    with _broker(arena) as client:
        waiting = client.lrange(TRAIN, 0, -1)
        assert isinstance(waiting, list)
        client.lpush(TRAIN, *waiting, *garbage[:4])
        # On this side they are heard before all that waits.
        client.rpush(TRAIN, *garbage[4:])
    ended = [job.id for job in arena.jobs("succeeded", "cancelled")[-3:]]
    doorbell = Doorbell(arena.settings.broker_url)
    for _ in range(3):
        doorbell.ring([*ended, *(job.id for job in arena.jobs("running", "queued")[:5]), "no-such-job"])
    _hear_out(arena, garbage)


def _message(arguments: object, *, task: str = "tenfold.train", **changes: object) -> bytes:
    tag = f"garbage-{uuid.uuid4()}"
    envelope = {
        "body": base64.b64encode(json.dumps(arguments).encode()).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"lang": "py", "task": task, "id": tag, "root_id": tag, "retries": 0, "argsrepr": "()"},
        "properties": {
            "body_encoding": "base64",
            "correlation_id": tag,
            "delivery_info": {"exchange": "", "routing_key": TRAIN},
            "delivery_mode": 2,
            "delivery_tag": tag,
            "priority": 0,
        },
    }
    return json.dumps({**envelope, **changes}).encode()


def _garbage() -> list[bytes]:
    """Give messages that nobody should send, from one without any field to proper ones with improper arguments."""
    none: dict[str, object] = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    return [
        b"{}",
        _message([[], {}, none], properties={"delivery_tag": "garbage", "delivery_info": {}}),
        _message([[["no-such-job", "\x00", "x" * 1000]], {}, none]),
        _message([[17], {}, none]),
        _message([[], {"job_ids": ["a"], "more": 1}, none]),
        _message([[["a"]], {}, none], task="os.system"),
        _message([[["a"]], {}, none], headers={}),
        _message([[["a"]], {}, none], **{"content-type": "application/x-python-serialize"}),
    ]


def poison_queue(arena: Arena) -> None:
    """Put a message on the queue that has the form of one, and is none."""
    poison = _message("no arguments, and no list")
    with _broker(arena) as client:
        client.rpush(TRAIN, poison)
    _hear_out(arena, [poison])


def _hear_out(arena: Arena, garbage: Sequence[bytes]) -> None:
    def waits() -> bool:
        with _broker(arena) as client:
            left = client.lrange(TRAIN, 0, -1)
            assert isinstance(left, list)
            return bool(set(garbage) & set(left))

    wait_until(lambda: not waits(), timeout=90, what="the garbage to be heard")


def kill_api(arena: Arena) -> None:
    """SIGKILL the API, amid submissions."""
    api = arena.part("service.cli api")
    with ThreadPoolExecutor(2) as pool:
        submitted = [pool.submit(_submit_some, arena, 2) for _ in range(2)]
        time.sleep(arena.chance.uniform(0.0, 0.05))
        os.kill(api, signal.SIGKILL)
        _wait_for_another(arena, "service.cli api", api)
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
                _wait_for_notice(arena, f"job {victim.id} can not go on from its last checkpoint")
                return
            # Another attempt had begun: it may have read the file before, and would never notice.
            if path.exists():
                path.write_bytes(whole)
    raise TimeoutError("no checkpoint could be damaged")


def cancel(arena: Arena) -> None:
    """Cancel a job that runs and one that waits, each from three sides at once."""
    victims = {arena.chance.choice(arena.training()).id}
    if waiting := arena.jobs("queued"):
        victims.add(arena.chance.choice(waiting).id)
    with ThreadPoolExecutor(6) as pool:
        for job_id in sorted(victims):
            answers = [pool.submit(arena.insist, f"/jobs/{job_id}/cancel") for _ in range(3)]
            if any(answer.result() is not None for answer in answers):
                arena.cancelled.append(job_id)


def pause(arena: Arena) -> None:
    """Pause a job that runs, and resume it a little later; pause and resume it at once, too; it goes on in the end."""
    job_id = arena.chance.choice(arena.training()).id
    arena.insist(f"/jobs/{job_id}/pause")
    time.sleep(arena.chance.choice([0.0, 0.05, 0.4, 1.0]))
    arena.insist(f"/jobs/{job_id}/resume")
    with ThreadPoolExecutor(4) as pool:
        verbs = ["pause", "resume", "pause", "resume"]
        for each in [pool.submit(arena.insist, f"/jobs/{job_id}/{verb}") for verb in verbs]:
            each.result()
    arena.insist(f"/jobs/{job_id}/resume")


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
    "training process killed while it writes": kill_while_it_writes,
    "worker killed": kill_worker,
    "worker told to stop": stop_worker,
    FREEZE: freeze_training_process,
    "broker killed, comes back empty": kill_broker,
    "broker frozen": freeze_broker,
    "broker emptied": empty_broker,
    "garbage and doubles on the queue": talk_nonsense,
    "poison on the queue": poison_queue,
    "API killed": kill_api,
    "checkpoint damaged": damage_checkpoint,
    "job cancelled": cancel,
    "job paused and resumed": pause,
}


def faults_of(database: Kind) -> dict[str, Fault]:
    """Give what can be done to a service on such a database."""
    its_own: dict[str, Fault] = (
        {"database locked": hold_lock} if database == "sqlite" else {"database killed": kill_database}
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
    folder, pid = arena.settings.artifacts / owner_of(victim.id), training_process(victim)
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
        # Three files of the checkpoint are there, and of the evaluation none: it can not have begun to record.
        written = [name for name in _names(folder) if name.startswith(f"evaluation-{now.last_epoch + 1:04}-")]
        if not written:
            return True
        os.kill(pid, signal.SIGCONT)
    return False


def _sleeps_through_its_lease(arena: Arena, victim: Row) -> bool:
    with _frozen(training_process(victim), at_most=20.0):
        taken = _comes(lambda: not _holds(arena.job(victim.id), victim.attempt), seconds=15)
    rejection = f"job {victim.id}: attempt {victim.attempt} was replaced"
    return taken and _comes(lambda: rejection in arena.log("train"), seconds=15)


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()] if folder.exists() else []


@contextmanager
def _frozen(pid: int, *, at_most: float) -> Iterator[None]:
    """Keep a process stopped meanwhile, but not for ever: it may hold a lock that the bench waits for."""
    thaw = threading.Timer(at_most, _send, (pid, signal.SIGCONT))
    thaw.start()
    _send(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        thaw.cancel()
        _send(pid, signal.SIGCONT)


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _damage(arena: Arena, path: Path, whole: bytes) -> None:
    place = arena.chance.randrange(len(whole))
    if arena.chance.random() < 0.5:
        path.write_bytes(whole[:place])
    else:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])


def _wait_for_notice(arena: Arena, notice: str) -> None:
    wait_until(lambda: notice in arena.log("train"), timeout=60, what=f'the log to say "{notice}"')


def _submit_some(arena: Arena, count: int = 3) -> None:
    for _ in range(count):
        arena.submit(arena.chance.choice(SPECS), {"chaos": "amid"})


@contextmanager
def _broker_away(arena: Arena) -> Iterator[None]:
    begun = time.monotonic()
    try:
        yield
    finally:
        arena.broker_away.append((begun, time.monotonic()))


@contextmanager
def _broker(arena: Arena) -> "Iterator[redis.Redis]":
    with redis.Redis.from_url(arena.settings.broker_url, socket_timeout=10, socket_connect_timeout=2) as client:
        yield client


def _answers(client: "redis.Redis") -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


def _wait_for_another(arena: Arena, words: str, former: int) -> None:
    wait_until(lambda: arena.part(words) != former, timeout=60, what=f"another process of {words!r}")
    if words == "service.cli api":
        wait_until(lambda: _is_live(arena), timeout=60, what="the API to answer")


def _is_live(arena: Arena) -> bool:
    try:
        return arena.http.get("/livez", timeout=2).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
