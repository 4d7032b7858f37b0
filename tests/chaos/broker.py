"""What is done to the broker, and to what lies on its queue."""

import base64
import json
import os
import shutil
import signal
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import redis

from service.broker.doorbell import TRAIN, Doorbell
from tests.chaos.arena import Arena
from tests.chaos.hands import broker_away, frozen, submit_some, wait_for_another
from tests.waiting import wait_until


def kill_broker(arena: Arena) -> None:
    """SIGKILL the broker, which comes back with nothing in it."""
    broker = arena.program("valkey-server")
    with broker_away(arena):
        os.kill(broker, signal.SIGKILL)
        # Its supervisor waits half a second before it starts it again.
        for path in (arena.settings.home / "broker").iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        submit_some(arena)
        wait_for_another(arena, "valkey-server", broker)
        with _broker(arena) as client:
            wait_until(lambda: _answers(client), timeout=30, what="the broker")


def freeze_broker(arena: Arena) -> None:
    """SIGSTOP the broker for some seconds."""
    with broker_away(arena), frozen(arena.program("valkey-server"), at_most=12.0):
        until = time.monotonic() + arena.chance.uniform(2.5, 7.0)
        submit_some(arena)
        time.sleep(max(0.0, until - time.monotonic()))


def empty_broker(arena: Arena) -> None:
    """FLUSHALL: every message is lost, and the broker goes on."""
    submit_some(arena)
    with _broker(arena) as client:
        client.flushall()


def talk_nonsense(arena: Arena) -> None:
    """Put garbage on the queue, and every message on it once more; ring for jobs that have long ended."""
    garbage = _garbage()
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
        f"\x00 not JSON {uuid.uuid4()}".encode() + b"\xff",
        f'["a list", "{uuid.uuid4()}"]'.encode(),
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


@contextmanager
def _broker(arena: Arena) -> "Iterator[redis.Redis]":
    with redis.Redis.from_url(arena.settings.broker_url, socket_timeout=10, socket_connect_timeout=2) as client:
        yield client


def _answers(client: "redis.Redis") -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
