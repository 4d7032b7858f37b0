"""When more is read of a connection: not while requests are waiting, whose memory is many times that of their bytes."""

from collections.abc import Sized
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl


class Flow(FlowControl):
    """Does not let more be read while requests are waiting: uvicorn would, with each answer, until memory is full."""

    def __init__(self, transport: Any, waiting: Sized) -> None:
        super().__init__(transport)
        self._waiting = waiting

    def resume_reading(self) -> None:
        """Read on, unless requests are waiting."""
        if not self._waiting:
            super().resume_reading()
