"""How messages get to the broker: sent by Celery, counted by asking Redis itself."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import redis
from celery import Celery
from kombu.exceptions import OperationalError
from redis.backoff import NoBackoff
from redis.retry import Retry

BROKER_SETTINGS: Mapping[str, Any] = {
    # Only ids travel, as JSON: whoever can write to the broker can ring, and nothing else.
    "task_serializer": "json",
    "accept_content": ["json"],
    # Nobody waits for results; they are in the database.
    "task_ignore_result": True,
    "result_backend": None,
    # A queue that was misspelt shall be an error, not a new queue that nobody hears.
    "task_create_missing_queues": False,
    "broker_transport_options": {
        # Messages that a dead worker had reserved come back after so many seconds; a second ring harms nobody.
        "visibility_timeout": 300,
        # Look for such messages every 5 s; the defaults amount to every 100 s.
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        # Without these a call waits for ever on a dead or hung server.
        "socket_timeout": 5,
        "socket_connect_timeout": 2,
        "socket_keepalive": True,
        # A half-open connection is noticed after about 11 s (the default: 51 s).
        "health_check_interval": 5,
    },
    # An API thread must not wait for ever for a connection of the pool.
    "broker_pool_acquire_timeout": 2,
}

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Messages:
    """The messages at a broker."""

    broker_url: str
    queues: tuple[str, ...]

    @cached_property
    def _celery(self) -> Celery:
        app = Celery("tenfold", broker=self.broker_url, set_as_current=False)
        app.conf.update(BROKER_SETTINGS, task_queues={queue: {} for queue in self.queues})
        return app

    @cached_property
    def _redis(self) -> "redis.Redis":
        return redis.Redis.from_url(
            self.broker_url, socket_timeout=2, socket_connect_timeout=2, retry=Retry(NoBackoff(), retries=0)
        )

    def send(self, task: str, calls: Sequence[list[Any]], queue: str) -> bool:
        """Send a message a call, each with the arguments of a task; gives whether the broker took them all."""
        # Asked first, because kombu's own connection tries for seconds before it gives up.
        if self.waiting(queue) is None:
            _logger.warning("the broker does not answer; %s is rung later", task)
            return False
        try:
            for args in calls:
                # Trying again is the reconciler's business: here somebody waits for an answer.
                self._celery.send_task(task, args=args, queue=queue, retry=False)
        except (OperationalError, OSError, redis.RedisError) as error:
            _logger.warning("the broker did not take %s: %s", task, error)
            return False
        return True

    def waiting(self, queue: str) -> int | None:
        """Count the messages of a queue that no worker has heard yet; None when the broker does not answer."""
        try:
            return int(self._redis.llen(queue))
        except (OSError, redis.RedisError):
            return None
