"""/livez, /readyz, /version: for those who watch over the service."""

import platform
from importlib.metadata import version as version_of

from fastapi import APIRouter, Response

from service.api.dependencies import Given
from service.api.schemas.jobs import Ready, Version

router = APIRouter(tags=["health"])


@router.get("/livez", summary="Does the process answer?")
async def livez() -> dict[str, str]:
    """Answer without touching anything else."""
    return {"status": "ok"}


@router.get("/readyz", summary="Can jobs be trained?", responses={503: {"model": Ready}})
def readyz(response: Response, parts: Given) -> Ready:
    """Tell whether database, broker and a training worker are there; 503 if one is not."""
    database = parts.store.database.is_alive()
    ready = Ready(
        database=database,
        broker=parts.doorbell.is_alive(),
        worker=database and parts.store.workers.count("train", seconds=3 * parts.settings.heartbeat_seconds) > 0,
    )
    if not (ready.database and ready.broker and ready.worker):
        response.status_code = 503
    return ready


@router.get("/version", summary="Which software answers?")
def version() -> Version:
    """Tell name and version."""
    return Version(name="tenfold", version=version_of("tenfold"), python=platform.python_version())
