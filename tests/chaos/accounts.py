"""Three accounts of different weights in the arena, each with a key: what is done for one is seen at no other."""

from collections.abc import Iterator, Mapping

from service.store.shared_columns import EVERYONE
from service.store.store import Store
from tests.chaos.invariants import Evidence

WEIGHTS: Mapping[str, float] = {"acme": 1.0, "globex": 2.0, "initech": 5.0}
"""The share of each where all have jobs that wait."""


def keys(store: Store) -> dict[str, str]:
    """Make the accounts; gives a key of each."""
    whole = store.of(EVERYONE)
    made = {}
    for name, weight in WEIGHTS.items():
        whole.accounts.add(name)
        whole.accounts.change(name, weight=weight)
        made[name] = whole.api_keys.add(name, "chaos", ["read", "train", "models"])[1]
    return made


def strayed(evidence: Evidence, accepted: Mapping[str, str]) -> Iterator[str]:
    """What is on record of a job under another account than the one that submitted it (`accepted`, by job)."""
    for job in evidence.jobs:
        if job.account != accepted.get(job.id, job.account):
            yield f"job {job.id} was submitted by {accepted[job.id]}, and is one of {job.account}"
        its = [*evidence.events.get(job.id, []), *evidence.versions.get(job.id, [])]
        for account in sorted({row.account for row in its} - {job.account}):
            yield f"job {job.id} of {job.account}: something of it is on record for {account}"
