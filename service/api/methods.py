"""Which methods a path has: what 405 tells in Allow, all of them (RFC 9110, 15.5.6)."""

import re
from functools import lru_cache

from fastapi import FastAPI
from starlette.routing import compile_path

METHODS = ("get", "head", "post", "put", "patch", "delete")


def allowed(app: FastAPI, path: str) -> str:
    """Give the methods of all routes that a path fits, as Allow lists them; GET can always be asked as HEAD."""
    found = {method for pattern, methods in _patterns(app) if pattern.match(path) for method in methods}
    if "get" in found:
        found.add("head")
    return ", ".join(method.upper() for method in METHODS if method in found)


@lru_cache(maxsize=1)
def _patterns(app: FastAPI) -> list[tuple[re.Pattern[str], list[str]]]:
    return [(compile_path(path)[0], list(routes)) for path, routes in app.openapi()["paths"].items()]
