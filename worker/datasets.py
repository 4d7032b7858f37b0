"""The examples of a data set, wherever they come from: a table that was uploaded, or what is built in."""

from pathlib import Path

from models.data.examples import Examples
from models.data.load import load_builtin, load_table
from service.artifacts import Artifacts
from service.settings import Settings
from service.store import owners
from service.store.store import Store


def load(name: str, store: Store, artifacts: Artifacts, settings: Settings) -> Examples:
    """Load a data set, downloading it if need be; raises ValueError or OSError where that cannot be done."""
    table = uploaded_table(name, store, artifacts)
    return load_table(table) if table is not None else load_builtin(name, settings.data)


def uploaded_table(name: str, store: Store, artifacts: Artifacts) -> Path | None:
    """Give the table of an uploaded data set, or None for what is built in."""
    table = store.files.get(owners.of_dataset(name), "table.npy")
    return artifacts.path(table.key) if table is not None else None
