"""What a route does not have is not passed over: query parameters that its description does not name are refused."""

from functools import lru_cache
from typing import Any

from fastapi import FastAPI, Request

from service.edge.query import require_known


def known_query(request: Request) -> None:
    """Refuse parameters that the route does not have, and several of a name where only one counts."""
    if request.scope["query_string"]:
        known = _parameters(request.app, request.scope["route"].path_format, request.method.lower())
        require_known((name for name, _ in request.query_params.multi_items()), known)


@lru_cache(maxsize=256)
def _parameters(app: FastAPI, path: str, method: str) -> dict[str, bool]:
    """Give the names of a route's query parameters, and whether each may be given several times."""
    route: dict[str, Any] = app.openapi()["paths"][path][method]
    return {
        parameter["name"]: _is_list(parameter["schema"])
        for parameter in route.get("parameters", ())
        if parameter["in"] == "query"
    }


def _is_list(schema: dict[str, Any]) -> bool:
    return schema.get("type") == "array" or any(_is_list(one) for one in schema.get("anyOf", ()))
