"""Whether a job stops now, why, and what becomes of it: it ends early, or is released for another worker."""

import time

from models.training import Stop
from service.store.claims import Claim
from service.store.states import StoppedEarly
from worker.train.lease import Lease


class Stopping:
    """Decides for the jobs of one run; cheap enough to be asked before every batch."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._ends_early: dict[str, StoppedEarly] = {}
        self._released: set[str] = set()
        self._at_rung: set[str] = set()
        self._began_at: dict[str, float] = {}  # by this machine's own clock
        self._has_learned: set[str] = set()

    def should_stop(self, claim: Claim) -> Stop | None:
        """Whether to stop now, and what becomes of the epoch; notes why, which decides what becomes of the job."""
        if self._lease.lost(claim):
            return "discard"
        if (why := self._ends_early.get(claim.job_id)) is not None:
            # What fell behind ends with the epoch at which it did, and the next one may have begun meanwhile.
            return "discard" if why == "halving" else "end"
        match self._lease.stop_request(claim):
            case "cancel":
                return "end"
            case "finish" if claim.job_id in self._has_learned or claim.job_id in self._began_at:
                self._ends_early[claim.job_id] = "finish"
                return "end"
            case _ if claim.job_id in self._at_rung:
                self._released.add(claim.job_id)
                return "discard"
            case "pause" | "drain":
                # Whoever takes the job next begins this epoch anew, and ends with the same bits.
                self._released.add(claim.job_id)
                return "discard"
        # Counted from its first batch: what comes before is no training, and would leave nothing to succeed with.
        trained = time.monotonic() - self._began_at.setdefault(claim.job_id, time.monotonic())
        limit = claim.spec.get("max_seconds")
        if limit is not None and trained > 0 and claim.seconds + trained > limit:
            self._ends_early[claim.job_id] = "max_seconds"
            return "end"
        return None

    def goes_on(self, claim: Claim) -> None:
        """Note that a job has an epoch on record: it may be finished before its first batch here."""
        self._has_learned.add(claim.job_id)

    def fell_behind(self, claim: Claim) -> None:
        """Note that halving ends a job at this epoch."""
        self._ends_early[claim.job_id] = "halving"

    def came_to_rung(self, claim: Claim) -> None:
        """Note that a job, unless it ends with this epoch, is given back to wait for the others of its sweep."""
        self._at_rung.add(claim.job_id)

    def waits_at_rung(self, claim: Claim) -> bool:
        """Whether a job that is given back waits for the others of its sweep."""
        return claim.job_id in self._at_rung

    def why_early(self, claim: Claim) -> StoppedEarly | None:
        """Tell why a job ends before its last epoch, if it is known here."""
        return self._ends_early.get(claim.job_id)

    def is_released(self, claim: Claim) -> bool:
        """Whether the job is given back after its last complete epoch."""
        return claim.job_id in self._released

    def is_cancelled(self, claim: Claim) -> bool:
        """Whether it was asked to cancel the job, as far as is known here."""
        return self._lease.stop_request(claim) == "cancel"
