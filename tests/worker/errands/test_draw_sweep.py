"""Plots of sweeps, drawn from what is recorded of their jobs: real store, real files, real pictures."""

from typing import Any

import pytest

from service.artifacts import Artifacts
from service.store import owners
from service.store.engine import Row
from service.store.store import Store
from service.sweeps.expand import expand
from service.sweeps.spec import SweepSpec
from tests.records import claim, epoch, file
from worker.errands.draw_sweep import draw_sweep

PLOTS = ("curves", "comparison", "parallel")


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: the store's tests run on both."""
    return sqlite_url


def sweep(store: Store, **fields: Any) -> tuple[str, list[str]]:
    spec = SweepSpec(**fields)
    return store.sweeps.submit(spec, expand(spec, {"digits", "mnist"}))


def end(store: Store, job_id: str, accuracy: float) -> None:
    held = claim(store, job_id)
    weights = [file("last.safetensors", job_id), file("best.safetensors", job_id)]
    store.runs.record_epoch(held, epoch(1, train_accuracy=accuracy, val_accuracy=accuracy - 0.02), weights)
    store.runs.finish(held)


def drawn(store: Store, artifacts: Artifacts, sweep_id: str, plot: str) -> Row:
    draw_sweep(sweep_id, plot, store, artifacts)
    picture = store.files.get(owners.of_sweep(sweep_id), f"{plot}.png")
    assert picture is not None
    assert artifacts.read(picture.key, picture.sha256).startswith(b"\x89PNG")
    return picture


def test_a_plot_is_drawn_once_for_each_state_of_the_sweep(store: Store, artifacts: Artifacts) -> None:
    grid = {"learning_rate": [0.1, 0.01], "hidden_sizes": [[9], [8, 7]], "shuffle": [True, False]}
    sweep_id, job_ids = sweep(store, name="mix", base={"dataset": "digits", "epochs": 3}, grid=grid)
    for number, job_id in enumerate(job_ids[:4]):
        end(store, job_id, 0.8 + number / 100)
    store.runs.record_epoch(claim(store, job_ids[4]), epoch(1), [])
    first = drawn(store, artifacts, sweep_id, "comparison")
    assert drawn(store, artifacts, sweep_id, "comparison") == first
    end(store, job_ids[5], 0.9)
    second = drawn(store, artifacts, sweep_id, "comparison")
    assert second.epoch > first.epoch
    assert not artifacts.path(first.key).exists(), "the old picture is removed"


@pytest.mark.parametrize("plot", PLOTS)
def test_the_trials_of_the_report_are_drawn_with_several_seeds(store: Store, artifacts: Artifacts, plot: str) -> None:
    sweep_id, job_ids = sweep(store, preset="report", seeds=2)
    for number, job_id in enumerate(job_ids):
        end(store, job_id, 0.9 + number / 1000)
    drawn(store, artifacts, sweep_id, plot)


def test_random_trials_are_drawn_along_their_logarithms(store: Store, artifacts: Artifacts) -> None:
    ranges = {"learning_rate": {"log_uniform": [0.001, 0.1]}, "batch_size": {"integer": [8, 512]}}
    sweep_id, job_ids = sweep(store, base={"dataset": "digits"}, random={"trials": 6, "ranges": ranges})
    for number, job_id in enumerate(job_ids):
        end(store, job_id, 0.9 + number / 1000)
    drawn(store, artifacts, sweep_id, "parallel")


def test_a_sweep_that_is_gone_is_not_drawn(store: Store, artifacts: Artifacts) -> None:
    draw_sweep("nobody", "curves", store, artifacts)
    assert store.files.of(owners.of_sweep("nobody")) == []
