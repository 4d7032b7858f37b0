"""Data sets that cannot be described."""

from service.artifacts import Artifacts
from service.settings import Settings
from service.store.store import Store
from worker.errands.describe import describe


def test_a_data_set_that_cannot_be_had_is_described_as_such(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    store.datasets.add("unheard-of", "builtin")
    describe("unheard-of", store, artifacts, settings)
    row = store.datasets.get("unheard-of")
    assert row is not None
    assert row.state == "failed"
    assert "unheard-of" in row.error
