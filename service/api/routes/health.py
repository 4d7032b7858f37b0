"""/livez, /readyz, /version: for those who watch over the service."""

import platform
from importlib.metadata import version as version_of

from fastapi import APIRouter, Response

from service.api.dependencies import Deps
from service.api.schemas.health import Ready, Version

router = APIRouter(tags=["health"])


@router.get("/livez", summary="Does the process answer?")
async def livez() -> dict[str, str]:
    """Answer without touching anything else."""
    return {"status": "ok"}


@router.get("/readyz", summary="Can jobs be trained?", responses={503: {"model": Ready}})
def readyz(response: Response, deps: Deps) -> Ready:
    """Tell whether database, broker and a training worker are there; 503 if one is not."""
    database = deps.store.database.is_alive()
    ready = Ready(
        database=database,
        broker=deps.doorbell.is_alive(),
        worker=database and deps.store.workers.count("train", seconds=3 * deps.settings.heartbeat_seconds) > 0,
    )
    if not (ready.database and ready.broker and ready.worker):
        response.status_code = 503
    return ready


@router.get("/version", summary="Which software answers?")
def version() -> Version:
    """Tell name and version."""
    return Version(name="tenfold", version=version_of("tenfold"), python=platform.python_version())
