"""Messages that nobody should send, as Celery's consumer hands them over."""

import json
from typing import Any

import pytest
from celery.exceptions import InvalidTaskError
from kombu import Connection, Consumer, Exchange, Producer, Queue
from kombu.message import Message
from kombu.utils.imports import symbol_by_name

from worker.app import app


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
