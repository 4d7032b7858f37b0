"""Descriptions of data sets: shapes, class counts, mean and deviation, digest, and a picture of some examples."""

from service.artifacts import Artifacts
from service.settings import Settings
from service.store import owners
from service.store.store import Store
from worker.datasets import load
from worker.plots.job import samples

SAMPLES = 64
_SAMPLE_SEED = 0  # the same examples every time


def describe(name: str, store: Store, artifacts: Artifacts, settings: Settings) -> None:
    """Load a data set that waits to be described, downloading it if need be, and note what is found."""
    dataset = store.datasets.get(name)
    if dataset is None or dataset.state != "pending":
        return
    try:
        examples = load(name, store, artifacts, settings)
    except (ValueError, OSError) as error:
        store.datasets.fail(dataset, str(error))
        return
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
    picture = samples(sample.pixels, sample.labels, title)
    file = artifacts.write(owners.of_dataset(name), "samples.png", picture)
    artifacts.remove(store.datasets.describe(dataset, description, [file]))
