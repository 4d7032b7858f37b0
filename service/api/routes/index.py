"""/: what answers here, and where everything is."""

from importlib.metadata import version
from typing import Any

from fastapi import APIRouter

from service.edge.links import links

router = APIRouter()

_VERSION = version("tenfold")
_PATHS = {
    "documentation": "/docs",
    "openapi": "/openapi.json",
    "jobs": "/jobs",
    "sweeps": "/sweeps",
    "models": "/models",
    "datasets": "/datasets",
    "evaluations": "/evaluations",
    "events": "/events",
    "uploads": "/uploads",
    "webhooks": "/webhooks",
    "predict": "/predict",
    "keys": "/keys",
    "accounts": "/accounts",
    "audit": "/audit",
    "ready": "/readyz",
}


@router.get("/", include_in_schema=False)
async def index() -> dict[str, Any]:
    """Tell name and version, and where to go from here."""
    return {"name": "tenfold", "version": _VERSION, "links": links(_PATHS)}
