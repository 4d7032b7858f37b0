"""Plots of a job, drawn when somebody asks."""

import json

import pytest

from models.data.schema import Images, Table
from service.artifacts import Artifacts
from service.settings import Settings
from service.store import owners
from service.store.store import Store
from tests.records import claim, learn
from tests.worker.plots.examples import LETTERS, PASSENGERS, evaluated, of_form
from tests.worker.training import submit, trained
from worker.errands.draw_job import draw


@pytest.mark.parametrize("plot", ["loss", "accuracy", "confusion", "mistakes", "classes", "calibration"])
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


@pytest.mark.parametrize("plot", ["confusion", "mistakes", "classes", "roc", "precision_recall"])
@pytest.mark.parametrize("schema", [LETTERS, PASSENGERS], ids=["letters", "table"])
def test_what_was_measured_on_other_data_is_drawn_by_the_names_of_its_classes(
    store: Store, artifacts: Artifacts, plot: str, schema: Images | Table
) -> None:
    held = claim(store, submit(store))
    learn(store, artifacts, held, 1)
    owner = owners.of_job(held.job_id)
    document = json.dumps(evaluated(of_form(schema))).encode()
    store.files.publish(owner, [artifacts.write(owner, "evaluation.json", document, epoch=1)])
    draw(held.job_id, plot, store, artifacts)
    files = [file.name for file in store.files.of(owner) if plot in file.name]
    needs_two = plot in {"roc", "precision_recall"} and len(schema.classes) > 2
    assert files == [f"{plot}.png.refused" if needs_two else f"{plot}.png"]


def test_a_job_that_is_gone_or_has_no_epoch_is_not_drawn(store: Store, artifacts: Artifacts) -> None:
    job_id = submit(store)
    for each in (job_id, "nobody"):
        draw(each, "loss", store, artifacts)
    assert store.files.of(owners.of_job(job_id)) == []
