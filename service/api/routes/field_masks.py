"""How a list is shown: with all fields of what is on it or with some, and not again to who has it already."""

from hashlib import sha256
from typing import Annotated, Any, get_args
from urllib.parse import quote

from fastapi import Depends, Header, Query, Request, Response
from pydantic import BaseModel

from service.api.entity_tags import is_known
from service.api.problems import problems
from service.errors import Fault, Invalid


class Listing:
    """What a client wants to see of a list."""

    def __init__(self, request: Request, fields: str | None) -> None:
        self._headers = request.headers
        self._fields = fields

    def answer(self, page: BaseModel) -> Response:
        """Answer with a page, what is on it is in its `data`; or that the client has it. Raises Invalid."""
        include: Any = None
        if self._fields is not None:
            (item,) = get_args(type(page).model_fields["data"].annotation)
            include = {**dict.fromkeys(type(page).model_fields, True), "data": {"__all__": _chosen(self._fields, item)}}
            if (following := getattr(page, "next", None)) is not None:
                joined = "&" if "?" in following else "?"
                page = page.model_copy(update={"next": f"{following}{joined}fields={quote(self._fields, safe=',')}"})
        body = page.model_dump_json(include=include).encode()
        tag = sha256(body).hexdigest()
        headers = {"ETag": f'"{tag}"'}
        if is_known(self._headers, tag):
            return Response(status_code=304, headers=headers)
        return Response(body, media_type="application/json", headers=headers)


def _chosen(fields: str, item: type[BaseModel]) -> set[str]:
    chosen = set(fields.split(","))
    if unknown := sorted(chosen - item.model_fields.keys()):
        detail = f"{unknown[0]!r} is no field of what is listed: {', '.join(item.model_fields)}"
        raise Invalid(f"fields: {detail}", faults=[Fault("#query/fields", detail)])
    return chosen


async def _listing(
    request: Request,
    fields: Annotated[
        str | None,
        Query(
            max_length=1024,
            pattern=r"^[a-z0-9_]+(,[a-z0-9_]+)*$",
            description="Of what is listed, only these fields, `id,state` say; default all.",
        ),
    ] = None,
    if_none_match: Annotated[  # noqa: ARG001 - described here, and read where ETags are
        str | None, Header(description="ETags of what the client has: one of these is not sent again.")
    ] = None,
) -> Listing:
    return Listing(request, fields)


Shown = Annotated[Listing, Depends(_listing)]


def as_list(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Declare what a route answers that shows a list, and its errors, for OpenAPI."""
    known = "The client has the list already: one of the tags in `If-None-Match` is its ETag."
    return {304: {"description": known}, **problems(422, *statuses)}
