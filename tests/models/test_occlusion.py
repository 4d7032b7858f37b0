"""What each column adds to a class, against a network that is asked again, column by column."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import occlusion
from models.calibration import softmax
from models.ensemble import Ensemble
from models.inference import Network, read
from models.occlusion import contributions
from tests.forms import LETTERS, TITANIC, TITANIC_PLAN, stored, weights_of

USUAL = np.array([2.0, 1.0, 28.0, 0.0])
ONE = read(weights_of(TITANIC, TITANIC_PLAN))
TOGETHER = Ensemble([ONE, read(weights_of(TITANIC, TITANIC_PLAN, seed=1, hidden=9))])
TEMPERATURE = 1.7


def one_by_one(network: Any, rows: Any) -> Any:
    def probabilities(some: Any) -> Any:
        return softmax(network.logits(TITANIC_PLAN.apply(some)), TEMPERATURE)

    found = np.zeros(rows.shape)
    for place, row in enumerate(rows):
        whole = probabilities(row[None])[0]
        for column, usual in enumerate(USUAL):
            without = row.copy()
            without[column] = usual
            found[place, column] = whole.max() - probabilities(without[None])[0][whole.argmax()]
    return found


@pytest.mark.parametrize("network", [ONE, TOGETHER])
@given(seed=st.integers(0, 1000), at_once=st.sampled_from([1, 30, 2**20]))
def test_a_column_adds_what_the_class_loses_where_it_is_as_usual(
    network: Network | Ensemble, seed: int, at_once: int
) -> None:
    rows = stored(TITANIC, 9, seed)
    rows[4] = [-1, 1, np.nan, -1]
    rows[5] = USUAL
    sure = softmax(network.logits(TITANIC_PLAN.apply(rows)), TEMPERATURE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(occlusion, "_AT_ONCE", at_once)
        found = contributions(network, rows, sure, TEMPERATURE)
    np.testing.assert_allclose(found, one_by_one(network, rows), rtol=0, atol=2e-6)
    assert (found[5] == 0).all()
    assert contributions(network, rows[:0], sure[:0]).shape == (0, 4)


def test_pictures_have_no_columns() -> None:
    with pytest.raises(ValueError, match="this network takes pictures"):
        contributions(read(weights_of(LETTERS)), stored(LETTERS, 1), np.zeros((1, 26), np.float32))
