"""Descriptions of data sets: shapes, class counts, mean and deviation, digest, and a picture of some examples."""

import logging
from typing import Any

from service.artifacts import Artifacts
from service.settings import Settings
from service.store import owners
from service.store.store import Store
from worker.datasets import load
from worker.errands.failure import reason
from worker.plots.job import samples

_logger = logging.getLogger(__name__)

SAMPLES = 64
_SAMPLE_SEED = 0  # the same examples every time


def describe(name: str, store: Store, artifacts: Artifacts, settings: Settings) -> None:
    """Load a data set that waits to be described, downloading it if need be, and note what is found."""
    dataset = store.datasets.get(name)
    if dataset is None or dataset.state != "pending":
        return
    try:
        description, picture = _looked_at(name, store, artifacts, settings)
    except Exception as error:  # a file may be damaged in many ways, and somebody waits for an answer
        _logger.warning("data set %s cannot be described", name, exc_info=True)
        store.datasets.fail(dataset, reason(error))
        return
    file = artifacts.write(owners.of_dataset(name), "samples.png", picture)
    artifacts.remove(store.datasets.describe(dataset, description, [file]))


def _looked_at(name: str, store: Store, artifacts: Artifacts, settings: Settings) -> tuple[dict[str, Any], bytes]:
    """Give the description of a data set, and a picture of it."""
    examples = load(name, store, artifacts, settings)
    mean, deviation = examples.mean_and_deviation()
    description = {
        "examples": len(examples.labels),
        "image_shape": list(examples.pixels.shape[1:]),
        "class_counts": examples.class_counts(),
        "mean": mean,
        "deviation": deviation,
        "sha256": examples.digest,
    }
    sample = examples.sample(SAMPLES, seed=_SAMPLE_SEED)
    title = f"{len(sample.labels)} of {len(examples.labels):,}: {name}"
    return description, samples(sample.pixels, sample.labels, title)
