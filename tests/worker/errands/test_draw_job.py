"""Plots of a job, drawn when somebody asks."""

import pytest

from service.artifacts import Artifacts
from service.settings import Settings
from service.store import owners
from service.store.store import Store
from tests.worker.training import submit, trained
from worker.errands.draw_job import draw


@pytest.mark.parametrize("plot", ["loss", "accuracy", "confusion", "mistakes"])
def test_a_plot_is_drawn_once_for_each_state_of_the_job(
    store: Store, artifacts: Artifacts, settings: Settings, plot: str
) -> None:
    job = trained(store, artifacts, settings)
    draw(job.id, plot, store, artifacts)
    first = store.files.get(owners.of_job(job.id), f"{plot}.png")
    assert first is not None
    assert first.epoch == 4
    assert artifacts.read(first.key, first.sha256).startswith(b"\x89PNG")
    draw(job.id, plot, store, artifacts)
    assert store.files.get(owners.of_job(job.id), f"{plot}.png") == first


def test_a_job_that_is_gone_or_has_no_epoch_is_not_drawn(store: Store, artifacts: Artifacts) -> None:
    job_id = submit(store)
    for each in (job_id, "nobody"):
        draw(each, "loss", store, artifacts)
    assert store.files.of(owners.of_job(job_id)) == []
