"""Which data sets there are: those that are built in, and those on record."""

from service.api.schemas.datasets import Dataset, DatasetDescription
from service.store.engine import Record
from service.store.store import Store

BUILTIN = ("digits", "fashion_mnist", "kmnist", "mnist", "qmnist")


def exists(name: str, store: Store) -> bool:
    """Whether a job may name this data set."""
    return name in BUILTIN or store.datasets.get(name) is not None


def names(store: Store) -> set[str]:
    """Give the names of all data sets."""
    return {*BUILTIN, *(row.name for row in store.datasets.all())}


def show(name: str, row: Record | None) -> Dataset:
    """Show a data set; a built-in one that nobody has asked for yet has no row."""
    links = {"self": f"/datasets/{name}", "samples": f"/datasets/{name}/samples.png"}
    if row is None:
        return Dataset(name=name, source="builtin", state="unknown", description=None, error=None, links=links)
    description = DatasetDescription(**row.description) if row.description else None
    return Dataset(name=name, source=row.source, state=row.state, description=description, error=row.error, links=links)
