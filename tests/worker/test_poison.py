"""Payloads that are no messages, on a real broker, between two that are."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from celery.exceptions import InvalidTaskError
from kombu import Connection, Consumer, Exchange, Producer, Queue
from kombu.message import Message
from kombu.utils.imports import symbol_by_name

from service.broker.doorbell import TRAIN, Doorbell
from worker.app import app

PROPER = {"exchange": "", "routing_key": TRAIN}
NO_MESSAGES = [
    b"\x00\xff not JSON",
    b"",
    b"17",
    b"[1, 2, 3]",
    b"null",
    b"{}",
    json.dumps({"properties": {}}).encode(),
    json.dumps({"properties": {"delivery_tag": ["a"], "delivery_info": PROPER}, "body": "W10="}).encode(),
    json.dumps({"properties": {"delivery_tag": "a", "delivery_info": {}}, "body": "W10="}).encode(),
    json.dumps({"properties": {"delivery_tag": "a", "delivery_info": PROPER | {"exchange": 1}}}).encode(),
    json.dumps(
        {"properties": {"delivery_tag": "a", "delivery_info": PROPER, "body_encoding": "rot13"}, "body": "W10="}
    ).encode(),
]


@pytest.fixture
def broker(broker_url: str) -> Iterator["redis.Redis"]:
    with redis.Redis.from_url(broker_url) as client:
        client.flushall()
        yield client


@pytest.mark.parametrize("payload", NO_MESSAGES, ids=repr)
def test_what_is_no_message_is_passed_over_and_the_next_ring_is_heard(
    broker: "redis.Redis", broker_url: str, payload: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    doorbell = Doorbell(broker_url)
    doorbell.ring(["before"])
    broker.lpush(TRAIN, payload)
    doorbell.ring(["after"])

    heard: list[Any] = []

    def hear(message: Any) -> None:
        heard.append(message.payload[0][0][0])
        message.ack()

    with (
        Connection(broker_url, transport="worker.poison:Transport") as connection,
        Consumer(connection, [Queue(TRAIN)], on_message=hear, accept=["json"]),
    ):
        while len(heard) < 2:
            connection.drain_events(timeout=10)
    assert heard == ["before", "after"]
    assert "took something off the queue that is no message" in caplog.text
    assert broker.llen(TRAIN) == 0
    assert broker.hlen("unacked") == 0


def received(body: object, headers: dict[str, Any]) -> Message:
    """Send a message through kombu's broker in memory, and receive it."""
    messages: list[Message] = []
    with Connection("memory://") as connection, connection.channel() as channel:
        queue = Queue("checked", Exchange("checked"), routing_key="checked")
        with Consumer(channel, [queue], callbacks=[lambda _, message: messages.append(message)], accept=["json"]):
            Producer(channel).publish(
                body, serializer="json", exchange=queue.exchange, routing_key="checked", headers=headers
            )
            connection.drain_events(timeout=5)
    (message,) = messages
    return message


HEADERS = {"id": "1", "task": "tenfold.train", "lang": "py"}
EMBED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


def request_for(body: object, headers: dict[str, Any]) -> object:
    task = app.tasks["tenfold.train"]
    return symbol_by_name(task.Request)(received(body, headers), app=app, task=task)


def test_a_proper_message_becomes_a_request() -> None:
    assert request_for([[["a"]], {}, EMBED], HEADERS)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ("no arguments, and no list", HEADERS),
        ([1, 2], HEADERS),
        (17, HEADERS),
        ({}, HEADERS),
        ([[["a"]], {}, EMBED], {"task": "tenfold.train"}),
    ],
    ids=json.dumps,
)
def test_a_message_that_makes_no_sense_is_refused_and_ends_nobody(body: object, headers: dict[str, Any]) -> None:
    with pytest.raises(InvalidTaskError, match="the message is not a task's"):
        request_for(body, headers)
