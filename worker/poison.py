"""What lies on the queue and is no message, or none of ours, is taken off it.

kombu's own transport and Celery's own request would end the worker over it, and then its successor.
"""

import json
import logging
from typing import Any

from celery.exceptions import InvalidTaskError
from celery.worker.request import Request
from kombu.transport import redis
from kombu.transport.virtual import base

_logger = logging.getLogger(__name__)


class NoMessageError(ValueError):
    """A payload that lacks what the transport itself needs: where it was sent to, and its tag."""


class Message(base.Message):
    """A message whose payload has the form of one."""

    def __init__(self, payload: Any, channel: Any = None, **kwargs: Any) -> None:
        try:
            super().__init__(payload, channel=channel, **kwargs)
            sent_to = [self.delivery_info["exchange"], self.delivery_info["routing_key"]]
        except (AttributeError, KeyError, LookupError, TypeError, ValueError) as error:
            raise NoMessageError(f"{type(error).__name__}: {error}") from error
        if not all(isinstance(text, str) for text in (*sent_to, self.delivery_tag)):
            raise NoMessageError("tag, exchange or routing key is no text")


class Channel(redis.Channel):
    """A channel that goes on after a payload that is no message."""

    Message = Message

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]
        except (json.JSONDecodeError, UnicodeDecodeError, NoMessageError) as error:
            # Received is removed: there is nothing to acknowledge, and nothing that would come back.
            _logger.warning("took something off the queue that is no message: %s", error)
            return True


class Transport(redis.Transport):
    """Redis, as a worker listens to it."""

    Channel = Channel


class CheckedRequest(Request):
    """A request whose message has the parts of one; others are logged and taken off the queue."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        try:
            super().__init__(*args, **kwargs)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InvalidTaskError(f"the message is not a task's: {error!r}") from error
