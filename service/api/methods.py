"""Which methods a path has: what 405 tells in Allow, all of them (RFC 9110, 15.5.6)."""

from fastapi import FastAPI
from starlette.routing import Match, Mount

METHODS = ("get", "head", "post", "put", "patch", "delete", "options")


def allowed(app: FastAPI, path: str) -> str:
    """Give the methods of all routes that a path fits, as Allow lists them; GET can always be asked as HEAD."""
    found = {method for method in METHODS if _is_answered(app, path, method.upper())}
    if "get" in found:
        found.add("head")
    return ", ".join(method.upper() for method in METHODS if method in found)


def _is_answered(app: FastAPI, path: str, method: str) -> bool:
    scope = {"type": "http", "path": path, "root_path": "", "method": method, "headers": []}
    # What is mounted are files; they match any method, and have GET alone.
    return any(
        route.matches(scope)[0] is Match.FULL and (method == "GET" or not isinstance(route, Mount))
        for route in app.router.routes
    )
