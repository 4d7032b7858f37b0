"""The examples of a data set, wherever they come from: a version that was uploaded, or what is built in."""

from typing import Any

from models.data import schema
from models.data.builtin import BUILTIN
from models.data.examples import Examples
from models.data.load import load_builtin
from models.data.stored import Stored, is_array
from service.artifacts import Artifacts
from service.settings import Settings
from service.store import owners
from service.store.errors import NoSuchData
from service.store.store import Store


def load(reference: str, store: Store, artifacts: Artifacts, settings: Settings) -> Examples:
    """Load a data set, downloading it if need be; raises ValueError or OSError where that cannot be done."""
    uploaded = stored(reference, store, artifacts)
    return uploaded.load() if uploaded is not None else load_builtin(reference, settings.data)


def stored(reference: str, store: Store, artifacts: Artifacts) -> Stored | None:
    """Tell where a version of an uploaded data set lies, `letters/3`; None for what is built in.

    A job from before there were versions says `letters`, and means the first. Raises ValueError where there is none.
    """
    name, _, number = reference.partition("/")
    if name in BUILTIN:
        return None
    store, name = _holding(store, name)
    version = int(number or 1)
    row = store.datasets.version(name, version)
    files = [file for file in store.files.of(owners.of_data(name, version)) if is_array(file.name)]
    if row is None or row.schema is None or not files:
        raise ValueError(f"version {version} of the data set {name!r} is not there any more")
    places = tuple((file.name, artifacts.path(file.key)) for file in files)
    return Stored(places, schema.read(row.schema))


def warnings_of(reference: str, store: Store) -> tuple[dict[str, Any], ...]:
    """Give what a reading has warned of, where a version of an uploaded data set was read; for its networks' cards."""
    row = store.resolution.row_of(reference)
    return () if row is None or row.reading is None else tuple(row.reading["warnings"])


def _holding(store: Store, name: str) -> tuple[Store, str]:
    """Give the record of whoever has a data set, and its name there; raises ValueError where it is not shared."""
    try:
        return store.holding(name)
    except NoSuchData:
        owner, _, its = name.partition(":")
        raise ValueError(
            f"the account {owner} does not share the data set {its!r} with this one any more; train on other data, or "
            "ask for it to be shared again"
        ) from None
