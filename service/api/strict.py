"""What a route does not have is not passed over: query parameters that it does not name, and a body, are refused."""

from typing import Any, get_args, get_origin

from fastapi import Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query
from fastapi.routing import APIRoute

from service.edge.query import require_known
from service.errors import Fault, Invalid

_SAYS_NOTHING = {b"", b"{}", b"null"}
"""Bodies that many clients send where they have nothing to say."""

_LONGEST_OF_THESE = 64


async def known_query(request: Request) -> None:
    """Refuse parameters that the route does not have, and several of a name where only one counts."""
    if request.scope["query_string"]:
        known = _parameters(request.scope["route"])
        require_known((name for name, _ in request.query_params.multi_items()), known)


async def known_body(request: Request) -> None:
    """Refuse a body where the route has none, before anything is done; one that says nothing may be there."""
    route: APIRoute = request.scope["route"]
    if route.body_field is not None or "requestBody" in (route.openapi_extra or {}):
        return
    if "content-length" not in request.headers and "transfer-encoding" not in request.headers:
        return
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _LONGEST_OF_THESE:
            break
    if body.strip() not in _SAYS_NOTHING:
        names = ", ".join(_parameters(route))
        detail = f"this route has no body; {f'in the query it has {names}' if names else 'send none'}"
        raise Invalid(detail, faults=[Fault("", detail)])


def _parameters(route: APIRoute) -> dict[str, bool]:
    """Give the names of a route's query parameters, and whether each may be given several times."""
    return {
        field.alias: _is_list(field.field_info.annotation)
        for field in get_flat_params(route.dependant)
        if isinstance(field.field_info, Query)
    }


def _is_list(annotation: Any) -> bool:
    return get_origin(annotation) is list or any(_is_list(one) for one in get_args(annotation))
