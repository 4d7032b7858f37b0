"""The doorbell: tells workers that something waits. A message names what to look at, and is allowed to get lost."""

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

TRAIN = "train"
ERRANDS = "errands"

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
class Doorbell:
    """Rings workers through the broker. A bell that cannot be rung is logged and rung again later, by a worker."""

    broker_url: str

    @cached_property
    def _celery(self) -> Celery:
        app = Celery("tenfold", broker=self.broker_url, set_as_current=False)
        app.conf.update(BROKER_SETTINGS, task_queues={TRAIN: {}, ERRANDS: {}})
        return app

    @cached_property
    def _redis(self) -> "redis.Redis":
        return redis.Redis.from_url(
            self.broker_url, socket_timeout=2, socket_connect_timeout=2, retry=Retry(NoBackoff(), retries=0)
        )

    def ring(self, job_ids: Sequence[str]) -> bool:
        """Tell training workers that these jobs wait, one message a job; gives whether the broker took them all."""
        return self._send("tenfold.train", [[[job_id]] for job_id in job_ids], TRAIN)

    def ask_for_plot(self, job_id: str, plot: str) -> bool:
        """Ask for a plot of a job; gives whether the broker took it."""
        return self._send("tenfold.draw", [[job_id, plot]], ERRANDS)

    def ask_for_sweep_plot(self, sweep_id: str, plot: str) -> bool:
        """Ask for a plot of a sweep; gives whether the broker took it."""
        return self._send("tenfold.draw_sweep", [[sweep_id, plot]], ERRANDS)

    def ask_for_ensemble(self, model: str, members: Sequence[tuple[str, int]], promote: str, margin: float) -> bool:
        """Ask for a version of a model that is made of several; gives whether the broker took it."""
        return self._send("tenfold.combine", [[model, members, promote, margin]], ERRANDS)

    def ask_for_export(self, model: str, version: int, form: str) -> bool:
        """Ask for a version in a form for programs of others; gives whether the broker took it."""
        return self._send("tenfold.export", [[model, version, form]], ERRANDS)

    def ask_for_trials(self, sweep_id: str) -> bool:
        """Ask for the next trials of a sweep that chooses them by what it has learned; whether the broker took it."""
        return self._send("tenfold.extend", [[sweep_id]], ERRANDS)

    def ask_for_description(self, dataset: str) -> bool:
        """Ask for the description of a data set; gives whether the broker took it."""
        return self._send("tenfold.describe", [[dataset]], ERRANDS)

    def _send(self, task: str, calls: Sequence[list[Any]], queue: str) -> bool:
        # Asked first, because kombu's own connection tries for seconds before it gives up.
        if not self.is_alive():
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

    def rings_waiting(self) -> int | None:
        """Count the rings that no training worker has heard yet; None when the broker does not answer."""
        return self._waiting(TRAIN)

    def errands_waiting(self) -> int | None:
        """Count the errands that no worker has begun; None when the broker does not answer."""
        return self._waiting(ERRANDS)

    def _waiting(self, queue: str) -> int | None:
        try:
            return int(self._redis.llen(queue))
        except (OSError, redis.RedisError):
            return None

    def is_alive(self) -> bool:
        """Whether the broker answers."""
        return self.rings_waiting() is not None
