"""What becomes of a job at a rung of its sweep's halving: it goes on, it ends there, or it waits for the others."""

from service.store.claims import Claim
from service.store.halving import Rungs
from worker.train.lease import Lease
from worker.train.stopping import Stopping


class AtRungs:
    """Watches the jobs of one run come to rungs, and has those compared that come there in the same step.

    Jobs that are trained together end their epochs one after the other: none is decided on before all have.
    """

    def __init__(self, rungs: Rungs, lease: Lease, stopping: Stopping) -> None:
        self._rungs, self._lease, self._stopping = rungs, lease, stopping
        self._come: dict[tuple[str | None, int], dict[str, Claim]] = {}
        self._passed: dict[str, int] = {}
        self._ends_after: dict[str, int] = {}

    def came(self, claim: Claim, epoch: int) -> None:
        """Note that a job has recorded this epoch, or goes on after it."""
        if claim.halving is None:
            return
        ends_after = self._ends_after.get(claim.job_id, claim.ends_after)
        if ends_after is not None and epoch >= ends_after:
            self._stopping.fell_behind(claim)
        elif claim.halving.is_rung(epoch) and epoch > self._passed.get(claim.job_id, claim.passed_rung):
            if claim.halving.synchronous:
                self._stopping.came_to_rung(claim)
            else:
                self._come.setdefault((claim.sweep_id, epoch), {})[claim.job_id] = claim

    def compare(self) -> None:
        """Decide on those who have come; to be called before each step, when all of the step before have ended it."""
        if not self._come:
            return
        come, self._come = self._come, {}
        for (_, epoch), claims in come.items():
            # Those that have ended meanwhile, with their last epoch or by an error, need no decision.
            left = [claim for claim in claims.values() if not self._lease.lost(claim)]
            fell = self._rungs.compare(left, epoch) if left else set()
            for claim in left:
                if claim.job_id in fell:
                    self._ends_after[claim.job_id] = epoch
                    self._stopping.fell_behind(claim)
                else:
                    self._passed[claim.job_id] = epoch
