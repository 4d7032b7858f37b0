"""A claim is kept alive while its job trains, and asked whether the job is still wanted."""

import logging
import threading
import time
from types import TracebackType
from typing import Self

from service.settings import Settings
from service.store.engine import DatabaseError, cause
from service.store.runs import Claim, LeaseLostError, Runs

_logger = logging.getLogger(__name__)


class Lease:
    """Renews a claim in a thread, within a `with` block.

    `should_stop` is cheap enough to be asked before every batch: it tells whether the job was cancelled, or the claim
    is lost. A lease that could not be renewed for two thirds of its time, by this machine's own clock, counts as lost:
    the job may soon be another's.
    """

    def __init__(self, runs: Runs, claim: Claim, settings: Settings) -> None:
        self.cancelled = False
        self._lost = False
        self._runs, self._claim, self._settings = runs, claim, settings
        self._renewed_at = time.monotonic()
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
    def lost(self) -> bool:
        """Whether the job is, or may soon be, another's."""
        # Asked of the clock, not of the thread: that may itself hang in a database that does not answer.
        if time.monotonic() - self._renewed_at > self._settings.lease_seconds * 2 / 3:
            # For good: who has been told to stop in the middle of an epoch can not go on, even if a renewal comes late.
            self._lost = True
        return self._lost

    def should_stop(self) -> bool:
        """Whether to stop training now."""
        return self.cancelled or self.lost

    def _watch(self) -> None:
        while not self._ended.wait(self._settings.poll_seconds):
            try:
                self._look()
            except LeaseLostError:
                self._lost = True
                return
            except DatabaseError as error:
                _logger.warning("the lease of job %s could not be renewed: %s", self._claim.job_id, cause(error))

    def _look(self) -> None:
        if time.monotonic() - self._renewed_at < self._settings.heartbeat_seconds:
            self.cancelled = self._runs.is_cancelled(self._claim)
            return
        asked_at = time.monotonic()
        self.cancelled = self._runs.renew(self._claim)
        self._renewed_at = asked_at
