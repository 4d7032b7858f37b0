"""What the API is made of; built once, handed to every route."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from service.artifacts import Artifacts
from service.broker.doorbell import Doorbell
from service.predict.predictor import Predictor
from service.settings import Settings
from service.store.store import Store


@dataclass(frozen=True)
class Parts:
    """The parts of a running API process."""

    settings: Settings
    store: Store
    artifacts: Artifacts
    doorbell: Doorbell
    predictor: Predictor

    @classmethod
    def build(cls, settings: Settings) -> "Parts":
        """Build all parts; opens the database."""
        store, artifacts = Store.open(settings), Artifacts(settings.artifacts)
        return cls(
            settings=settings,
            store=store,
            artifacts=artifacts,
            doorbell=Doorbell(settings.broker_url),
            predictor=Predictor(store, artifacts, memory_bytes=settings.model_memory_bytes),
        )


def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


Given = Annotated[Parts, Depends(_parts)]
