"""A lease: renewed while it is held, and lost for good."""

import threading

from service.settings import Settings
from service.store.claims import Claim
from service.store.runs import StopRequest
from service.store.store import Store
from tests.waiting import wait_until
from tests.worker.training import found, submit
from worker.train.lease import Lease


def claimed(store: Store) -> Claim:
    (claim,) = store.runs.claim(submit(store), "worker")
    return claim


def test_a_lease_is_renewed_while_it_is_held(store: Store, settings: Settings) -> None:
    claim = claimed(store)
    before = found(store, claim.job_id).lease_expires_at
    quick = settings.model_copy(update={"poll_seconds": 0.01, "heartbeat_seconds": 0.02})
    with Lease(store.runs, [claim], quick) as lease:
        wait_until(lambda: found(store, claim.job_id).lease_expires_at > before, timeout=10, what="a renewal")
        assert not lease.lost(claim)


def test_a_lease_that_was_lost_says_stop(store: Store, settings: Settings) -> None:
    claim = claimed(store)
    with Lease(store.runs, [claim], settings.model_copy(update={"poll_seconds": 0.01})) as lease:
        store.runs.fail(claim, {})
        wait_until(lambda: lease.lost(claim), timeout=10, what="the lease to be seen as lost")


def test_a_lease_that_cannot_be_renewed_in_time_counts_as_lost(store: Store, settings: Settings) -> None:
    claim = claimed(store)
    # The database is asked only every ten seconds, and the lease lasts a fraction of one.
    slow = settings.model_copy(update={"poll_seconds": 0.01, "lease_seconds": 0.1})
    with Lease(store.runs, [claim], slow) as lease:
        wait_until(lambda: lease.lost(claim), timeout=10, what="two thirds of the lease to pass")


class SlowRuns:
    """A store of runs whose first renewal hangs until it is let go."""

    def __init__(self) -> None:
        self.let_go, self.renewals = threading.Event(), 0

    def renew(self, claims: list[Claim]) -> dict[str, StopRequest | None]:
        assert self.let_go.wait(30)
        self.renewals += 1
        return self.look(claims)

    def look(self, claims: list[Claim]) -> dict[str, StopRequest | None]:
        return dict.fromkeys(claim.job_id for claim in claims)


def test_a_lease_that_was_lost_once_is_not_won_back(store: Store, settings: Settings) -> None:
    # Training has stopped in the middle of an epoch by then, and must not be taken for finished.
    runs, claim = SlowRuns(), claimed(store)
    quick = settings.model_copy(update={"poll_seconds": 0.01, "heartbeat_seconds": 0.02, "lease_seconds": 0.5})
    with Lease(runs, [claim], quick) as lease:  # type: ignore[arg-type]
        wait_until(lambda: lease.lost(claim), timeout=10, what="two thirds of the lease to pass")
        runs.let_go.set()
        wait_until(lambda: runs.renewals >= 2, timeout=10, what="a renewal that succeeds")
        assert lease.lost(claim)
