"""Claims are kept alive while their jobs train, and it is asked whether the jobs are to stop."""

import logging
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from service.settings import Settings
from service.store.claims import Claim
from service.store.engine import DatabaseError, cause
from service.store.runs import Runs, StopRequest

_logger = logging.getLogger(__name__)


class Lease:
    """Renews claims in a thread, within a `with` block.

    `stop_request` and `lost` are cheap enough to be asked before every batch. Leases that could not be renewed for
    two thirds of their time, by this machine's own clock, count as lost: the jobs may soon be another's.
    """

    def __init__(self, runs: Runs, claims: Sequence[Claim], settings: Settings) -> None:
        self._runs, self._settings = runs, settings
        self._held = {claim.job_id: claim for claim in claims}
        # One that waited only to be finished learns nothing more, not even until the record is asked again.
        self._stop_requests: dict[str, StopRequest | None] = {
            claim.job_id: "finish" for claim in claims if claim.is_to_finish
        }
        self._silent = False
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

    def lost(self, claim: Claim) -> bool:
        """Whether the job is, or may soon be, another's; or was given up."""
        # Asked of the clock, not of the thread: that may itself hang in a database that does not answer.
        if time.monotonic() - self._renewed_at > self._settings.lease_seconds * 2 / 3:
            # For good: who has been told to stop in the middle of an epoch cannot go on, even if a renewal comes late.
            self._silent = True
        return self._silent or claim.job_id not in self._held

    def stop_request(self, claim: Claim) -> StopRequest | None:
        """Tell how this process is asked to stop the job, if it is."""
        return self._stop_requests.get(claim.job_id)

    def give_up(self, claim: Claim) -> None:
        """Renew this claim no more: its job has ended, or is another's."""
        self._held.pop(claim.job_id, None)

    def _watch(self) -> None:
        while not self._ended.wait(self._settings.poll_seconds):
            try:
                self._ask()
            except DatabaseError as error:
                _logger.warning("leases could not be renewed: %s", cause(error))

    def _ask(self) -> None:
        claims = list(self._held.values())
        if not claims:
            return
        asked_at = time.monotonic()
        due = asked_at - self._renewed_at >= self._settings.heartbeat_seconds
        held = self._runs.renew(claims) if due else self._runs.look(claims)
        if due:
            self._renewed_at = asked_at
        self._stop_requests = held
        for claim in claims:
            if claim.job_id not in held:
                self.give_up(claim)
