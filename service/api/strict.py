"""What a route does not have is not passed over: query parameters that its description does not name are refused."""

from typing import Any, get_args, get_origin

from fastapi import Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query
from fastapi.routing import APIRoute

from service.edge.query import require_known


async def known_query(request: Request) -> None:
    """Refuse parameters that the route does not have, and several of a name where only one counts."""
    if request.scope["query_string"]:
        known = _parameters(request.scope["route"])
        require_known((name for name, _ in request.query_params.multi_items()), known)


def _parameters(route: APIRoute) -> dict[str, bool]:
    """Give the names of a route's query parameters, and whether each may be given several times."""
    return {
        field.alias: _is_list(field.field_info.annotation)
        for field in get_flat_params(route.dependant)
        if isinstance(field.field_info, Query)
    }


def _is_list(annotation: Any) -> bool:
    return get_origin(annotation) is list or any(_is_list(one) for one in get_args(annotation))
