"""The claim on a reading is kept alive while it is read, and it is asked whether that is to stop."""

import logging
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Literal, Self

from service.settings import Settings
from service.store.engine import DatabaseError, cause
from service.store.errors import LeaseLost
from service.store.readings import ReadingClaim, Readings

_logger = logging.getLogger(__name__)


class ReadingLease:
    """Renews a claim in a thread, within a `with` block, and notes with it how far the reading has come.

    One that could not be renewed for two thirds of its time, by this machine's own clock, counts as lost: the reading
    may soon be another's.
    """

    def __init__(self, readings: Readings, claim: ReadingClaim, settings: Settings) -> None:
        self._readings, self._claim, self._settings = readings, claim, settings
        self.progress: Mapping[str, Any] = {"bytes": 0, "bytes_total": claim.file_size, "rows": 0}
        """How far the reading has come; set by whoever hears of it."""
        self.stop_request: Literal["cancel", "drain"] | None = None
        """How the reading is asked to stop, if it is."""
        self._is_lost = False
        self._renewed_at = time.monotonic()
        self._told: Mapping[str, Any] = self.progress
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="lease", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def is_lost(self) -> bool:
        """Whether the reading is, or may soon be, another's."""
        # Asked of the clock, not of the thread: that may itself hang in a database that does not answer.
        if time.monotonic() - self._renewed_at > self._settings.lease_seconds * 2 / 3:
            self._is_lost = True
        return self._is_lost

    def _watch(self) -> None:
        while not self._ended.wait(self._settings.poll_seconds):
            try:
                self._ask()
            except LeaseLost:
                self._is_lost = True
                return
            except DatabaseError as error:
                _logger.warning("the lease of a reading could not be renewed: %s", cause(error))

    def _ask(self) -> None:
        asked_at = time.monotonic()
        progress = self.progress
        since = asked_at - self._renewed_at
        # How far it has come is worth a line of the record once a second, and no more.
        if since >= self._settings.heartbeat_seconds or (progress is not self._told and since >= _TELL_SECONDS):
            self.stop_request = self._readings.renew(self._claim, progress)
            self._renewed_at, self._told = asked_at, progress
        else:
            self.stop_request = self._readings.look(self._claim)


_TELL_SECONDS = 1.0
