"""Payloads that are no messages, on a real broker, between two that are."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from kombu import Connection, Consumer, Queue

from service.broker.doorbell import TRAIN, Doorbell

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
