"""What the API is made of; built once, handed to every route."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from service.artifacts import Artifacts
from service.broker.doorbell import Doorbell
from service.disk.floor import Floor
from service.errors import UnsupportedMedia
from service.predict.predictor import Predictor
from service.processes.standby import Standby
from service.settings import Settings
from service.store.store import Store


@dataclass(frozen=True)
class Dependencies:
    """What the routes of a running API process work with."""

    settings: Settings
    store: Store
    artifacts: Artifacts
    floor: Floor
    doorbell: Doorbell
    predictor: Predictor
    standby: Standby

    @classmethod
    def build(cls, settings: Settings) -> "Dependencies":
        """Build all of it; opens the database, and removes what uploads left that broke off with their program."""
        store, artifacts = Store.open(settings), Artifacts(settings.artifacts)
        with suppress(OSError):
            artifacts.remove(artifacts.abandoned("datasets"))
        return cls(
            settings=settings,
            store=store,
            artifacts=artifacts,
            floor=Floor.of(settings, store.database.file),
            doorbell=Doorbell(settings.broker_url),
            predictor=Predictor(store, artifacts, memory_bytes=settings.model_memory_bytes),
            standby=Standby(settings),
        )


# Not by a thread of their own, as what may wait: each change to another takes longer than either of them.


async def _dependencies(request: Request) -> Dependencies:
    dependencies: Dependencies = request.app.state.dependencies
    return dependencies


Deps = Annotated[Dependencies, Depends(_dependencies)]


async def json_only(request: Request) -> None:
    """Refuse a body of another media type."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise UnsupportedMedia("send application/json")
