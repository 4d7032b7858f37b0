"""Jobs of two accounts that are trained together: each is its own account's, whatever both call alike."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from models.data.load import load_builtin
from service.artifacts import Artifacts
from service.settings import Settings
from service.store.store import Store
from service.store.tables import attempts
from tests.worker.training import learnable, submit
from worker.comparison.unlearned import forget
from worker.train.run import run

ACCOUNTS = ("acme", "globex")


@pytest.fixture
def everything(settings: Settings, store: Store) -> Store:
    """The record as workers have it, with two accounts that each call other examples held."""
    digits = load_builtin("digits", Path())
    for number, name in enumerate(ACCOUNTS):
        store.accounts.add(name)
        rows = np.arange(1200 + number * 297, 1497 + number * 297)
        held = replace(digits.take(rows), known_digest=None)
        if number:  # of the one all are named rightly, of the other none
            held = replace(held, labels=(held.labels + 1) % 10)
        assert learnable(store.of(name), Artifacts(settings.artifacts).of(name), "held", held) == "held/1"
    forget()
    return store


def test_each_is_measured_on_what_its_own_account_calls_so(
    everything: Store, artifacts: Artifacts, settings: Settings
) -> None:
    plain = Store.open(settings)
    # The second of each is compared with its champion: an equal network in both accounts.
    for seed, promote in ((1, "always"), (2, "if_better")):
        for name in ACCOUNTS:
            submit(everything.of(name), hidden_sizes=(32,), evaluate_on="held/1", seed=seed, promote=promote)
        run(None, plain, artifacts, settings, owner="worker")
    plain.database.close()
    with everything.database.reader.connect() as connection:
        assert set(connection.execute(select(attempts.c.together, attempts.c.outcome))) == {(2, "succeeded")}
    reached = {}
    for name in ACCOUNTS:
        second = everything.of(name).models.decisions("digits", limit=1)[0].comparison
        assert (second["dataset"], second["champion"]) == ("held/1", 1)
        reached[name] = second["champion_value"]
    assert reached["acme"] > 0.5
    assert reached["globex"] < 0.2, "and not what the equal champion of the other account reached"
