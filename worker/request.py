"""A message that makes no sense is refused; Celery's own request would end the worker over it, and its successor."""

from typing import Any

from celery.exceptions import InvalidTaskError
from celery.worker.request import Request


class CheckedRequest(Request):
    """A request whose message has the parts of one; others are logged and taken off the queue."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        try:
            super().__init__(*args, **kwargs)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InvalidTaskError(f"the message is not a task's: {error!r}") from error
