"""Jobs learn from what another account shares, as long as it does."""

from collections.abc import Iterator

import numpy as np
import pytest

from models.data.examples import Examples
from models.data.schema import USUAL
from service.access.account_limits import Limits
from service.artifacts import Artifacts
from service.settings import Settings
from service.store.store import Store
from tests.worker.training import SMALL, learnable, submit
from worker.datasets import load, stored, warnings_of
from worker.train.run import run

ACCOUNT = "globex"


@pytest.fixture
def everything(settings: Settings, store: Store) -> Iterator[Store]:
    """The record as workers open it: for nobody in particular."""
    whole = Store.open(settings)
    yield whole
    whole.database.close()


@pytest.fixture
def owner(store: Store, artifacts: Artifacts) -> Store:
    """The account that has letters, which it shares."""
    for name in ("acme", ACCOUNT):
        store.accounts.add(name)
    random = np.random.default_rng(1)
    pictures = random.integers(0, 255, (60, 28, 28), dtype=np.uint8)
    owner = store.of("acme")
    learnable(owner, artifacts.of("acme"), "letters", Examples(pictures, np.arange(60) % 10, USUAL))
    owner.grants.give("dataset", "letters", ACCOUNT, "read")
    return owner


def test_a_job_learns_from_what_another_account_shares_and_not_once_it_does_not(
    store: Store, everything: Store, owner: Store, artifacts: Artifacts, settings: Settings
) -> None:
    theirs = store.of(ACCOUNT)
    meant = theirs.resolution.of("acme:letters")
    assert meant.reference == "acme:letters/1"
    learns, waits = (submit(theirs, **SMALL | {"dataset": meant.reference, "seed": seed}) for seed in (1, 2))
    store.accounts.change(ACCOUNT, limits=Limits(running=1))  # one after the other
    run(learns, everything, artifacts, settings, owner="worker")
    job = theirs.jobs.get(learns)
    assert job is not None
    assert job.state == "succeeded", job.error
    assert meant.row is not None
    assert job.result["made_with"]["data_sha256"] == meant.row.sha256
    owner.grants.take_back("dataset", "letters", ACCOUNT)
    run(waits, everything, artifacts, settings, owner="worker")
    job = theirs.jobs.get(waits)
    assert job is not None
    assert job.state == "failed"
    assert "the account acme does not share the data set 'letters' with this one any more" in job.error["message"]


def test_what_is_not_shared_is_not_loaded_for_anybody_else(
    store: Store, everything: Store, owner: Store, artifacts: Artifacts, settings: Settings
) -> None:
    theirs = store.of(ACCOUNT)
    assert len(load("acme:letters/1", theirs, artifacts, settings).labels) == 60
    assert warnings_of("acme:letters/1", theirs) == ()
    for who in (store.of("default"), everything):
        with pytest.raises(ValueError, match="does not share"):
            stored("acme:letters/1", who, artifacts)
    owner.grants.take_back("dataset", "letters", ACCOUNT)
    assert theirs.resolution.row_of("acme:letters/1") is None
    assert theirs.resolution.same("acme:letters", "d") is None
