"""Trials are ranked by what their jobs reached by the metric of their sweep."""

import pytest
from pydantic import ValidationError

from service.store.ranking import best_job, rank
from service.store.store import Store
from service.sweeps.spec import SweepSpec
from tests.records import claim, epoch, file, sweep

RATES = [0.1, 0.01, 0.001]


@pytest.mark.parametrize(("metric", "order"), [("log_loss", [2, 3, 1]), ("macro_f1", [1, 3, 2])])
def test_the_best_by_the_metric_comes_first(store: Store, metric: str, order: list[int]) -> None:
    spec = SweepSpec.model_validate({"grid": {"learning_rate": RATES}, "base": {"metric": metric, "epochs": 1}})
    sweep_id, job_ids = sweep(store, **spec.model_dump(exclude_none=True))
    for job_id, value in zip(job_ids, (0.9, 0.2, 0.4), strict=True):
        held = claim(store, job_id)
        files = [file(name, f"{job_id}-w") for name in ("last.safetensors", "best.safetensors")]
        # The accuracies would say the opposite.
        accuracy = value if metric == "log_loss" else 1 - value
        store.runs.record_epoch(held, epoch(1, val_accuracy=accuracy, val_metric=value), files)
        store.runs.finish(held, test_accuracy=0.25)
    ranked = rank(spec, store.sweeps.jobs(sweep_id))
    assert [one.trial for one in ranked] == order
    best = best_job(ranked)
    assert best is not None
    assert best.id == job_ids[order[0] - 1]
    assert best.result is not None
    assert (best.result["metric"], best.result["test_accuracy"]) == (metric, 0.25)


def test_trials_that_differ_in_their_metric_are_not_compared() -> None:
    with pytest.raises(ValidationError, match="trials are ranked by their metric, so that all have the same: put it"):
        SweepSpec.model_validate({"grid": {"metric": ["accuracy", "log_loss"]}})
